//! Sends the e-mails in the outbox.
//!
//! Each e-mail is sent at least once. It is marked as sent after the mail server has accepted it. If the process dies
//! between these two steps, or the database fails, the e-mail is sent again rather than lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tracing::{Instrument as _, trace_span};

use crate::clock::Clock;
use crate::domain::count::Count;
use crate::domain::mail_item::{MailId, MailItem};
use crate::domain::time::Timestamp;
use crate::issuer::Issuer;
use crate::mail::{Mailer, SendError};
use crate::store::{Store, StoreError};

/// How long this process reserves the e-mails that it has claimed. Each takes at most 30 s, and [`AT_ONCE`] are sent at
/// a time, so [`MAX_CLAIMED`] e-mails take at most 90 s.
const LEASE: Duration = Duration::from_mins(2);
const MAX_CLAIMED: u32 = 12;
const AT_ONCE: usize = 4;

/// Runs the job: sends e-mails until none is due.
pub async fn run(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    loop {
        let done = tick(&issuer.store, &issuer.mailer, &issuer.clock).await?;
        issuer.counters.add_many(Count::MailSent, done.sent);
        issuer.counters.add_many(Count::MailFailed, done.failed);
        if done.due() == 0 {
            return Ok(());
        }
    }
}

/// How many of the due e-mails were sent, failed and expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Accepted by a mail server.
    pub sent: u64,
    /// Not accepted, or with an unknown result.
    pub failed: u64,
    /// Not sent, because they had expired.
    pub expired: u64,
}

/// The end of one attempt.
enum DeliveryEnd {
    Sent,
    Failed,
    Expired,
}

impl DeliveryCounts {
    /// Returns how many e-mails were due. If it is not 0, more may be due now.
    pub fn due(self) -> u64 {
        self.sent + self.failed + self.expired
    }

    /// Counts the result of a task. If the task panicked, its e-mail stays claimed until the lease ends.
    fn count(&mut self, task: Result<DeliveryEnd, JoinError>) {
        match task {
            Ok(DeliveryEnd::Sent) => self.sent += 1,
            Ok(DeliveryEnd::Failed) => self.failed += 1,
            Ok(DeliveryEnd::Expired) => self.expired += 1,
            Err(error) => {
                tracing::error!(%error, "e-mail task panicked; retrying in two minutes");
                self.failed += 1;
            }
        }
    }
}

/// Claims up to `MAX_CLAIMED` e-mails that are due, and sends them.
pub async fn tick(store: &Store, mailer: &Mailer, clock: &Clock) -> Result<DeliveryCounts, StoreError> {
    let now = clock.now();
    let mails = store.write(move |tx| tx.claim_mails(now, LEASE, MAX_CLAIMED)).await?;
    let mut done = DeliveryCounts::default();
    if mails.is_empty() {
        return Ok(done);
    }
    let mut sending = JoinSet::new();
    for mail in mails {
        if sending.len() == AT_ONCE
            && let Some(task) = sending.join_next().await
        {
            done.count(task);
        }
        sending.spawn(send(store.clone(), mailer.clone(), clock.clone(), mail));
    }
    while let Some(task) = sending.join_next().await {
        done.count(task);
    }
    mailer.close_idle().await;
    Ok(done)
}

/// Sends an e-mail, unless it has expired, and records the result.
async fn send(store: Store, mailer: Mailer, clock: Clock, mail: MailItem) -> DeliveryEnd {
    let id = mail.id;
    if mail.is_expired(clock.now()) {
        tracing::warn!(mail = id.0, template = mail.template, "e-mail expired before it was sent; giving up");
        record(id, store.write(move |tx| tx.mail_expired(id)).await);
        return DeliveryEnd::Expired;
    }
    let span = trace_span!("mail.deliver", otel.kind = "client", mail = mail.id.0, template = mail.template);
    let outcome = mailer.deliver(&mail, clock.now()).instrument(span).await;
    let now = clock.now();
    match outcome {
        Ok(()) => {
            record(id, store.write(move |tx| tx.mail_sent(id, now)).await);
            DeliveryEnd::Sent
        }
        Err(error) => {
            let retry_at = mail.retry_at(now).filter(|_| !error.is_undeliverable());
            log_failure(&mail, &error, retry_at);
            record(id, store.write(move |tx| tx.mail_failed(id, retry_at, &error.to_string())).await);
            DeliveryEnd::Failed
        }
    }
}

/// Logs that a result was not recorded.
fn record(id: MailId, recorded: Result<(), StoreError>) {
    if let Err(error) = recorded {
        tracing::error!(mail = id.0, %error, "e-mail result not recorded; retrying in two minutes, may be sent twice");
    }
}

/// Logs why an e-mail was not sent. The error contains the masked recipient and the mail server.
///
/// A permanent rejection is retried like any other failure. Many are corrected at the mail server within the same
/// day, and the user is waiting for the e-mail.
fn log_failure(mail: &MailItem, error: &SendError, retry_at: Option<Timestamp>) {
    let id = mail.id.0;
    let template = &mail.template;
    let permanent = error.is_permanent();
    if let Some(retry_at) = retry_at {
        tracing::warn!(mail = id, template, permanent, %retry_at, %error, "e-mail not sent; retrying later");
    } else if error.is_undeliverable() {
        tracing::warn!(mail = id, template, %error, "e-mail undeliverable; giving up");
    } else {
        tracing::error!(mail = id, template, permanent, %error, "e-mail not sent within 24 h; giving up");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::derive::DerivedKeys;
    use crate::domain::mail_name::MailRecipient;
    use crate::domain::reset_code::ResetCode;
    use crate::domain::user::{Email, Username};
    use crate::mail::{Mail, MailerOptions, Transport};
    use crate::random::Random;
    use crate::store::sqlite::Database;

    fn mailer(secret: u8, transport: Transport) -> Mailer {
        let public_url = "https://auth.example.com".to_owned();
        let options = MailerOptions { public_url, from: None, templates_dir: None, transport, files: None };
        Mailer::new(options, &DerivedKeys::new(&[secret; 32])).unwrap()
    }

    /// Creates a store with `count` e-mails prepared by `mailer`.
    async fn outbox(count: u8, mailer: &Mailer, clock: &Clock) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Sqlite(Database::open(&folder.path().join("countersign.db")).unwrap());
        for number in 0..count {
            let username = Username::parse("anna").unwrap();
            let code = ResetCode::from_random([number; 12]);
            let mail = Mail::ResetCode { username, code, valid_for: Duration::from_mins(15) };
            let to = MailRecipient { address: Email::parse("anna@example.com").unwrap(), is_verified: true };
            let new = mailer.prepare(&mail, &to, clock.now(), &Random::seeded(number.into())).unwrap();
            let queued: Result<_, StoreError> = store.write(move |tx| tx.queue_mail(&new)).await;
            queued.unwrap();
        }
        (folder, store)
    }

    async fn waiting(store: &Store) -> u64 {
        let waiting: Result<u64, StoreError> = store.read(|tx| tx.mails_waiting()).await;
        waiting.unwrap()
    }

    #[tokio::test]
    async fn every_due_email_is_sent_once() {
        let (transport, sent) = Transport::memory();
        let mailer = mailer(7, transport);
        let clock = Clock::manual(Timestamp::from_unix(1000));
        let (_folder, store) = outbox(14, &mailer, &clock).await;
        let mut due = Vec::new();
        for _ in 0..3 {
            due.push(tick(&store, &mailer, &clock).await.unwrap().due());
        }
        assert_eq!((due, waiting(&store).await), (vec![12, 2, 0], 0));
        clock.advance(LEASE);
        let idle = tick(&store, &mailer, &clock).await.unwrap();
        assert_eq!((idle.due(), sent.lock().unwrap().len()), (0, 14));
    }

    #[tokio::test]
    async fn an_undeliverable_email_is_given_up_at_once() {
        let (transport, sent) = Transport::memory();
        let mailer = mailer(7, transport);
        let clock = Clock::manual(Timestamp::from_unix(1000));
        let (_folder, store) = outbox(0, &mailer, &clock).await;
        let code = ResetCode::from_random([1; 12]);
        let mail =
            Mail::ResetCode { username: Username::parse("anna").unwrap(), code, valid_for: Duration::from_mins(15) };
        // Earlier rules accepted this address.
        let address = Email::from_stored("\"odd name\"@example.com".to_owned());
        let to = MailRecipient { address, is_verified: true };
        let new = mailer.prepare(&mail, &to, clock.now(), &Random::seeded(1)).unwrap();
        let queued: Result<_, StoreError> = store.write(move |tx| tx.queue_mail(&new)).await;
        queued.unwrap();
        let done = tick(&store, &mailer, &clock).await.unwrap();
        assert_eq!((done, waiting(&store).await), (DeliveryCounts { failed: 1, ..DeliveryCounts::default() }, 0));
        assert!(sent.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_unreadable_email_waits_for_the_right_secret() {
        let (transport, sent) = Transport::memory();
        let original = mailer(7, transport);
        let clock = Clock::manual(Timestamp::from_unix(1000));
        let (_folder, store) = outbox(1, &original, &clock).await;
        let with_other_secret = tick(&store, &mailer(8, Transport::memory().0), &clock).await.unwrap();
        assert_eq!(with_other_secret, DeliveryCounts { failed: 1, ..DeliveryCounts::default() });
        assert_eq!((waiting(&store).await, tick(&store, &original, &clock).await.unwrap().due()), (1, 0));
        clock.advance(Duration::from_secs(30));
        let done = tick(&store, &original, &clock).await.unwrap();
        assert_eq!((done.sent, sent.lock().unwrap().len()), (1, 1));
    }

    #[tokio::test]
    async fn an_expired_email_is_not_sent() {
        let (transport, sent) = Transport::memory();
        let mailer = mailer(7, transport);
        let clock = Clock::manual(Timestamp::from_unix(1000));
        let (_folder, store) = outbox(2, &mailer, &clock).await;
        clock.advance(Duration::from_mins(15));
        let done = tick(&store, &mailer, &clock).await.unwrap();
        assert_eq!(done, DeliveryCounts { expired: 2, ..DeliveryCounts::default() });
        assert_eq!((waiting(&store).await, sent.lock().unwrap().len()), (0, 0));
        clock.advance(LEASE);
        assert_eq!(tick(&store, &mailer, &clock).await.unwrap().due(), 0);
    }

    #[tokio::test]
    async fn an_email_that_failed_expires_on_time() {
        let original = mailer(7, Transport::memory().0);
        let (transport, sent) = Transport::memory();
        let failing = mailer(8, transport);
        let clock = Clock::manual(Timestamp::from_unix(1000));
        let (_folder, store) = outbox(1, &original, &clock).await;
        clock.advance(Duration::from_secs(14 * 60 + 50));
        assert_eq!(tick(&store, &failing, &clock).await.unwrap().failed, 1);
        clock.advance(Duration::from_secs(9));
        assert_eq!(tick(&store, &failing, &clock).await.unwrap().due(), 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!(tick(&store, &original, &clock).await.unwrap().expired, 1);
        assert!(sent.lock().unwrap().is_empty());
    }
}
