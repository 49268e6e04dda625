//! The size of the database in SQL.

use super::tx::Tx;
use crate::domain::origin::Origin;
use crate::store::error::StoreError;
use crate::store::health::{ReadHealth, StoreSize};

/// Counts all users, for which SQLite reads a whole index.
const USERS: &str = "SELECT count(*) FROM users";
pub(super) const OPEN_SESSIONS: &str = "SELECT count(*) FROM sessions WHERE opened_by = ?1 AND ended_at IS NULL";

impl Tx<'_> {
    fn number(&self, sql: &str, params: impl rusqlite::Params) -> Result<u64, StoreError> {
        let number = self.one(sql, params, |row| Ok(row.get::<_, i64>(0)?))?;
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }
}

impl ReadHealth for Tx<'_> {
    fn store_size(&self) -> Result<StoreSize, StoreError> {
        let pragma = |name: &str| self.number(&format!("PRAGMA {name}"), []);
        let page = pragma("page_size")?;
        Ok(StoreSize { bytes: page * pragma("page_count")?, free: page * pragma("freelist_count")? })
    }

    fn user_count(&self) -> Result<u64, StoreError> {
        self.number(USERS, [])
    }

    fn open_session_count(&self) -> Result<u64, StoreError> {
        Origin::all().map(|origin| self.number(OPEN_SESSIONS, [origin.name()])).sum()
    }
}
