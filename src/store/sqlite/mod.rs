//! The store in one SQLite file: one connection writes, on a thread of its own; a few read, beside it and each other.
//!
//! Alone in knowing SQL. Files are named as the nouns of the folder above; the others are the machinery.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use self::lazy_open::LazyDatabase;
use super::{BUSY_TIMEOUT, Read, StoreError, Write};

mod admin_sessions;
mod audit;
mod checkpoint;
mod connect;
pub mod copy;
mod counts;
pub mod django;
mod error;
mod health;
mod lazy_open;
mod migrate;
mod outbox;
mod paging;
mod pool;
mod refusals;
mod reset_codes;
mod runs;
mod sessions;
mod settings;
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

/// How many writes may wait: what the writer does in a fifth of a second or so. More would only wait longer.
const QUEUE: usize = 4096;

/// A handle on a database; clones are cheap and share it.
#[derive(Clone, Debug)]
pub struct Database {
    lazy: Arc<LazyDatabase>,
}

impl Database {
    /// Opens the database in that file; makes it (mode 0600) where there is none, in a folder that must exist; brings
    /// its schema up to date. Blocks for as long as that takes.
    ///
    /// An error names the file and says what to do: a folder that is missing or can't be written, a file that is no
    /// database or another program's, a schema newer than this program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, BUSY_TIMEOUT, QUEUE)
    }

    /// As [`Database::open`], but a database that is there and can't be used at the moment (its disk is full or failing,
    /// it is read-only, another process keeps it) is no error: what asks it is refused as [`StoreError::Unavailable`]
    /// until [`Database::open_now`] has opened it.
    pub fn open_when_possible(path: &Path) -> Result<Self, StoreError> {
        Self::when_possible(path, BUSY_TIMEOUT, QUEUE)
    }

    /// Looks whether [`Database::open`] would find a database of ours in that file, and changes nothing.
    pub fn check(path: &Path) -> Result<(), StoreError> {
        let connection = connect::reader(path, BUSY_TIMEOUT)?;
        migrate::check(&connection, path, migrate::STEPS.len()).map(drop)
    }

    /// As [`Database::open`], with another patience for other processes' locks and another length of the queue.
    fn open_with(path: &Path, busy_timeout: Duration, queue: usize) -> Result<Self, StoreError> {
        let lazy = LazyDatabase::new(path, busy_timeout, queue);
        lazy.open_now(|_| Ok(()))?;
        Ok(Self { lazy: Arc::new(lazy) })
    }

    fn when_possible(path: &Path, busy_timeout: Duration, queue: usize) -> Result<Self, StoreError> {
        let lazy = LazyDatabase::new(path, busy_timeout, queue);
        let begun = lazy.is_begun();
        match lazy.open_now(|_| Ok(())) {
            Err(StoreError::Unavailable(_)) if begun => {}
            outcome => outcome?,
        }
        Ok(Self { lazy: Arc::new(lazy) })
    }

    /// Whether it is open: once it is, it stays so.
    pub fn is_open(&self) -> bool {
        self.lazy.get().is_some()
    }

    /// Opens what could not be opened before. Nobody else asks it before `first` has, and if that fails nobody does.
    pub async fn open_now(
        &self,
        first: impl FnOnce(&dyn Read) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let lazy = Arc::clone(&self.lazy);
        let opened = spawn_blocking(move || lazy.open_now(first)).await;
        opened.unwrap_or_else(|_| Err(StoreError::Fault("opening the database panicked".to_owned())))
    }

    /// How often a read or a write was answered [`StoreError::Unavailable`], in this process.
    pub fn unavailable_count(&self) -> u64 {
        self.lazy.refusals().count()
    }

    /// Runs a closure that asks, on a thread that may block, in one consistent view. It waits at most
    /// [`BUSY_TIMEOUT`] for its turn.
    pub async fn read<T, E>(&self, job: impl FnOnce(&dyn Read) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.lazy.require()?.readers.read(job).await
    }

    /// Runs a closure that changes, after those that came before it. What it returns as `Ok` is on the disk when the
    /// caller sees it; of what it returns as `Err`, or does before it panics, nothing is kept. Dropping the future
    /// does not take the write back.
    pub async fn write<T, E>(&self, job: impl FnOnce(&dyn Write) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.lazy.require()?.writer.write(true, |tx| job(tx)).await
    }

    /// As [`Database::write`], for what is frequent and changes something only as its last deed. Should it fail after
    /// that, the writes that share its transaction are undone with it and are [`StoreError::Unavailable`].
    pub async fn write_last<T, E>(&self, job: impl FnOnce(&dyn Write) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.lazy.require()?.writer.write(false, |tx| job(tx)).await
    }

    /// Finishes the writes that wait and closes the connection that writes, for all clones: later writes are
    /// [`StoreError::Unavailable`]. Without this the same happens when the last clone is dropped, but nobody waits for it.
    pub async fn close(&self) {
        if let Some(open) = self.lazy.get() {
            open.writer.close().await;
        }
    }
}
