//! Reset codes in SQL.

use rusqlite::params;

use super::tx::Tx;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::reset_codes::{CodeHash, ReadResetCodes, WriteResetCodes};

pub(super) const OWNER_OF_CODE: &str = "SELECT c.user_id FROM reset_codes c JOIN users u ON u.id = c.user_id
   WHERE c.code_hash = ?1 AND c.expires_at > ?2 AND u.is_active = 1";
pub(super) const CLEANUP: &str = "DELETE FROM reset_codes WHERE user_id IN
   (SELECT user_id FROM reset_codes WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

impl ReadResetCodes for Tx<'_> {
    fn reset_code_owner(&self, hash: CodeHash, now: Timestamp) -> Result<Option<UserId>, StoreError> {
        self.one(OWNER_OF_CODE, params![hash.0, now.unix()], |row| Ok(UserId(row.get(0)?)))
    }
}

impl WriteResetCodes for Tx<'_> {
    fn put_reset_code(&self, user: UserId, hash: CodeHash, expires_at: Timestamp) -> Result<(), StoreError> {
        // Selects from `users`, so that no row is inserted for a user who was deleted just before. An insert of values
        // would fail with a foreign-key error.
        self.execute(
            "INSERT INTO reset_codes (user_id, code_hash, expires_at) SELECT id, ?2, ?3 FROM users WHERE id = ?1
             ON CONFLICT (user_id) DO UPDATE SET code_hash = excluded.code_hash, expires_at = excluded.expires_at",
            params![user.0, hash.0, expires_at.unix()],
        )?;
        Ok(())
    }

    fn use_reset_code(&self, hash: CodeHash, now: Timestamp) -> Result<Option<UserId>, StoreError> {
        let owner = self.reset_code_owner(hash, now)?;
        if let Some(owner) = owner {
            self.execute("DELETE FROM reset_codes WHERE user_id = ?1", [owner.0])?;
        }
        Ok(owner)
    }

    fn delete_all_reset_codes(&self) -> Result<usize, StoreError> {
        self.execute("DELETE FROM reset_codes", [])
    }

    fn cleanup_reset_codes(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(CLEANUP, params![now.unix(), limit])
    }
}
