//! The audit log, as the store is asked for it.

use super::StoreError;
use crate::domain::audit::{AuditEntry, AuditLine};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// Asking for the log.
pub trait ReadAudit {
    /// The newest `limit` lines, newest first; of one user where one is named.
    fn audit_lines(&self, user: Option<UserId>, limit: u32) -> Result<Vec<AuditLine>, StoreError>;
}

/// Writing the log.
pub trait WriteAudit {
    /// Adds a line, in the transaction of what it tells.
    fn record(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// Forgets at most `limit` lines written before `before`. How many.
    fn sweep_audit(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
