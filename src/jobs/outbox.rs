//! Sends what waits in the outbox.
//!
//! A mail is sent at least once: it is marked as sent after the mail server took it, so that a process that dies in
//! between, or a database that is gone then, repeats it rather than loses it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tracing::{Instrument as _, trace_span};

use crate::clock::Clock;
use crate::domain::count::Count;
use crate::domain::mail_item::MailItem;
use crate::domain::time::Timestamp;
use crate::issuer::Issuer;
use crate::mail::{Mailer, SendError};
use crate::store::{Store, StoreError};

/// How long claimed mails are ours. At 30 s for each and [`AT_ONCE`] beside each other all of them are done before.
const LEASE: Duration = Duration::from_mins(2);
const CLAIMED: u32 = 12;
const AT_ONCE: usize = 4;

/// A turn of the job: sends until nothing is due.
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

/// What became of the mails that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Taken by a mail server.
    pub sent: u64,
    /// Not taken, or nobody knows.
    pub failed: u64,
}

impl DeliveryCounts {
    /// How many were due: while that is not 0 more may be due at once.
    pub fn due(self) -> u64 {
        self.sent + self.failed
    }

    /// A task that panicked leaves its mail to the end of the lease.
    fn count(&mut self, task: Result<bool, JoinError>) {
        match task {
            Ok(true) => self.sent += 1,
            Ok(false) => self.failed += 1,
            Err(error) => {
                tracing::error!(%error, "sending a mail stopped; it is tried again in two minutes");
                self.failed += 1;
            }
        }
    }
}

/// Takes mails that are due and sends them.
pub async fn tick(store: &Store, mailer: &Mailer, clock: &Clock) -> Result<DeliveryCounts, StoreError> {
    let now = clock.now();
    let mails = store.write(move |tx| tx.claim_mails(now, LEASE, CLAIMED)).await?;
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

/// Sends a mail and notes what became of it. Whether a mail server took it.
async fn send(store: Store, mailer: Mailer, clock: Clock, mail: MailItem) -> bool {
    let span = trace_span!("mail.deliver", otel.kind = "client", mail = mail.id.0, template = mail.template);
    let outcome = mailer.deliver(&mail, clock.now()).instrument(span).await;
    let id = mail.id;
    let now = clock.now();
    let sent = outcome.is_ok();
    let noted: Result<(), StoreError> = match outcome {
        Ok(()) => store.write(move |tx| tx.mail_sent(id, now)).await,
        Err(error) => {
            let retry_at = mail.retry_at(now);
            log_failure(&mail, &error, retry_at);
            store.write(move |tx| tx.mail_failed(id, retry_at, &error.to_string())).await
        }
    };
    if let Err(error) = noted {
        tracing::error!(mail = id.0, %error, "noting what became of a mail; it is tried again in two minutes, and may go out twice");
    }
    sent
}

/// The error names the recipient, masked, and the mail server. A refusal for good is tried again like any other: many
/// are mended on the other side within the day, and a reset that was asked for is worth it.
fn log_failure(mail: &MailItem, error: &SendError, retry_at: Option<Timestamp>) {
    let id = mail.id.0;
    let template = &mail.template;
    let refused = error.is_permanent();
    if let Some(at) = retry_at {
        tracing::warn!(mail = id, template, refused, %error, "mail not sent; it is tried again at {at}");
    } else {
        tracing::error!(mail = id, template, refused, %error, "mail given up after a day of trying");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::derive::DerivedKeys;
    use crate::domain::reset_code::ResetCode;
    use crate::domain::user::{Email, Username};
    use crate::mail::{Mail, MailerOptions, Transport};
    use crate::random::Random;
    use crate::store::sqlite::Database;

    fn mailer(secret: u8, transport: Transport) -> Mailer {
        let public_url = "https://auth.example.com".to_owned();
        let options = MailerOptions { public_url, from: None, templates_dir: None, transport };
        Mailer::new(options, &DerivedKeys::new(&[secret; 32])).unwrap()
    }

    /// A store with `count` mails that `mailer` wrote.
    async fn outbox(count: u8, mailer: &Mailer, clock: &Clock) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Sqlite(Database::open(&folder.path().join("countersign.db")).unwrap());
        for number in 0..count {
            let username = Username::parse("anna").unwrap();
            let code = ResetCode::from_random([number; 12]);
            let mail = Mail::ResetCode { username, code, valid_for: Duration::from_mins(15) };
            let to = Email::parse("anna@example.com").unwrap();
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
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(tick(&store, &mailer, &clock).await.unwrap().due());
        }
        assert_eq!((taken, waiting(&store).await), (vec![12, 2, 0], 0));
        clock.advance(LEASE);
        let idle = tick(&store, &mailer, &clock).await.unwrap();
        assert_eq!((idle.due(), sent.lock().unwrap().len()), (0, 14));
    }

    #[tokio::test]
    async fn an_unreadable_email_waits_for_the_right_secret() {
        let (transport, sent) = Transport::memory();
        let right = mailer(7, transport);
        let clock = Clock::manual(Timestamp::from_unix(1000));
        let (_folder, store) = outbox(1, &right, &clock).await;
        let wrong = tick(&store, &mailer(8, Transport::memory().0), &clock).await.unwrap();
        assert_eq!(wrong, DeliveryCounts { sent: 0, failed: 1 });
        assert_eq!((waiting(&store).await, tick(&store, &right, &clock).await.unwrap().due()), (1, 0));
        clock.advance(Duration::from_secs(30));
        let done = tick(&store, &right, &clock).await.unwrap();
        assert_eq!((done.sent, sent.lock().unwrap().len()), (1, 1));
    }
}
