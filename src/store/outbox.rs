//! The outbox: mails that were promised and not yet sent.

use std::time::Duration;

use super::StoreError;
use crate::domain::mail_item::{MailId, MailItem, NewMail};
use crate::domain::time::Timestamp;

/// Asking for mails.
pub trait ReadOutbox {
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
    /// Forgets at most `limit` rows of mails sent or given up that were written before `before`. How many.
    fn sweep_mails(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
