//! The outbox: every e-mail arrives exactly once after failures of the mail server, or is given up after 24 h.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::domain::mail_item::NewMail;
use countersign::jobs::outbox::tick;
use countersign::mail::Mailer;
use countersign::store::sqlite::Database;
use countersign::store::{Store, StoreError};

use super::server::MailServer;
use super::{NOW, SmtpTarget, new_mail};

/// A store, a mailer and a manual clock.
struct OutboxFixture {
    store: Store,
    mailer: Mailer,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl OutboxFixture {
    fn new(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Sqlite(Database::open(&folder.path().join("countersign.db")).unwrap());
        Self { store, mailer: SmtpTarget::plain(port).mailer(), clock: Clock::manual(NOW), _folder: folder }
    }

    async fn queue(&self, names: &[String]) {
        // Without an expiry, so that only the retries decide how long an e-mail waits.
        let without_expiry = |mail| NewMail { expires_at: None, ..mail };
        let new = |name: &String| without_expiry(new_mail(&self.mailer, name, self.clock.now()));
        let emails: Vec<_> = names.iter().map(new).collect();
        let queued: Result<(), StoreError> =
            self.store.write(move |tx| emails.iter().try_for_each(|mail| tx.queue_mail(mail).map(drop))).await;
        queued.unwrap();
    }

    async fn waiting(&self) -> u64 {
        let waiting: Result<u64, StoreError> = self.store.read(|tx| tx.mails_waiting()).await;
        waiting.unwrap()
    }

    async fn tick(&self) -> u64 {
        tick(&self.store, &self.mailer, &self.clock).await.unwrap().due()
    }

    /// Runs the job until no e-mail is due.
    async fn send_all(&self) {
        while self.tick().await > 0 {}
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number}")).collect()
}

/// Stops the mail server and returns the recipients of the messages that it accepted. Asserts that it accepted only one
/// message for each.
fn recipients(server: MailServer) -> BTreeSet<String> {
    let accepted = server.stop();
    let names: BTreeSet<String> =
        accepted.iter().map(|message| message["to"][0].as_str().unwrap().replace("@example.com", "")).collect();
    assert_eq!(names.len(), accepted.len(), "an e-mail was sent twice");
    names
}

fn all(count: usize) -> BTreeSet<String> {
    names(count).into_iter().collect()
}

#[tokio::test]
async fn emails_beyond_one_batch_arrive_exactly_once() {
    let Some(server) = MailServer::start(&[]) else { return };
    let fixture = OutboxFixture::new(server.port);
    fixture.queue(&names(30)).await;
    fixture.send_all().await;
    assert_eq!((fixture.waiting().await, fixture.tick().await), (0, 0));
    assert_eq!(recipients(server), all(30));
}

#[tokio::test]
async fn a_recovered_mail_server_gets_every_email() {
    let Some(server) = MailServer::start(&[]) else { return };
    let port = server.port;
    server.stop();
    let fixture = OutboxFixture::new(port);
    fixture.queue(&names(5)).await;
    for wait in [30, 60, 120] {
        assert_eq!(fixture.tick().await, 5);
        assert_eq!((fixture.waiting().await, fixture.tick().await), (5, 0), "no e-mail is due before its retry time");
        fixture.clock.advance(Duration::from_secs(wait));
    }
    let server = MailServer::start(&["--port", &port.to_string()]).unwrap();
    fixture.send_all().await;
    assert_eq!(fixture.waiting().await, 0);
    assert_eq!(recipients(server), all(5));
}

#[tokio::test]
async fn deferred_emails_are_sent_later() {
    let Some(server) = MailServer::start(&["--refuse-first", "3"]) else { return };
    let fixture = OutboxFixture::new(server.port);
    fixture.queue(&names(5)).await;
    fixture.send_all().await;
    assert_eq!(fixture.waiting().await, 3);
    fixture.clock.advance(Duration::from_secs(30));
    fixture.send_all().await;
    assert_eq!(fixture.waiting().await, 0);
    assert_eq!(recipients(server), all(5));
}

#[tokio::test]
async fn an_undeliverable_email_is_given_up_after_24_hours() {
    let Some(server) = MailServer::start(&["--reject"]) else { return };
    let fixture = OutboxFixture::new(server.port);
    fixture.queue(&names(1)).await;
    for hour in 0..24 {
        assert_eq!((fixture.tick().await, fixture.waiting().await), (1, 1), "after {hour} hours");
        fixture.clock.advance(Duration::from_hours(1));
    }
    assert_eq!((fixture.tick().await, fixture.waiting().await), (1, 0));
    fixture.clock.advance(Duration::from_hours(1));
    assert_eq!(fixture.tick().await, 0);
}

#[tokio::test]
async fn emails_claimed_by_a_dead_process_are_sent_by_the_next() {
    let Some(server) = MailServer::start(&[]) else { return };
    let fixture = OutboxFixture::new(server.port);
    fixture.queue(&names(2)).await;
    let now = fixture.clock.now();
    let lease = Duration::from_mins(2);
    let claimed: Result<_, StoreError> = fixture.store.write(move |tx| tx.claim_mails(now, lease, 2)).await;
    assert_eq!(claimed.unwrap().len(), 2);
    assert_eq!(fixture.tick().await, 0, "the e-mails are claimed by another process");
    fixture.clock.advance(lease);
    fixture.send_all().await;
    assert_eq!(recipients(server), all(2));
}
