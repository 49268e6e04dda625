//! The store: all data that survives a restart, in domain types.
//!
//! A read or a write is a closure that runs off the async threads. Reads run in parallel. Writes run one after another
//! on one thread, which commits many of them in one transaction. If a write closure returns `Ok`, its changes are
//! durable when the caller receives the result; if it returns `Err`, its changes are undone. Code outside this folder
//! sees no rows, SQL or connections.
//!
//! A backend may run a closure several times and undo all runs but the last. A closure therefore reads inside itself
//! everything that it decides on, has no effect except on the store, and hashes, signs and sends nothing. Effects follow
//! the commit.

use tracing::{Instrument as _, trace_span};

use crate::domain::id::UserId;
use crate::domain::session::Session;
use crate::domain::user::User;

mod admin_sessions;
mod audit;
mod counts;
mod email_confirmations;
mod error;
mod health;
mod kept_names;
mod outbox;
mod paging;
mod refresh_step;
mod reset_codes;
mod runs;
pub mod serving;
mod sessions;
mod settings;
mod social_accounts;
pub mod sqlite;
mod transaction;
mod users;

#[cfg(test)]
mod conformance;

pub use admin_sessions::{ReadAdminSessions, WriteAdminSessions};
pub use audit::{AuditCursor, AuditPage, AuditQuery, ReadAudit, WriteAudit};
pub use counts::{ReadCounts, WriteCounts};
pub use email_confirmations::{ReadEmailConfirmations, WriteEmailConfirmations};
pub use error::StoreError;
pub use health::{ReadHealth, StoreSize};
pub use kept_names::{ReadKeptNames, WriteKeptNames};
pub use outbox::{MailCursor, MailListing, MailPage, MailState, ReadOutbox, RetryOutcome, WriteOutbox};
pub use refresh_step::{RefreshStep, RefreshWrite, SessionKey};
pub use reset_codes::{CodeHash, ReadResetCodes, WriteResetCodes};
pub use runs::{ReadRuns, RunId, WriteRuns};
pub use sessions::{
    ReadSessions, SeenSession, SessionAdvance, SessionCursor, SessionPage, SessionQuery, WriteSessions,
};
pub use settings::{ReadSettings, SettingChange, WriteSettings};
pub use social_accounts::{ReadSocialAccounts, SocialAccountCursor, WriteSocialAccounts};
pub use sqlite::LateOpening;
pub use sqlite::backup::{DatabaseContents, DatabaseFile};
pub use transaction::{Read, Write};
pub use users::{PagePosition, ReadUsers, UserPage, UserQuery, UserSearch, WriteUsers};

/// A handle to the store. Clones are cheap and share the store.
#[derive(Clone, Debug)]
pub enum Store {
    /// One SQLite file.
    Sqlite(sqlite::Database),
}

impl Store {
    /// Runs a read closure on a blocking thread. All its queries see the same state of the database.
    pub async fn read<T, E>(&self, job: impl Fn(&dyn Read) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.read(job).instrument(trace_span!("store.read")).await,
        }
    }

    /// Whether the database is open. A database that exists but could not be opened at the start is closed until
    /// [`LateOpening::open`] succeeds; until then operations return [`StoreError::Unavailable`].
    pub fn is_open(&self) -> bool {
        match self {
            Self::Sqlite(database) => database.is_open(),
        }
    }

    /// Returns the handle that opens a database that could not be opened at the start; `None` if it is open.
    pub fn late_opening(&self) -> Option<LateOpening> {
        match self {
            Self::Sqlite(database) => database.late_opening(),
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
    pub async fn write<T, E>(&self, job: impl Fn(&dyn Write) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.write(job).instrument(trace_span!("store.write")).await,
        }
    }

    /// Runs a write closure as [`Store::write`] does, for a write about one user. Writes about the same user run one
    /// after another within this process, so that they do not make each other run again.
    pub async fn write_for_user<T, E>(
        &self,
        user: UserId,
        job: impl Fn(&dyn Write) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self {
            Self::Sqlite(database) => database.write_for_user(user, job).instrument(trace_span!("store.write")).await,
        }
    }

    /// Finds a session and does what `decide` returns for it and its user. `decide` gets `None` if there is no such
    /// session. It may run several times; only its last result counts. The change is durable when the caller receives
    /// the result.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] also if the session has ended and `decide` still advances it.
    pub async fn refresh_session<T: Send + 'static>(
        &self,
        key: SessionKey,
        decide: impl Fn(Option<(Session, User)>) -> RefreshStep<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(database) => {
                database.refresh_session(key, decide).instrument(trace_span!("store.write")).await
            }
        }
    }
}
