//! The store: what is remembered across restarts, in terms of the domain.
//!
//! Work on it is a closure that runs off the async threads: reads beside each other, writes one after another in
//! one writer that commits many of them at once. What a write closure returns as `Ok` is durable when the caller sees
//! it; what it returns as `Err` was undone. No password is hashed, and nothing is signed or sent, inside a closure. No
//! row, no SQL and no connection leaves this folder.

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

/// Everything that can be asked.
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

/// Everything that can be changed; what was changed is seen by what is asked after it in the same closure.
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

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another row already has the value that must be unique.
    #[error("the {} is taken", .0.name())]
    Taken(Field),
    /// Another user already has the number wanted for a new one: its `id` or `sub`. Only an import wants one.
    #[error("another user has that {0}")]
    InUse(&'static str),
    /// The database is locked, full, read-only or out of reach: it may recover without a restart.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database or this code is at fault.
    #[error("the database failed: {0}")]
    Fault(String),
}

/// How long a write waits for another process's before the store says it is unavailable.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle on the store; clones are cheap and share it.
#[derive(Clone, Debug)]
pub enum Store {
    /// One SQLite file.
    Sqlite(sqlite::Database),
}

impl Store {
    /// Runs a closure that asks, on a thread that may block, in one consistent view.
    pub async fn read<T, E>(&self, job: impl FnOnce(&dyn Read) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.read(job).instrument(trace_span!("store.read")).await,
        }
    }

    /// Whether it is open. One that was there and could not be opened at the start may not be, until
    /// [`Store::open_now`] has done it; what asks it meanwhile is refused as [`StoreError::Unavailable`].
    pub fn is_open(&self) -> bool {
        match self {
            Self::Sqlite(database) => database.is_open(),
        }
    }

    /// Opens what could not be opened before. Nobody else asks it before `first` has, and if that fails nobody does.
    pub async fn open_now(
        &self,
        first: impl FnOnce(&dyn Read) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.open_now(first).await,
        }
    }

    /// How often a read or a write was answered [`StoreError::Unavailable`], in this process.
    pub fn unavailable_count(&self) -> u64 {
        match self {
            Self::Sqlite(database) => database.unavailable_count(),
        }
    }

    /// Lets what is queued finish and closes the database. To be called last.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
        }
    }

    /// Runs a closure that changes, after those that came before it. All of it is done and durable, or none of it is.
    pub async fn write<T, E>(&self, job: impl FnOnce(&dyn Write) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.write(job).instrument(trace_span!("store.write")).await,
        }
    }

    /// As [`Store::write`], and cheaper, for a closure that changes something only as its last deed: after that it must
    /// not fail by itself. If the store fails it there, others' writes may fail with it.
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
