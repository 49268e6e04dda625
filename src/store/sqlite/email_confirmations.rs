//! Confirmations of e-mail addresses in SQL.

use rusqlite::{Row, params};

use super::tx::{Columns, Tx};
use crate::domain::email_confirmation::EmailConfirmation;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::Email;
use crate::store::email_confirmations::{ReadEmailConfirmations, WriteEmailConfirmations};
use crate::store::error::StoreError;
use crate::store::reset_codes::CodeHash;

pub(super) const BY_LINK: &str =
    "SELECT c.user_id, c.email, c.becomes_username, c.requested_at, c.expires_at FROM email_confirmations c
     JOIN users u ON u.id = c.user_id WHERE c.link_hash = ?1 AND c.expires_at > ?2 AND u.is_active = 1";
pub(super) const OF_USER: &str = "SELECT user_id, email, becomes_username, requested_at, expires_at
   FROM email_confirmations WHERE user_id = ?1 AND expires_at > ?2";
pub(super) const CLEANUP: &str = "DELETE FROM email_confirmations WHERE user_id IN
   (SELECT user_id FROM email_confirmations WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

fn confirmation(row: &Row<'_>) -> Result<EmailConfirmation, StoreError> {
    let mut columns = Columns::of(row);
    Ok(EmailConfirmation {
        user: UserId(columns.take()?),
        email: Email::from_stored(columns.take()?),
        becomes_username: columns.take()?,
        requested_at: columns.date()?,
        expires_at: columns.date()?,
    })
}

impl ReadEmailConfirmations for Tx<'_> {
    fn email_confirmation(&self, hash: CodeHash, now: Timestamp) -> Result<Option<EmailConfirmation>, StoreError> {
        self.one(BY_LINK, params![hash.0, now.unix()], confirmation)
    }

    fn email_confirmation_of(&self, user: UserId, now: Timestamp) -> Result<Option<EmailConfirmation>, StoreError> {
        self.one(OF_USER, params![user.0, now.unix()], confirmation)
    }

    fn must_confirm_email(&self, user: UserId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM users WHERE id = ?1 AND must_confirm_email = 1 AND email IS NOT NULL";
        self.exists(sql, [user.0])
    }
}

impl WriteEmailConfirmations for Tx<'_> {
    fn put_email_confirmation(&self, confirmation: &EmailConfirmation, hash: CodeHash) -> Result<(), StoreError> {
        let EmailConfirmation { user, email, becomes_username, requested_at, expires_at } = confirmation;
        // Selects from `users`, so that no row is inserted for a user who was deleted just before.
        self.execute(
            "INSERT INTO email_confirmations (user_id, email, becomes_username, link_hash, requested_at, expires_at)
             SELECT id, ?2, ?3, ?4, ?5, ?6 FROM users WHERE id = ?1
             ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, becomes_username = excluded.becomes_username,
               link_hash = excluded.link_hash, requested_at = excluded.requested_at, expires_at = excluded.expires_at",
            params![user.0, email.as_str(), becomes_username, hash.0, requested_at.unix(), expires_at.unix()],
        )?;
        Ok(())
    }

    fn cancel_email_change(&self, user: UserId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM email_confirmations WHERE user_id = ?1
           AND email IS NOT (SELECT email FROM users WHERE id = ?1)";
        Ok(self.execute(sql, [user.0])? == 1)
    }

    fn require_email_confirmation(&self, user: UserId) -> Result<(), StoreError> {
        self.execute("UPDATE users SET must_confirm_email = 1 WHERE id = ?1 AND email_verified = 0", [user.0])?;
        Ok(())
    }

    fn delete_all_email_confirmations(&self) -> Result<usize, StoreError> {
        self.execute("DELETE FROM email_confirmations", [])
    }

    fn cleanup_email_confirmations(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(CLEANUP, params![now.unix(), limit])
    }
}
