//! Kept names in SQL.

use rusqlite::params;

use super::tx::Tx;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::Username;
use crate::store::error::StoreError;
use crate::store::kept_names::{ReadKeptNames, WriteKeptNames};

pub(super) const IS_KEPT: &str =
    "SELECT 1 FROM kept_names WHERE username_key = ?1 AND user_id IS NOT ?2 AND kept_until > ?3";
pub(super) const CLEANUP: &str = "DELETE FROM kept_names WHERE (username_key, user_id) IN
   (SELECT username_key, user_id FROM kept_names WHERE kept_until < ?1 ORDER BY kept_until LIMIT ?2)";

impl ReadKeptNames for Tx<'_> {
    fn is_name_kept(&self, name: &Username, user: Option<UserId>, now: Timestamp) -> Result<bool, StoreError> {
        self.exists(IS_KEPT, params![name.key(), user.map(|user| user.0), now.unix()])
    }
}

impl WriteKeptNames for Tx<'_> {
    fn keep_name(&self, name: &Username, user: UserId, until: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO kept_names (username_key, user_id, kept_until) VALUES (?1, ?2, ?3)
             ON CONFLICT (username_key, user_id) DO UPDATE SET kept_until = excluded.kept_until",
            params![name.key(), user.0, until.unix()],
        )?;
        Ok(())
    }

    fn cleanup_kept_names(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(CLEANUP, params![now.unix(), limit])
    }
}
