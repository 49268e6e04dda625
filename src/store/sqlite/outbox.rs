//! The outbox in SQL.

use std::time::Duration;

use rusqlite::{Row, params};

use super::error::unreadable;
use super::tx::{Tx, date, maybe_date};
use crate::domain::mail_item::{MailId, MailItem, NewMail, SealedMail};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::outbox::{MailCursor, MailListing, MailPage, MailState, ReadOutbox, RetryOutcome, WriteOutbox};
use crate::store::paging::collect_page;

/// The maximum number of stored characters of an error, because a mail server may send a text of any length.
const ERROR_KEPT: usize = 500;

pub(super) const WAITING: &str = "SELECT count(*) FROM outbox WHERE due_at IS NOT NULL";
pub(super) const CLAIM: &str = "UPDATE outbox SET due_at = ?2, claimed_until = ?2 WHERE id IN
     (SELECT id FROM outbox WHERE due_at <= ?1 ORDER BY due_at, id LIMIT ?3)
   RETURNING id, template, sealed, created_at, expires_at, attempts";
pub(super) const CLEANUP: &str = "DELETE FROM outbox WHERE id IN
   (SELECT id FROM outbox WHERE due_at IS NULL AND created_at < ?1 ORDER BY created_at LIMIT ?2)";

/// A query for e-mails from a position towards older e-mails.
macro_rules! listing {
    ($index:literal, $which:literal) => {
        concat!(
            "SELECT * FROM outbox INDEXED BY ",
            $index,
            " WHERE ",
            $which,
            " AND created_at <= ?1 AND (created_at < ?1 OR id < ?2) ORDER BY created_at DESC, id DESC LIMIT ?3"
        )
    };
}
pub(super) const LIST_WAITING: &str = listing!("outbox_waiting_by_age", "due_at IS NOT NULL");
pub(super) const LIST_DONE: &str = listing!("outbox_done", "due_at IS NULL");
pub(super) const LIST_FAILED: &str = listing!("outbox_given_up", "due_at IS NULL AND sent_at IS NULL");
pub(super) const OLDEST_WAITING: &str = "SELECT created_at FROM outbox INDEXED BY outbox_waiting_by_age
   WHERE due_at IS NOT NULL AND created_at > ?1 ORDER BY created_at LIMIT 1";
pub(super) const RETRY_NOW: &str = "UPDATE outbox SET due_at = min(due_at, ?2)
   WHERE id = ?1 AND due_at IS NOT NULL AND (claimed_until IS NULL OR claimed_until <= ?2)";
const IS_WAITING: &str = "SELECT due_at IS NOT NULL FROM outbox WHERE id = ?1";

fn read_listing(row: &Row<'_>) -> Result<((i64, i64), MailListing), StoreError> {
    let due_at = maybe_date(row, "due_at")?;
    let sent_at = maybe_date(row, "sent_at")?;
    let state = match (due_at, sent_at) {
        (Some(_), _) => MailState::Waiting,
        (None, Some(_)) => MailState::Sent,
        (None, None) if row.get("expired")? => MailState::Expired,
        (None, None) => MailState::Failed,
    };
    let mail = MailListing {
        id: MailId(row.get("id")?),
        template: row.get("template")?,
        state,
        created_at: date(row, "created_at")?,
        due_at,
        expires_at: maybe_date(row, "expires_at")?,
        claimed_until: maybe_date(row, "claimed_until")?,
        sent_at,
        attempts: row.get("attempts")?,
        last_error: row.get("last_error")?,
        sealed: row.get::<_, Option<Vec<u8>>>("sealed")?.map(SealedMail),
    };
    Ok(((mail.created_at.unix(), mail.id.0), mail))
}

impl ReadOutbox for Tx<'_> {
    fn mail_page(
        &self,
        state: Option<MailState>,
        after: Option<MailCursor>,
        limit: u32,
    ) -> Result<MailPage, StoreError> {
        let streams: &[&str] = match state {
            None => &[LIST_WAITING, LIST_DONE],
            Some(MailState::Waiting) => &[LIST_WAITING],
            Some(MailState::Sent) => &[LIST_DONE],
            Some(MailState::Failed | MailState::Expired) => &[LIST_FAILED],
        };
        let start = after.map(|cursor| (cursor.created_at.unix(), cursor.id.0));
        let slices = |start: Option<&(i64, i64)>, slice: u32| {
            let (at, id) = start.copied().unwrap_or((i64::MAX, i64::MAX));
            streams.iter().map(|sql| self.all(sql, params![at, id, slice], read_listing)).collect()
        };
        let matches = |mail: &MailListing| state.is_none_or(|state| state == mail.state);
        let page = collect_page(limit, start, slices, |_, mail| matches(mail))?;
        let next = page.next.map(|(at, id)| MailCursor { created_at: Timestamp::from_unix(at), id: MailId(id) });
        Ok(MailPage { mails: page.rows.into_iter().map(|(_, mail)| mail).collect(), next })
    }

    fn oldest_waiting_mail(&self) -> Result<Option<Timestamp>, StoreError> {
        self.one(OLDEST_WAITING, [i64::MIN], |row| date(row, "created_at"))
    }

    fn mails_waiting(&self) -> Result<u64, StoreError> {
        let count = self.one(WAITING, [], |row| Ok(row.get::<_, i64>(0)?))?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }
}

impl WriteOutbox for Tx<'_> {
    fn queue_mail(&self, mail: &NewMail) -> Result<MailId, StoreError> {
        self.execute(
            "INSERT INTO outbox (template, sealed, created_at, due_at, expires_at) VALUES (?1, ?2, ?3, ?3, ?4)",
            params![mail.template, mail.sealed.0, mail.created_at.unix(), mail.expires_at.map(Timestamp::unix)],
        )?;
        Ok(MailId(self.last_id()))
    }

    fn claim_mails(&self, now: Timestamp, lease: Duration, limit: u32) -> Result<Vec<MailItem>, StoreError> {
        let mut mails = self.all(CLAIM, params![now.unix(), (now + lease).unix(), limit], |row| {
            Ok(MailItem {
                id: MailId(row.get("id")?),
                template: row.get("template")?,
                sealed: SealedMail(
                    row.get::<_, Option<Vec<u8>>>("sealed")?.ok_or_else(|| unreadable("e-mail", "it is empty"))?,
                ),
                created_at: date(row, "created_at")?,
                expires_at: maybe_date(row, "expires_at")?,
                attempts: row.get("attempts")?,
            })
        })?;
        // RETURNING returns its rows in no particular order.
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
            "UPDATE outbox SET attempts = attempts + 1, last_error = ?3, due_at = ?2, claimed_until = NULL,
               sealed = CASE WHEN ?2 IS NULL THEN NULL ELSE sealed END
             WHERE id = ?1 AND due_at IS NOT NULL",
            params![id.0, retry_at.map(Timestamp::unix), error],
        )?;
        Ok(())
    }

    fn mail_expired(&self, id: MailId) -> Result<(), StoreError> {
        self.execute(
            "UPDATE outbox SET expired = 1, due_at = NULL, sealed = NULL WHERE id = ?1 AND due_at IS NOT NULL",
            [id.0],
        )?;
        Ok(())
    }

    fn reseal_mail(&self, id: MailId, sealed: &SealedMail) -> Result<(), StoreError> {
        self.execute("UPDATE outbox SET sealed = ?2 WHERE id = ?1 AND due_at IS NOT NULL", params![id.0, sealed.0])?;
        Ok(())
    }

    fn retry_now(&self, id: MailId, now: Timestamp) -> Result<RetryOutcome, StoreError> {
        if self.execute(RETRY_NOW, params![id.0, now.unix()])? == 1 {
            return Ok(RetryOutcome::Due);
        }
        let is_waiting = self.one(IS_WAITING, [id.0], |row| Ok(row.get(0)?))?;
        Ok(if is_waiting == Some(true) { RetryOutcome::BeingSent } else { RetryOutcome::NotWaiting })
    }

    fn cleanup_mails(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(CLEANUP, params![before.unix(), limit])
    }
}
