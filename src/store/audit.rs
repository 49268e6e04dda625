//! The audit log: reads and writes.

use super::error::StoreError;
use crate::domain::audit::{Action, AuditEntry, AuditLine};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// A position in the audit log. The next page starts after this line, with older lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditCursor {
    /// When the line was written.
    pub at: Timestamp,
    /// The line's id, which orders lines written in the same second.
    pub id: i64,
}

/// A filter for audit lines. A filter that is `None` matches all lines.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only lines about this user's account.
    pub user: Option<UserId>,
    /// Only this action.
    pub action: Option<Action>,
    /// Only actions of this superuser.
    pub actor: Option<UserId>,
    /// Only lines at or after this time.
    pub from: Option<Timestamp>,
    /// Only lines before this time.
    pub until: Option<Timestamp>,
    /// Only lines whose client address, as text, starts with this text.
    pub address: Option<String>,
    /// The position at which the previous page ended; `None` for the first page.
    pub after: Option<AuditCursor>,
    /// The maximum number of lines.
    pub limit: u32,
}

/// A page of the audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditPage {
    /// The lines, newest first. A page may have fewer than `limit` lines although more follow, because one call
    /// examines a limited number of lines.
    pub lines: Vec<AuditLine>,
    /// The position after which the next page starts; `None` at the end.
    pub next: Option<AuditCursor>,
}

/// Reads the audit log.
pub trait ReadAudit {
    /// Returns a page of the audit log, newest first.
    fn audit_page(&self, query: &AuditQuery) -> Result<AuditPage, StoreError>;

    /// Returns the newest `limit` lines, newest first. If `user` is given, only lines about that user.
    fn audit_lines(&self, user: Option<UserId>, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        self.audit_page(&AuditQuery { user, limit, ..AuditQuery::default() }).map(|page| page.lines)
    }
}

/// Writes the audit log.
pub trait WriteAudit {
    /// Adds a line, in the same transaction as the recorded change.
    fn record(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// Deletes at most `limit` lines written before `before`. Returns how many.
    fn cleanup_audit(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
