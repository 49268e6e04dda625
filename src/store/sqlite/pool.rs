//! The read-only connections. Each has its own snapshot and its own cached statements.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::connect;
use super::refusals::Refusals;
use super::tx::Tx;
use crate::store::error::StoreError;
use crate::store::transaction::Read;

/// The number of connections, and so of parallel reads. More would only compete for the same cores.
const READERS: u32 = 4;

#[derive(Clone, Debug)]
pub(super) struct Readers {
    pool: Pool<SqliteConnectionManager>,
    /// One permit per connection, so that reads wait as tasks and never block threads.
    permits: Arc<Semaphore>,
    busy_timeout: Duration,
    refusals: Refusals,
}

impl Readers {
    /// Opens the connections. `refusals` counts the reads that fail with [`StoreError::Unavailable`].
    pub(super) fn open(path: &Path, busy_timeout: Duration, refusals: Refusals) -> Result<Self, StoreError> {
        let manager = SqliteConnectionManager::file(path)
            .with_flags(connect::OPEN_FLAGS)
            .with_init(move |connection| connect::set_up_reader(connection, busy_timeout));
        // Connections are never closed, because their cached statements and pages would be lost.
        let pool = Pool::builder()
            .max_size(READERS)
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connection_timeout(busy_timeout)
            .build(manager)
            .map_err(|error| StoreError::Unavailable(format!("cannot open {} for reading: {error}", path.display())))?;
        Ok(Self { pool, permits: Arc::new(Semaphore::new(READERS as usize)), busy_timeout, refusals })
    }

    pub(super) async fn read<T, E>(&self, job: impl Fn(&dyn Read) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let refusals = self.refusals.clone();
        self.on_connection(move |connection| in_read_transaction(connection, &job, &refusals)).await
    }

    /// Reads as [`Readers::read`] does, but on the current thread.
    pub(super) fn read_here<T>(&self, job: impl FnOnce(&dyn Read) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let connection = self.pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        in_read_transaction(&connection, job, &self.refusals)
    }

    /// Runs a closure on a read-only connection, on a blocking thread.
    pub(super) async fn on_connection<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let Ok(Ok(permit)) = timeout(self.busy_timeout, Arc::clone(&self.permits).acquire_owned()).await else {
            let busy = StoreError::Unavailable("too many reads are waiting; retry later".to_owned());
            return Err(self.refusals.counting(busy));
        };
        let pool = self.pool.clone();
        let refusals = self.refusals.clone();
        let done = spawn_blocking(move || {
            let connection = pool.get().map_err(|error| StoreError::Unavailable(error.to_string()));
            let connection = connection.map_err(|error| refusals.counting::<E>(error))?;
            let result = job(&connection);
            // The connection is returned before the permit, so that the next read that gets the permit finds it free.
            drop(connection);
            drop(permit);
            result
        });
        done.await.unwrap_or_else(|_| Err(StoreError::Fault("a read panicked".to_owned()).into()))
    }
}

/// An open read transaction. It is rolled back at the end, whether the job returned or panicked.
struct ReadTransaction<'c>(&'c Connection);

impl Drop for ReadTransaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]))
        {
            tracing::error!(%error, "read transaction rollback failed");
        }
    }
}

fn in_read_transaction<T, E: From<StoreError>>(
    connection: &Connection,
    job: impl FnOnce(&dyn Read) -> Result<T, E>,
    refusals: &Refusals,
) -> Result<T, E> {
    let begun = connection.prepare_cached("BEGIN").and_then(|mut statement| statement.execute([]));
    begun.map_err(|error| refusals.counting::<E>(error.into()))?;
    let _view = ReadTransaction(connection);
    let tx = Tx::new(connection);
    let result = job(&tx);
    if result.is_err() && tx.was_unavailable() {
        refusals.add();
    }
    result
}
