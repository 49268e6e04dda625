//! Sends what waits in the outbox.
//!
//! A mail is sent at least once: it is marked as sent after the mail server took it, so that a process that dies in
//! between, or a database that is gone then, repeats it rather than loses it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use crate::clock::Clock;
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
pub async fn turn(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    while tick(&issuer.store, &issuer.mailer, &issuer.clock).await? > 0 {}
    Ok(())
}

/// Takes mails that are due and sends them. How many it took: while that is not 0 more may be due at once.
pub async fn tick(store: &Store, mailer: &Mailer, clock: &Clock) -> Result<usize, StoreError> {
    let now = clock.now();
    let mails = store.write(move |tx| tx.claim_mails(now, LEASE, CLAIMED)).await?;
    if mails.is_empty() {
        return Ok(0);
    }
    let taken = mails.len();
    let mut sending = JoinSet::new();
    for mail in mails {
        if sending.len() == AT_ONCE {
            finished(sending.join_next().await);
        }
        sending.spawn(send(store.clone(), mailer.clone(), clock.clone(), mail));
    }
    while !sending.is_empty() {
        finished(sending.join_next().await);
    }
    mailer.rest().await;
    Ok(taken)
}

/// A task that panicked leaves its mail to the end of the lease.
fn finished(task: Option<Result<(), JoinError>>) {
    if let Some(Err(error)) = task {
        tracing::error!(%error, "sending a mail stopped; it is tried again in two minutes");
    }
}

async fn send(store: Store, mailer: Mailer, clock: Clock, mail: MailItem) {
    let outcome = mailer.deliver(&mail, clock.now()).await;
    let (id, now) = (mail.id, clock.now());
    let noted: Result<(), StoreError> = match outcome {
        Ok(()) => store.write(move |tx| tx.mail_sent(id, now)).await,
        Err(error) => {
            let retry_at = mail.retry_at(now);
            tell(&mail, &error, retry_at);
            store.write(move |tx| tx.mail_failed(id, retry_at, &error.to_string())).await
        }
    };
    if let Err(error) = noted {
        tracing::error!(mail = id.0, %error, "noting what became of a mail; it is tried again in two minutes, and may go out twice");
    }
}

/// The error names the recipient, masked, and the mail server. A refusal for good is tried again like any other: many
/// are mended on the other side within the day, and a reset that was asked for is worth it.
fn tell(mail: &MailItem, error: &SendError, retry_at: Option<Timestamp>) {
    let (id, template, refused) = (mail.id.0, &mail.template, error.is_permanent());
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
    use crate::chance::Chance;
    use crate::crypto::derive::DerivedKeys;
    use crate::domain::reset_code::ResetCode;
    use crate::domain::user::{Email, Username};
    use crate::mail::{Mail, MailerOptions, Transport};
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
            let new = mailer.prepare(&mail, &to, clock.now(), &Chance::seeded(number.into())).unwrap();
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
    async fn everything_due_is_sent_once() {
        let (transport, sent) = Transport::memory();
        let (mailer, clock) = (mailer(7, transport), Clock::manual(Timestamp::from_unix(1000)));
        let (_folder, store) = outbox(14, &mailer, &clock).await;
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(tick(&store, &mailer, &clock).await.unwrap());
        }
        assert_eq!((taken, waiting(&store).await), (vec![12, 2, 0], 0));
        clock.advance(LEASE);
        assert_eq!((tick(&store, &mailer, &clock).await.unwrap(), sent.lock().unwrap().len()), (0, 14));
    }

    #[tokio::test]
    async fn what_cannot_be_read_waits_for_the_right_secret() {
        let (transport, sent) = Transport::memory();
        let (right, clock) = (mailer(7, transport), Clock::manual(Timestamp::from_unix(1000)));
        let (_folder, store) = outbox(1, &right, &clock).await;
        assert_eq!(tick(&store, &mailer(8, Transport::memory().0), &clock).await.unwrap(), 1);
        assert_eq!((waiting(&store).await, tick(&store, &right, &clock).await.unwrap()), (1, 0));
        clock.advance(Duration::from_secs(30));
        assert_eq!((tick(&store, &right, &clock).await.unwrap(), sent.lock().unwrap().len()), (1, 1));
    }
}
