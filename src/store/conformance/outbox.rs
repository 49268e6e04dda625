//! The outbox: e-mails are claimed, sent, retried, given up and removed.

use std::time::Duration;

use super::retrying_store::RetryingStore;
use super::{at, read, write};
use crate::domain::mail_item::{MailId, NewMail, SealedMail};
use crate::store::{MailPage, MailState, RetryOutcome};

const LEASE: Duration = Duration::from_mins(1);

fn mail(byte: u8, created: i64) -> NewMail {
    NewMail { template: "reset_code", sealed: SealedMail(vec![byte; 3]), created_at: at(created), expires_at: None }
}

async fn queue(store: &RetryingStore, byte: u8, created: i64) -> MailId {
    write(store, move |tx| tx.queue_mail(&mail(byte, created))).await
}

/// Claims e-mails and returns their ids and numbers of earlier attempts.
async fn claim(store: &RetryingStore, now: i64, limit: u32) -> Vec<(MailId, u32)> {
    let mails = write(store, move |tx| tx.claim_mails(at(now), LEASE, limit)).await;
    mails.iter().map(|mail| (mail.id, mail.attempts)).collect()
}

async fn waiting(store: &RetryingStore) -> u64 {
    read(store, |tx| tx.mails_waiting()).await
}

pub(crate) async fn an_email_is_claimed_once(store: &RetryingStore) {
    let second = queue(store, 2, 110).await;
    let first = queue(store, 1, 100).await;
    assert_eq!(claim(store, 99, 9).await, []);
    let claimed = write(store, |tx| tx.claim_mails(at(120), LEASE, 1)).await;
    assert_eq!((claimed.len(), claimed[0].id, claimed[0].template.as_str()), (1, first, "reset_code"));
    assert_eq!((&claimed[0].sealed, claimed[0].created_at), (&SealedMail(vec![1; 3]), at(100)));
    assert_eq!(claim(store, 120, 9).await, [(second, 0)], "a claimed e-mail is not claimed again");
    assert_eq!(waiting(store).await, 2);
    write(store, move |tx| tx.mail_sent(first, at(121))).await;
    // A second process that had claimed the e-mail reports a failure late. The e-mail must not be sent again.
    write(store, move |tx| tx.mail_failed(first, Some(at(130)), "late")).await;
    assert_eq!(waiting(store).await, 1);
    assert_eq!(claim(store, 9999, 9).await, [(second, 0)]);
}

pub(crate) async fn an_email_is_retried_or_given_up(store: &RetryingStore) {
    let one = queue(store, 1, 100).await;
    let two = queue(store, 2, 100).await;
    assert_eq!(claim(store, 100, 9).await, [(one, 0), (two, 0)]);
    write(store, move |tx| {
        tx.mail_failed(one, Some(at(130)), &"é".repeat(10_000))?;
        tx.mail_failed(two, None, "no such mailbox")
    })
    .await;
    assert_eq!(claim(store, 129, 9).await, []);
    assert_eq!(claim(store, 130, 9).await, [(one, 1)]);
    assert_eq!(waiting(store).await, 1, "an e-mail that was given up does not wait");
}

pub(crate) async fn finished_emails_are_removed(store: &RetryingStore) {
    let one = queue(store, 1, 100).await;
    let two = queue(store, 2, 101).await;
    let three = queue(store, 3, 100).await;
    write(store, move |tx| {
        tx.mail_sent(one, at(200))?;
        tx.mail_failed(two, None, "no such mailbox")
    })
    .await;
    let cleanup = move |before| write(store, move |tx| tx.cleanup_mails(at(before), 9));
    assert_eq!((cleanup(100).await, cleanup(101).await, cleanup(9999).await), (0, 1, 1));
    assert_eq!(claim(store, 9999, 9).await, [(three, 0)], "a waiting e-mail is never removed");
}

pub(crate) async fn an_expired_lease_is_due(store: &RetryingStore) {
    let one = queue(store, 1, 100).await;
    assert_eq!(claim(store, 100, 9).await, [(one, 0)]);
    assert_eq!(claim(store, 159, 9).await, []);
    assert_eq!(claim(store, 160, 9).await, [(one, 0)]);
}

pub(crate) async fn emails_are_listed_with_their_state(store: &RetryingStore) {
    let mut all = Vec::new();
    for created in [100, 101, 101, 102, 103] {
        all.push(queue(store, 7, created).await);
    }
    let [waiting, sent, failed, late, tried] = all[..] else { panic!("five e-mails were queued") };
    write(store, move |tx| {
        tx.mail_sent(sent, at(200))?;
        tx.mail_failed(failed, None, "no such mailbox")?;
        tx.mail_sent(late, at(201))?;
        tx.mail_failed(tried, Some(at(500)), "greylisted")
    })
    .await;
    let page = |state, after, limit| read(store, move |tx| tx.mail_page(state, after, limit));
    let ids = |page: &MailPage| page.mails.iter().map(|mail| mail.id).collect::<Vec<_>>();
    let first = page(None, None, 3).await;
    assert_eq!(ids(&first), [tried, late, failed]);
    assert_eq!(ids(&page(None, first.next, 3).await), [sent, waiting]);
    assert_eq!(ids(&page(Some(MailState::Waiting), None, 9).await), [tried, waiting]);
    assert_eq!(ids(&page(Some(MailState::Sent), None, 9).await), [late, sent]);
    let given_up = page(Some(MailState::Failed), None, 9).await;
    assert_eq!(ids(&given_up), [failed]);
    let mail = &given_up.mails[0];
    assert_eq!((mail.attempts, mail.last_error.as_deref(), mail.due_at), (1, Some("no such mailbox"), None));
    assert!(mail.sealed.is_none() && first.mails[0].sealed.is_some());
    assert_eq!((first.mails[0].due_at, first.mails[1].sent_at), (Some(at(500)), Some(at(201))));
    assert_eq!(read(store, |tx| tx.oldest_waiting_mail()).await, Some(at(100)));
}

pub(crate) async fn a_waiting_email_can_be_retried_now(store: &RetryingStore) {
    let one = queue(store, 7, 100).await;
    let two = queue(store, 7, 100).await;
    write(store, move |tx| {
        tx.mail_failed(one, Some(at(900)), "greylisted")?;
        tx.mail_failed(two, None, "no such mailbox")
    })
    .await;
    let retry = |id| write(store, move |tx| tx.retry_now(id, at(200)));
    assert_eq!(retry(one).await, RetryOutcome::Due);
    assert_eq!((retry(two).await, retry(MailId(99)).await), (RetryOutcome::NotWaiting, RetryOutcome::NotWaiting));
    let claimed = write(store, |tx| tx.claim_mails(at(200), LEASE, 9)).await;
    assert_eq!(claimed.iter().map(|mail| mail.id).collect::<Vec<_>>(), [one]);
}

pub(crate) async fn an_email_being_sent_is_not_retried(store: &RetryingStore) {
    let one = queue(store, 7, 100).await;
    let retry = |now| write(store, move |tx| tx.retry_now(one, at(now)));
    assert_eq!(claim(store, 100, 9).await, [(one, 0)]);
    assert_eq!((retry(100).await, retry(159).await), (RetryOutcome::BeingSent, RetryOutcome::BeingSent));
    assert_eq!(claim(store, 159, 9).await, []);
    write(store, move |tx| tx.mail_failed(one, Some(at(500)), "greylisted")).await;
    assert_eq!(retry(159).await, RetryOutcome::Due);
    assert_eq!(claim(store, 159, 9).await, [(one, 1)]);
    // The process that claimed it died.
    assert_eq!((retry(218).await, retry(219).await), (RetryOutcome::BeingSent, RetryOutcome::Due));
    write(store, move |tx| tx.mail_sent(one, at(220))).await;
    assert_eq!(retry(221).await, RetryOutcome::NotWaiting);
}

pub(crate) async fn an_expired_email_is_listed_as_expired(store: &RetryingStore) {
    let [first, second] = [100, 101].map(|created| NewMail { expires_at: Some(at(110)), ..mail(7, created) });
    let one = write(store, move |tx| tx.queue_mail(&first)).await;
    let two = write(store, move |tx| tx.queue_mail(&second)).await;
    let failed = queue(store, 7, 102).await;
    let claimed = write(store, |tx| tx.claim_mails(at(105), LEASE, 1)).await;
    assert_eq!((claimed[0].id, claimed[0].expires_at), (one, Some(at(110))));
    write(store, move |tx| {
        tx.mail_failed(one, Some(at(110)), "greylisted")?;
        tx.mail_expired(one)?;
        tx.mail_expired(one)?;
        tx.mail_failed(failed, None, "no such mailbox")
    })
    .await;
    assert_eq!(claim(store, 9999, 9).await, [(two, 0)], "an expired e-mail is not due");
    let page = |state| read(store, move |tx| tx.mail_page(Some(state), None, 9));
    let expired = page(MailState::Expired).await.mails;
    assert_eq!(expired.iter().map(|mail| mail.id).collect::<Vec<_>>(), [one]);
    let mail = &expired[0];
    assert_eq!((mail.attempts, mail.last_error.as_deref(), mail.expires_at), (1, Some("greylisted"), Some(at(110))));
    assert!(mail.sealed.is_none() && mail.due_at.is_none());
    assert_eq!(page(MailState::Failed).await.mails.len(), 1);
    write(store, move |tx| tx.mail_sent(two, at(120))).await;
    write(store, move |tx| tx.mail_expired(two)).await;
    assert_eq!(page(MailState::Expired).await.mails.len(), 1, "a sent e-mail does not expire");
    assert_eq!(write(store, |tx| tx.cleanup_mails(at(101), 9)).await, 1);
}
