//! The store: all data that survives a restart, in domain types.
//!
//! A read or a write is a closure that runs off the async threads. Reads run in parallel. Writes run one after another
//! on one thread, which commits many of them in one transaction. If a write closure returns `Ok`, its changes are
//! durable when the caller receives the result; if it returns `Err`, its changes are undone. No closure hashes a
//! password, signs or sends anything. Code outside this folder sees no rows, SQL or connections.

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
    /// Another user already has this user name or e-mail address.
    #[error("the {} is already in use", .0.name())]
    Taken(Field),
    /// Another user already has the `id` or `sub` requested for a new user. Only an import requests one.
    #[error("another user already has this {0}")]
    InUse(&'static str),
    /// The database is locked, full, read-only, unreachable or closed, or too many operations are waiting. Except after
    /// [`Store::close`], it may recover without a restart.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database is damaged or not usable by this program, or this code has a defect. A retry does not help.
    #[error("the database failed: {0}")]
    Fault(String),
}

/// The maximum time that a write waits for another process's lock, or a read for a free connection, before it fails
/// with [`StoreError::Unavailable`].
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle to the store. Clones are cheap and share the store.
#[derive(Clone, Debug)]
pub enum Store {
    /// One SQLite file.
    Sqlite(sqlite::Database),
}

impl Store {
    /// Runs a read closure on a blocking thread. All its queries see the same state of the database.
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

    /// Returns how many reads and writes failed with [`StoreError::Unavailable`] in this process.
    pub fn unavailable_count(&self) -> u64 {
        match self {
            Self::Sqlite(database) => database.unavailable_count(),
        }
    }

    /// Finishes the queued writes and closes the writing connection. Later writes fail with
    /// [`StoreError::Unavailable`]. Call it last.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
        }
    }

    /// Runs a write closure after the writes that were queued before it. Either all of its changes become durable, or
    /// none.
    pub async fn write<T, E>(&self, job: impl FnOnce(&dyn Write) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.write(job).instrument(trace_span!("store.write")).await,
        }
    }

    /// Runs a write closure as [`Store::write`] does, but at a lower cost. The closure must make only one change, as
    /// its last operation, and must not return an error after that. If the change itself fails, writes of other callers
    /// in the same transaction may fail too.
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
