//! The audit log in SQL.

use rusqlite::{Row, params};

use super::tx::{Tx, address, address_text, date};
use crate::domain::audit::{AuditEntry, AuditLine};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::store::audit::{AuditCursor, AuditPage, AuditQuery, ReadAudit, WriteAudit};
use crate::store::error::StoreError;
use crate::store::paging::collect_page;

/// A query for audit lines through an index. One filter selects the index; the other filters are checked line by line.
macro_rules! lines {
    ($index:literal, $which:literal) => {
        concat!(
            "SELECT * FROM audit INDEXED BY ",
            $index,
            " WHERE ",
            $which,
            "at >= ?1 AND at <= ?2 AND (at < ?2 OR id < ?3) ORDER BY at DESC, id DESC LIMIT ?4"
        )
    };
}
pub(super) const PAGE: &str = lines!("audit_by_time", "");
pub(super) const PAGE_OF_USER: &str = lines!("audit_by_user", "user_id = ?5 AND ");
pub(super) const PAGE_OF_ACTOR: &str = lines!("audit_by_actor", "actor_id = ?5 AND ");
pub(super) const PAGE_OF_ACTION: &str = lines!("audit_by_action", "action = ?5 AND ");
pub(super) const INSERT_ENTRY: &str =
    "INSERT INTO audit (at, action, user_id, username, address, detail, actor_id, actor)
   VALUES (?1, ?2, ?3, (SELECT username FROM users WHERE id = ?3), ?4, ?5,
     ?6, (SELECT username FROM users WHERE id = ?6))";
pub(super) const CLEANUP: &str =
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)";

fn line(row: &Row<'_>) -> Result<((i64, i64), AuditLine), StoreError> {
    let line = AuditLine {
        at: date(row, "at")?,
        action: row.get("action")?,
        user_id: row.get::<_, Option<i64>>("user_id")?.map(UserId),
        username: row.get("username")?,
        actor_id: row.get::<_, Option<i64>>("actor_id")?.map(UserId),
        actor: row.get("actor")?,
        address: address(row, "address")?,
        detail: row.get("detail")?,
    };
    Ok(((line.at.unix(), row.get("id")?), line))
}

/// Whether a line matches the query.
fn matches(query: &AuditQuery, line: &AuditLine) -> bool {
    let has_prefix = |prefix: &str| line.address.is_some_and(|address| address_text(address).starts_with(prefix));
    query.user.is_none_or(|user| line.user_id == Some(user))
        && query.actor.is_none_or(|actor| line.actor_id == Some(actor))
        && query.action.is_none_or(|action| line.action == action.name())
        && query.address.as_deref().is_none_or(has_prefix)
}

impl ReadAudit for Tx<'_> {
    fn audit_page(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        let from = query.from.map_or(i64::MIN, Timestamp::unix);
        let until = query.until.map_or(i64::MAX, |until| until.unix().saturating_sub(1));
        let start = query.after.map(|cursor| (cursor.at.unix(), cursor.id));
        let slices = |start: Option<&(i64, i64)>, slice: u32| {
            let (last, before) = start.filter(|start| start.0 <= until).copied().unwrap_or((until, i64::MAX));
            let slice = match (query.actor, query.user, query.action) {
                (Some(UserId(actor)), _, _) => self.all(PAGE_OF_ACTOR, params![from, last, before, slice, actor], line),
                (None, Some(UserId(user)), _) => self.all(PAGE_OF_USER, params![from, last, before, slice, user], line),
                (None, None, Some(action)) => {
                    self.all(PAGE_OF_ACTION, params![from, last, before, slice, action.name()], line)
                }
                (None, None, None) => self.all(PAGE, params![from, last, before, slice], line),
            };
            Ok(vec![slice?])
        };
        let page = collect_page(query.limit, start, slices, |_, line| matches(query, line))?;
        let next = page.next.map(|(at, id)| AuditCursor { at: Timestamp::from_unix(at), id });
        Ok(AuditPage { lines: page.rows.into_iter().map(|(_, line)| line).collect(), next })
    }
}

impl WriteAudit for Tx<'_> {
    fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.execute(
            INSERT_ENTRY,
            params![
                entry.at.unix(),
                entry.action.name(),
                entry.user.map(|id| id.0),
                entry.address.map(address_text),
                entry.detail,
                entry.actor.map(|id| id.0),
            ],
        )?;
        Ok(())
    }

    fn cleanup_audit(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(CLEANUP, params![before.unix(), limit])
    }
}
