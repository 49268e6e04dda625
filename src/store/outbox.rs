//! The outbox: mails that were promised and not yet sent.

use std::time::Duration;

use super::StoreError;
use crate::domain::mail_item::{MailId, MailItem, NewMail, SealedMail};
use crate::domain::time::Timestamp;

/// What became of a mail so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// It waits for its first or next attempt, or is being sent.
    Waiting,
    /// The next server took it.
    Sent,
    /// It was given up.
    Failed,
}

/// A place in the outbox: the mail it goes on after, towards older ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailCursor {
    /// When that mail was written.
    pub created_at: Timestamp,
    /// Which of that second's.
    pub id: MailId,
}

/// A mail as lists show it.
#[derive(Clone, Debug)]
pub struct MailListing {
    /// Its row.
    pub id: MailId,
    /// The template it was rendered from.
    pub template: String,
    /// What became of it.
    pub state: MailState,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it is tried next, while it waits.
    pub due_at: Option<Timestamp>,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// How many attempts failed.
    pub attempts: u32,
    /// What the last failed one met.
    pub last_error: Option<String>,
    /// Its content, while it waits.
    pub sealed: Option<SealedMail>,
}

/// A page of the outbox.
#[derive(Clone, Debug, Default)]
pub struct MailPage {
    /// Newest first. They may be fewer than asked for although there are more: one call looks at so many mails only.
    pub mails: Vec<MailListing>,
    /// Where the next page begins; None at the end.
    pub next: Option<MailCursor>,
}

/// Asking for mails.
pub trait ReadOutbox {
    /// A page of the outbox, newest first; of one state where one is named.
    fn mail_page(
        &self,
        state: Option<MailState>,
        after: Option<MailCursor>,
        limit: u32,
    ) -> Result<MailPage, StoreError>;
    /// When the oldest mail was written that still waits.
    fn oldest_waiting_mail(&self) -> Result<Option<Timestamp>, StoreError>;
    /// How many mails still wait to be sent.
    fn mails_waiting(&self) -> Result<u64, StoreError>;
}

/// Changing the outbox.
pub trait WriteOutbox {
    /// Writes a mail, due at once.
    fn queue_mail(&self, mail: &NewMail) -> Result<MailId, StoreError>;
    /// Takes at most `limit` due mails, oldest first, for `lease`: nobody else, in this process or another, is given them before that is
    /// over, and if the taker dies they are due again then.
    fn claim_mails(&self, now: Timestamp, lease: Duration, limit: u32) -> Result<Vec<MailItem>, StoreError>;
    /// The mail was accepted by the next server: its content is forgotten, its row stays for the record.
    fn mail_sent(&self, id: MailId, now: Timestamp) -> Result<(), StoreError>;
    /// An attempt failed; `retry_at` None gives the mail up and forgets its content.
    fn mail_failed(&self, id: MailId, retry_at: Option<Timestamp>, error: &str) -> Result<(), StoreError>;
    /// Makes a mail that waits due at once. False where it does not wait (any more).
    fn retry_now(&self, id: MailId, now: Timestamp) -> Result<bool, StoreError>;
    /// Forgets at most `limit` rows of mails sent or given up that were written before `before`. How many.
    fn cleanup_mails(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
