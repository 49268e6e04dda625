//! The meaning of SQLite's errors for callers of the store, and the texts of these errors.

use rusqlite::{Error, ErrorCode};

use crate::domain::field::Field;
use crate::store::error::StoreError;

/// The columns of the unique constraints that a closure can violate, as SQLite names them, and the errors for callers.
/// Closures check before they insert; the constraint decides if the check saw an older state.
const UNIQUE_CONSTRAINTS: &[(&str, StoreError)] = &[
    ("users.username_key", StoreError::Taken(Field::Username)),
    ("users.email_key", StoreError::Taken(Field::Email)),
    ("users.id", StoreError::InUse("id")),
    ("users.sub", StoreError::InUse("sub")),
    ("social_accounts.provider, social_accounts.social_id", StoreError::InUse("account at the provider")),
    ("social_accounts.user_id, social_accounts.provider", StoreError::InUse("user's link to the provider")),
];

/// Returns the error for a violation of one of the [`UNIQUE_CONSTRAINTS`]; `None` for every other error.
fn unique_violation(error: &Error) -> Option<StoreError> {
    let Error::SqliteFailure(code, Some(message)) = error else { return None };
    let columns =
        message.strip_prefix("UNIQUE constraint failed: ").filter(|_| code.code == ErrorCode::ConstraintViolation)?;
    UNIQUE_CONSTRAINTS.iter().find(|(name, _)| *name == columns).map(|(_, error)| error.clone())
}

/// Returns the cause of an error that may go away without a restart, and what to do about it. `None` means a fault,
/// which persists.
fn advice(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            "another process holds the lock; retry later, or find the process that has the file open"
        }
        ErrorCode::DiskFull => "the disk is full; free some space",
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            "it is read-only; check the owner, mode and mount of the file and its folder"
        }
        ErrorCode::SystemIoFailure => "the disk is full or failing; free some space, or check the system log",
        ErrorCode::CannotOpen => "a file cannot be opened; check the owner, mode and mount of the folder",
        ErrorCode::OutOfMemory => "the machine is out of memory; stop other processes or add memory",
        _ => return None,
    })
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code().and_then(advice) {
            Some(advice) => Self::Unavailable(format!("{advice} ({error})")),
            None => unique_violation(&error).unwrap_or_else(|| Self::Fault(error.to_string())),
        }
    }
}

/// Returns a fault for a stored value that the domain rejects, because another program or a newer version has written
/// it.
pub(super) fn unreadable(column: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Fault(format!("the stored {column} cannot be read: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn transient_and_permanent_errors_are_distinguished() {
        let kind = |code| StoreError::from(Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_READONLY_DBMOVED,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_CANTOPEN,
        ] {
            assert!(matches!(kind(code), StoreError::Unavailable(_)), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_CONSTRAINT, ffi::SQLITE_NOTADB, ffi::SQLITE_ERROR] {
            assert!(matches!(kind(code), StoreError::Fault(_)), "{code}");
        }
    }
}
