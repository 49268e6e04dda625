//! The store: all data that survives a restart, in domain types.
//!
//! A read or a write is a closure that runs off the async threads. Reads run in parallel. Writes run one after another
//! in one writer, which commits many of them at once. If a write closure returns `Ok`, its changes are durable when the
//! caller receives the result; if it returns `Err`, its changes are undone. No closure hashes a password, signs or
//! sends anything. No row, SQL or connection leaves this folder.

use std::time::Duration;

use tracing::{Instrument as _, trace_span};

use crate::domain::field::Field;

mod admin_sessions;
mod audit;
mod counts;
mod health;
mod outbox;
mod reset_codes;
mod runs;
mod sessions;
mod settings;
mod social_accounts;
pub mod sqlite;
mod users;

#[cfg(test)]
mod conformance;

pub use admin_sessions::{ReadAdminSessions, WriteAdminSessions};
pub use audit::{AuditCursor, AuditPage, AuditQuery, ReadAudit, WriteAudit};
pub use counts::{ReadCounts, WriteCounts};
pub use health::{FileSize, ReadHealth};
pub use outbox::{MailCursor, MailListing, MailPage, MailState, ReadOutbox, WriteOutbox};
pub use reset_codes::{CodeHash, ReadResetCodes, WriteResetCodes};
pub use runs::{ReadRuns, RunId, WriteRuns};
pub use sessions::{ReadSessions, SessionCursor, SessionPage, SessionQuery, WriteSessions};
pub use settings::{ReadSettings, SettingChange, WriteSettings};
pub use social_accounts::{ReadSocialAccounts, WriteSocialAccounts};
pub use users::{PagePosition, ReadUsers, UserPage, UserQuery, UserSearch, WriteUsers};

/// Everything that can be read.
pub trait Read:
    ReadUsers
    + ReadSessions
    + ReadAdminSessions
    + ReadSocialAccounts
    + ReadResetCodes
    + ReadOutbox
    + ReadSettings
    + ReadAudit
    + ReadRuns
    + ReadCounts
    + ReadHealth
{
}

/// Everything that can be changed. Later reads in the same closure see the changes.
pub trait Write:
    Read
    + WriteUsers
    + WriteSessions
    + WriteAdminSessions
    + WriteSocialAccounts
    + WriteResetCodes
    + WriteOutbox
    + WriteSettings
    + WriteAudit
    + WriteRuns
    + WriteCounts
{
}

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another row already has the value that must be unique.
    #[error("the {} is already in use", .0.name())]
    Taken(Field),
    /// Another user already has the `id` or `sub` requested for a new user. Only an import requests one.
    #[error("another user has that {0}")]
    InUse(&'static str),
    /// The database is locked, full, read-only or unreachable. It may recover without a restart.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A fault in the database or in this code.
    #[error("the database failed: {0}")]
    Fault(String),
}

/// How long a write waits for another process's lock before the store reports that it is unavailable.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle to the store. Clones are cheap and share the store.
#[derive(Clone, Debug)]
pub enum Store {
    /// One SQLite file.
    Sqlite(sqlite::Database),
}

impl Store {
    /// Runs a read closure on a blocking thread, in one consistent view.
    pub async fn read<T, E>(&self, job: impl FnOnce(&dyn Read) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.read(job).instrument(trace_span!("store.read")).await,
        }
    }

    /// Whether the database is open. A database that exists but could not be opened at the start is closed until
    /// [`Store::open_now`] succeeds; until then operations return [`StoreError::Unavailable`].
    pub fn is_open(&self) -> bool {
        match self {
            Self::Sqlite(database) => database.is_open(),
        }
    }

    /// Opens a database that could not be opened before. `first` runs before any other operation; if it fails, the
    /// database stays closed.
    pub async fn open_now(
        &self,
        first: impl FnOnce(&dyn Read) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.open_now(first).await,
        }
    }

    /// Returns how many reads and writes failed as [`StoreError::Unavailable`] in this process.
    pub fn unavailable_count(&self) -> u64 {
        match self {
            Self::Sqlite(database) => database.unavailable_count(),
        }
    }

    /// Finishes the queued operations and closes the database. Call it last.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
        }
    }

    /// Runs a write closure after the earlier ones. All of its changes become durable, or none.
    pub async fn write<T, E>(&self, job: impl FnOnce(&dyn Write) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.write(job).instrument(trace_span!("store.write")).await,
        }
    }

    /// Runs a write closure as [`Store::write`] does, but cheaper. Its only change must be its last operation, after
    /// which the closure must not return an error. If the store itself fails at that point, other callers' writes may
    /// fail with it.
    pub async fn write_last<T, E>(&self, job: impl FnOnce(&dyn Write) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.write_last(job).instrument(trace_span!("store.write")).await,
        }
    }
}
