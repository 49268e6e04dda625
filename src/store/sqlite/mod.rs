//! The store in one SQLite file. One connection writes, on its own thread; a pool of connections reads in parallel.
//!
//! Only this folder contains SQL. A file with the same name as a file of the parent folder implements the traits of
//! that file; the other files are infrastructure.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::connect::BUSY_TIMEOUT;
use self::lazy_open::{LazyDatabase, Opener};
use self::pool::Readers;
use self::refusals::Refusals;
use crate::domain::id::UserId;
use crate::domain::session::Session;
use crate::domain::user::User;
use crate::store::error::StoreError;
use crate::store::refresh_step::{RefreshStep, SessionKey};
use crate::store::transaction::{Read, Write};

mod admin_sessions;
mod audit;
pub mod backup;
mod checkpoint;
mod connect;
mod counts;
pub mod django;
mod email_confirmations;
mod error;
mod health;
mod kept_names;
mod lazy_open;
mod migrate;
mod outbox;
mod pool;
mod refusals;
mod rekey;
mod reset_codes;
mod runs;
mod search_text;
mod sessions;
mod settings;
mod snapshot;
mod social_accounts;
mod tx;
mod user_search;
mod users;
mod writer;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;

pub use self::lazy_open::LateOpening;

/// The maximum number of waiting writes: about as many as the writer completes in 0.2 s. More writes would only wait
/// longer.
const QUEUE: usize = 4096;

/// A handle to a database. Clones are cheap and share the database.
#[derive(Clone, Debug)]
pub struct Database {
    lazy: Arc<LazyDatabase>,
}

impl Database {
    /// Opens the database in a file and updates its schema. Creates the file (mode 0600) if it does not exist; its
    /// folder must exist. Blocks the thread until the database is ready.
    ///
    /// # Errors
    /// An error names the file and what to do, if the folder is missing or not writable, if the file is not a database
    /// or belongs to another program, if its schema is newer than this program, or if its schema is older and a server
    /// of an older version uses it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, BUSY_TIMEOUT, QUEUE)
    }

    /// Opens the database as [`Database::open`] does, but succeeds for an existing database that is unusable at the
    /// moment: its disk is full or failing, it is read-only, or another process has locked it. Operations then return
    /// [`StoreError::Unavailable`] until [`LateOpening`] has opened it.
    pub fn open_when_possible(path: &Path) -> Result<Self, StoreError> {
        Self::when_possible(path, BUSY_TIMEOUT, QUEUE)
    }

    /// Checks, without changing its content, whether the file is a database that this program can use or migrate.
    pub fn check(path: &Path) -> Result<(), StoreError> {
        let connection = connect::reader(path, BUSY_TIMEOUT)?;
        migrate::check(&connection, path, migrate::STEPS.len()).map(drop)
    }

    /// Whether opening the existing database would change its schema.
    pub fn needs_migration(path: &Path) -> Result<bool, StoreError> {
        let connection = connect::reader(path, BUSY_TIMEOUT)?;
        let version = migrate::check(&connection, path, migrate::STEPS.len())?;
        Ok(version != 0 && version < migrate::STEPS.len())
    }

    /// Reads from an existing database without changing its content. `None` if it has an older schema, which the next
    /// start migrates, and the closure cannot read that.
    pub fn inspect<T>(path: &Path, job: impl Fn(&dyn Read) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        let connection = connect::reader(path, BUSY_TIMEOUT)?;
        let is_current = migrate::check(&connection, path, migrate::STEPS.len())? == migrate::STEPS.len();
        let read = Readers::open(path, BUSY_TIMEOUT, Refusals::default())?.read_here(job);
        if is_current { read.map(Some) } else { Ok(read.ok()) }
    }

    /// Opens the database as [`Database::open`] does, with another timeout for other processes' locks and another queue
    /// length.
    fn open_with(path: &Path, busy_timeout: Duration, queue: usize) -> Result<Self, StoreError> {
        let lazy = LazyDatabase::new(path, busy_timeout, queue, Opener::Command);
        let ((), open) = lazy.open_now(|_| Ok(()))?;
        lazy.publish(open);
        Ok(Self { lazy: Arc::new(lazy) })
    }

    fn when_possible(path: &Path, busy_timeout: Duration, queue: usize) -> Result<Self, StoreError> {
        let lazy = LazyDatabase::new(path, busy_timeout, queue, Opener::Server);
        let has_content = lazy.has_content();
        match lazy.open_now(|_| Ok(())) {
            Err(StoreError::Unavailable(_)) if has_content => {}
            outcome => {
                let ((), open) = outcome?;
                lazy.publish(open);
            }
        }
        Ok(Self { lazy: Arc::new(lazy) })
    }

    /// Whether the database was opened. This stays true after [`Database::close`].
    pub fn is_open(&self) -> bool {
        self.lazy.get().is_some()
    }

    /// Returns the handle that opens the database; `None` if it is open.
    pub fn late_opening(&self) -> Option<LateOpening> {
        LateOpening::of(&self.lazy)
    }

    /// Returns how many reads and writes failed with [`StoreError::Unavailable`] in this process.
    pub fn unavailable_count(&self) -> u64 {
        self.lazy.refusals().count()
    }

    /// Runs a read closure on a blocking thread. All its queries see the same state of the database. Waits at most
    /// `BUSY_TIMEOUT` for a free connection.
    pub async fn read<T, E>(&self, job: impl Fn(&dyn Read) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.lazy.require()?.readers.read(job).await
    }

    /// Runs a write closure after the writes that were queued before it. If it returns `Ok`, its changes are on disk
    /// when the caller receives the result. If it returns `Err` or panics, none of its changes are kept. Dropping the
    /// future does not cancel a queued write.
    pub async fn write<T, E>(&self, job: impl Fn(&dyn Write) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.lazy.require()?.writer.write(true, move |tx| job(tx)).await
    }

    /// Runs a write closure as [`Database::write`] does. All writes run one after another, so the user makes no
    /// difference.
    pub async fn write_for_user<T, E>(
        &self,
        _user: UserId,
        job: impl Fn(&dyn Write) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write(job).await
    }

    /// Refreshes a session: see [`Store::refresh_session`](super::Store::refresh_session). It has no savepoint. If it
    /// fails after a change, which only a [`RefreshStep::Write`] can, the writes that ran before it in the same
    /// transaction are undone as well and fail with [`StoreError::Unavailable`].
    pub async fn refresh_session<T: Send + 'static>(
        &self,
        key: SessionKey,
        decide: impl Fn(Option<(Session, User)>) -> RefreshStep<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.lazy.require()?.writer.write(false, move |tx| tx.refresh_session(key, &decide)).await
    }

    /// Finishes the waiting writes and closes the writing connection, for all clones. Later writes fail with
    /// [`StoreError::Unavailable`]. Dropping the last clone does the same, but does not wait for it.
    pub async fn close(&self) {
        if let Some(open) = self.lazy.get() {
            open.writer.close().await;
        }
    }
}
