//! The audit log, in SQL.

use rusqlite::{Row, params};

use super::tx::{Tx, address, address_text, date};
use crate::domain::audit::{AuditEntry, AuditLine};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::store::{ReadAudit, StoreError, WriteAudit};

const NEWEST: &str = "SELECT * FROM audit ORDER BY id DESC LIMIT ?1";
pub(super) const NEWEST_OF: &str = "SELECT * FROM audit WHERE user_id = ?2 ORDER BY id DESC LIMIT ?1";
pub(super) const RECORD: &str = "INSERT INTO audit (at, action, user_id, username, address, detail)
   VALUES (?1, ?2, ?3, (SELECT username FROM users WHERE id = ?3), ?4, ?5)";
pub(super) const SWEEP: &str =
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)";

fn line(row: &Row<'_>) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
        at: date(row, "at")?,
        action: row.get("action")?,
        user_id: row.get::<_, Option<i64>>("user_id")?.map(UserId),
        username: row.get("username")?,
        address: address(row, "address")?,
        detail: row.get("detail")?,
    })
}

impl ReadAudit for Tx<'_> {
    fn audit_lines(&self, user: Option<UserId>, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        match user {
            Some(user) => self.all(NEWEST_OF, params![limit, user.0], line),
            None => self.all(NEWEST, [limit], line),
        }
    }
}

impl WriteAudit for Tx<'_> {
    fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.execute(
            RECORD,
            params![
                entry.at.unix(),
                entry.action.name(),
                entry.user.map(|id| id.0),
                entry.address.map(address_text),
                entry.detail,
            ],
        )?;
        Ok(())
    }

    fn sweep_audit(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(SWEEP, params![before.unix(), limit])
    }
}
