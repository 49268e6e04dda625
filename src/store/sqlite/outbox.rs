//! The outbox, in SQL.

use std::time::Duration;

use rusqlite::params;

use super::error::unreadable;
use super::tx::{Tx, date};
use crate::domain::mail_item::{MailId, MailItem, NewMail, SealedMail};
use crate::domain::time::Timestamp;
use crate::store::{ReadOutbox, StoreError, WriteOutbox};

/// How much of an error is kept, in characters: a mail server may say anything.
const ERROR_KEPT: usize = 500;

pub(super) const WAITING: &str = "SELECT count(*) FROM outbox WHERE due_at IS NOT NULL";
pub(super) const CLAIM: &str = "UPDATE outbox SET due_at = ?2 WHERE id IN
     (SELECT id FROM outbox WHERE due_at <= ?1 ORDER BY due_at, id LIMIT ?3)
   RETURNING id, template, sealed, created_at, attempts";
pub(super) const SWEEP: &str = "DELETE FROM outbox WHERE id IN
   (SELECT id FROM outbox WHERE due_at IS NULL AND created_at < ?1 ORDER BY created_at LIMIT ?2)";

impl ReadOutbox for Tx<'_> {
    fn mails_waiting(&self) -> Result<u64, StoreError> {
        let count = self.one(WAITING, [], |row| Ok(row.get::<_, i64>(0)?))?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }
}

impl WriteOutbox for Tx<'_> {
    fn queue_mail(&self, mail: &NewMail) -> Result<MailId, StoreError> {
        self.execute(
            "INSERT INTO outbox (template, sealed, created_at, due_at) VALUES (?1, ?2, ?3, ?3)",
            params![mail.template, mail.sealed.0, mail.created_at.unix()],
        )?;
        Ok(MailId(self.last_id()))
    }

    fn claim_mails(&self, now: Timestamp, lease: Duration, limit: u32) -> Result<Vec<MailItem>, StoreError> {
        let mut mails = self.all(CLAIM, params![now.unix(), (now + lease).unix(), limit], |row| {
            Ok(MailItem {
                id: MailId(row.get("id")?),
                template: row.get("template")?,
                sealed: SealedMail(
                    row.get::<_, Option<Vec<u8>>>("sealed")?.ok_or_else(|| unreadable("mail", "it is empty"))?,
                ),
                created_at: date(row, "created_at")?,
                attempts: row.get("attempts")?,
            })
        })?;
        // RETURNING gives its rows in no particular order.
        mails.sort_by_key(|mail| (mail.created_at, mail.id.0));
        Ok(mails)
    }

    fn mail_sent(&self, id: MailId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE outbox SET sent_at = ?2, due_at = NULL, sealed = NULL WHERE id = ?1 AND due_at IS NOT NULL",
            params![id.0, now.unix()],
        )?;
        Ok(())
    }

    fn mail_failed(&self, id: MailId, retry_at: Option<Timestamp>, error: &str) -> Result<(), StoreError> {
        let error: String = error.chars().take(ERROR_KEPT).collect();
        self.execute(
            "UPDATE outbox SET attempts = attempts + 1, last_error = ?3, due_at = ?2,
               sealed = CASE WHEN ?2 IS NULL THEN NULL ELSE sealed END
             WHERE id = ?1 AND due_at IS NOT NULL",
            params![id.0, retry_at.map(Timestamp::unix), error],
        )?;
        Ok(())
    }

    fn sweep_mails(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(SWEEP, params![before.unix(), limit])
    }
}
