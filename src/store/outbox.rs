//! The outbox: e-mails to be sent, and the records of e-mails that were sent or given up.

use std::time::Duration;

use super::error::StoreError;
use crate::domain::mail_item::{MailId, MailItem, NewMail, SealedMail};
use crate::domain::time::Timestamp;

/// The state of an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// It is waiting for its first or next attempt, or is being sent.
    Waiting,
    /// The configured mail server accepted it.
    Sent,
    /// Its delivery failed and is not retried.
    Failed,
    /// It was not sent before the code or link in it expired, and is not sent any more.
    Expired,
}

/// What came of the request to retry an e-mail now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOutcome {
    /// The e-mail is due now.
    Due,
    /// A process is sending the e-mail at the moment. A second attempt at the same time would send it twice.
    BeingSent,
    /// The e-mail is not waiting, or has never existed.
    NotWaiting,
}

/// A position in the outbox, given by an e-mail. The next page starts with the next older e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailCursor {
    /// When the e-mail was queued.
    pub created_at: Timestamp,
    /// The e-mail's id, which orders e-mails queued in the same second.
    pub id: MailId,
}

/// An e-mail as lists show it.
#[derive(Clone, Debug)]
pub struct MailListing {
    /// Its row id.
    pub id: MailId,
    /// The template it was rendered from.
    pub template: String,
    /// Its state.
    pub state: MailState,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When the next attempt is due; `None` if it is not waiting.
    pub due_at: Option<Timestamp>,
    /// When the code or link in it expires; `None` if it contains none.
    pub expires_at: Option<Timestamp>,
    /// Until when a process has reserved it to send it; `None` if none has.
    pub claimed_until: Option<Timestamp>,
    /// When it was sent; `None` if it was not sent.
    pub sent_at: Option<Timestamp>,
    /// The number of failed attempts.
    pub attempts: u32,
    /// The error of the last failed attempt.
    pub last_error: Option<String>,
    /// Its encrypted content; `None` if it is not waiting, because the content is then deleted.
    pub sealed: Option<SealedMail>,
}

/// A page of the outbox.
#[derive(Clone, Debug, Default)]
pub struct MailPage {
    /// The e-mails, newest first. A page may have fewer than `limit` e-mails although more follow, because one call
    /// examines a limited number of e-mails.
    pub mails: Vec<MailListing>,
    /// The position after which the next page starts; `None` at the end.
    pub next: Option<MailCursor>,
}

/// Reads the outbox.
pub trait ReadOutbox {
    /// Returns a page of the outbox, newest first. If `state` is given, only e-mails in that state.
    fn mail_page(
        &self,
        state: Option<MailState>,
        after: Option<MailCursor>,
        limit: u32,
    ) -> Result<MailPage, StoreError>;
    /// Returns when the oldest waiting e-mail was queued; `None` if no e-mail is waiting.
    fn oldest_waiting_mail(&self) -> Result<Option<Timestamp>, StoreError>;
    /// Returns the number of e-mails that are waiting to be sent.
    fn mails_waiting(&self) -> Result<u64, StoreError>;
}

/// Changes the outbox.
pub trait WriteOutbox {
    /// Queues an e-mail that is due immediately.
    fn queue_mail(&self, mail: &NewMail) -> Result<MailId, StoreError>;
    /// Claims at most `limit` due e-mails for the duration `lease`, those that were due first. Returns them oldest
    /// first. Until the lease expires, no other call returns them, in this process or another. If the claiming process
    /// dies, they are due again when the lease expires.
    fn claim_mails(&self, now: Timestamp, lease: Duration, limit: u32) -> Result<Vec<MailItem>, StoreError>;
    /// Records that the configured mail server accepted the e-mail. Deletes its content and keeps its row.
    fn mail_sent(&self, id: MailId, now: Timestamp) -> Result<(), StoreError>;
    /// Records a failed attempt. If `retry_at` is `None`, gives the e-mail up and deletes its content.
    fn mail_failed(&self, id: MailId, retry_at: Option<Timestamp>, error: &str) -> Result<(), StoreError>;
    /// Records that the e-mail expired before it was sent. Deletes its content and keeps its row and its last error.
    fn mail_expired(&self, id: MailId) -> Result<(), StoreError>;
    /// Replaces the content of a waiting e-mail by the same content sealed with another key.
    fn reseal_mail(&self, id: MailId, sealed: &SealedMail) -> Result<(), StoreError>;
    /// Makes a waiting e-mail due immediately, unless it is being sent at the moment.
    fn retry_now(&self, id: MailId, now: Timestamp) -> Result<RetryOutcome, StoreError>;
    /// Deletes at most `limit` rows of e-mails that were sent or given up, and were queued before `before`. Returns how
    /// many.
    fn cleanup_mails(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
