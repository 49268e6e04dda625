//! The audit log, as the store is asked for it.

use super::StoreError;
use crate::domain::audit::{Action, AuditEntry, AuditLine};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// A place in the log: the line it goes on after, towards older ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditCursor {
    /// When that line was written.
    pub at: Timestamp,
    /// Which of that second's.
    pub id: i64,
}

/// Which lines of the log; what is None narrows nothing.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Whose account.
    pub user: Option<UserId>,
    /// What was done.
    pub action: Option<Action>,
    /// The superuser who did it.
    pub actor: Option<UserId>,
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// From an address whose text begins like this.
    pub address: Option<String>,
    /// Where the page before ended.
    pub after: Option<AuditCursor>,
    /// At most this many.
    pub limit: u32,
}

/// A page of the log.
#[derive(Clone, Debug, Default)]
pub struct AuditPage {
    /// Newest first. They may be fewer than asked for although there are more: one call looks at so many lines only.
    pub lines: Vec<AuditLine>,
    /// Where the next page begins; None at the end.
    pub next: Option<AuditCursor>,
}

/// Asking for the log.
pub trait ReadAudit {
    /// A page of the log, newest first.
    fn audit_page(&self, query: &AuditQuery) -> Result<AuditPage, StoreError>;

    /// The newest `limit` lines, newest first; of one user where one is named.
    fn audit_lines(&self, user: Option<UserId>, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        self.audit_page(&AuditQuery { user, limit, ..AuditQuery::default() }).map(|page| page.lines)
    }
}

/// Writing the log.
pub trait WriteAudit {
    /// Adds a line, in the transaction of what it tells.
    fn record(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// Forgets at most `limit` lines written before `before`. How many.
    fn cleanup_audit(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
