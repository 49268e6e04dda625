//! Injected faults: locks, full and read-only disks, failed commits, full queues, cancelled callers. Each time the
//! error has the expected type, no change is applied partially, and the store continues without a restart.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::Database;
use super::tx::Tx;
use crate::domain::time::Timestamp;
use crate::store::{Read, RunId, StoreError, WriteRuns};

/// Short, so that the tests are fast. No test asserts a duration.
const BUSY_TIMEOUT: Duration = Duration::from_millis(50);

struct FaultFixture {
    database: Database,
    folder: TempDir,
}

fn fixture(queue: usize) -> FaultFixture {
    let folder = TempDir::new().unwrap();
    let database = Database::open_with(&folder.path().join("test.db"), BUSY_TIMEOUT, queue).unwrap();
    FaultFixture { database, folder }
}

impl FaultFixture {
    /// Opens a connection as another process would.
    fn other(&self) -> Connection {
        Connection::open(self.folder.path().join("test.db")).unwrap()
    }

    /// Makes a write that [`FaultFixture::marks`] returns if it was kept.
    async fn mark(&self, at: i64) -> Result<(), StoreError> {
        self.database.write(move |tx| tx.start_run(Timestamp::from_unix(at)).map(drop)).await
    }

    async fn marks(&self) -> Vec<i64> {
        let runs = self.database.read(|tx| tx.runs_after(RunId(0))).await.unwrap();
        runs.iter().map(|(_, run)| run.started_at.unix()).collect()
    }

    /// Executes SQL on the writing connection, within a transaction.
    async fn execute_on_writer(&self, sql: &'static str) {
        self.database.lazy.get().unwrap().writer.write(true, move |tx| execute(tx, sql)).await.unwrap();
    }

    /// Blocks the writer until the sender is used or dropped. Writes queued in the meantime become one batch.
    async fn block_writer(&self) -> (mpsc::Sender<()>, JoinHandle<Result<(), StoreError>>) {
        let (release, released) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        let database = self.database.clone();
        let held = tokio::spawn(async move {
            let wait = move |_: &Tx<'_>| {
                begun.send(()).unwrap();
                let _ = released.recv();
                Ok(())
            };
            database.lazy.get().unwrap().writer.write(true, wait).await
        });
        tokio::task::spawn_blocking(move || has_begun.recv()).await.unwrap().unwrap();
        (release, held)
    }

    /// Queues a write behind the write that blocks the writer.
    async fn queue(
        &self,
        job: impl Fn(&Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> JoinHandle<Result<(), StoreError>> {
        self.queue_as(true, job).await
    }

    async fn queue_as(
        &self,
        alone: bool,
        job: impl Fn(&Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> JoinHandle<Result<(), StoreError>> {
        let database = self.database.clone();
        let (queued, is_queued) = tokio::sync::oneshot::channel();
        let write = tokio::spawn(async move {
            let mut write = std::pin::pin!(database.lazy.get().unwrap().writer.write(alone, job));
            // The first poll puts the write into the queue.
            let first = std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context))).await;
            let _ = queued.send(());
            match first {
                std::task::Poll::Ready(result) => result,
                std::task::Poll::Pending => write.await,
            }
        });
        is_queued.await.unwrap();
        write
    }
}

fn execute(tx: &Tx<'_>, sql: &str) -> Result<(), StoreError> {
    Ok(tx.connection().execute_batch(sql)?)
}

fn mark(at: i64) -> impl Fn(&Tx<'_>) -> Result<(), StoreError> + Send + 'static {
    move |tx| tx.start_run(Timestamp::from_unix(at)).map(drop)
}

fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn a_lock_held_by_another_process_makes_only_writes_unavailable() {
    let fixture = fixture(16);
    let other = fixture.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let result = fixture.mark(1).await;
    assert!(is_unavailable(&result), "{result:?}");
    assert!(result.unwrap_err().to_string().contains("lock"));
    assert_eq!(fixture.marks().await, [0; 0]);
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(fixture.mark(2).await, Ok(()));
    assert_eq!(fixture.marks().await, [2]);
    assert_eq!(fixture.database.unavailable_count(), 1);
}

#[tokio::test]
async fn a_full_disk_makes_writes_unavailable_until_space_is_freed() {
    let fixture = fixture(4096);
    let fixture = &fixture;
    fixture.execute_on_writer("PRAGMA max_page_count = 1").await; // SQLite raises 1 to the current number of pages.
    let (release, held) = fixture.block_writer().await;
    let mut writes = Vec::new();
    for at in 0..1600 {
        writes.push(fixture.queue(mark(at)).await);
    }
    drop(release);
    held.await.unwrap().unwrap();
    let mut kept = Vec::new();
    let mut refused = 0;
    for (at, write) in (0..).zip(writes) {
        match write.await.unwrap() {
            Ok(()) => kept.push(at),
            Err(StoreError::Unavailable(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0, "the disk was never full");
    assert_eq!(fixture.database.unavailable_count(), refused);
    assert_eq!(fixture.marks().await, kept, "exactly the acknowledged writes are stored");
    let result =
        fixture.database.write(|tx| (0..400).try_for_each(|at| tx.start_run(Timestamp::from_unix(at)).map(drop)));
    let result = result.await;
    assert!(is_unavailable(&result), "{result:?}");
    fixture.execute_on_writer("PRAGMA max_page_count = 100000").await;
    assert_eq!(fixture.mark(9000).await, Ok(()));
    assert_eq!(fixture.marks().await.last(), Some(&9000));
}

#[tokio::test]
async fn a_read_only_disk_makes_only_writes_unavailable() {
    let fixture = fixture(16);
    let (release, held) = fixture.block_writer().await;
    // A connection in this mode fails as it does for a file or mount that became read-only while it was open.
    let read_only = fixture.queue(|tx| execute(tx, "PRAGMA query_only = ON")).await;
    let refused = fixture.queue(mark(1)).await;
    let writable = fixture.queue(|tx| execute(tx, "PRAGMA query_only = OFF")).await;
    let kept = fixture.queue(mark(2)).await;
    drop(release);
    held.await.unwrap().unwrap();
    let result = refused.await.unwrap();
    assert!(is_unavailable(&result), "{result:?}");
    for write in [read_only, writable, kept] {
        assert_eq!(write.await.unwrap(), Ok(()));
    }
    assert_eq!(fixture.marks().await, [2]);
    // If the mode stays, even the write lock is refused.
    fixture.execute_on_writer("PRAGMA query_only = ON").await;
    let result = fixture.mark(3).await;
    assert!(is_unavailable(&result), "{result:?}");
    assert_eq!(fixture.marks().await, [2], "reads still work");
}

#[tokio::test]
async fn a_failed_commit_fails_its_whole_batch() {
    let fixture = fixture(16);
    let (release, held) = fixture.block_writer().await;
    let valid = fixture.queue(mark(1)).await;
    // Violates a constraint that is checked only at the commit.
    let invalid = fixture
        .queue(|tx| {
            execute(tx, "PRAGMA defer_foreign_keys = ON; INSERT INTO sign_in_addresses VALUES (999, '192.0.2.1', 1)")
        })
        .await;
    drop(release);
    held.await.unwrap().unwrap();
    for write in [valid, invalid] {
        let result = write.await.unwrap();
        assert!(result.is_err(), "{result:?}");
    }
    assert_eq!(fixture.marks().await, [0; 0]);
    assert_eq!(fixture.mark(2).await, Ok(()));
    assert_eq!(fixture.marks().await, [2]);
}

#[tokio::test]
async fn a_failed_last_write_undoes_its_transaction_and_an_earlier_refusal_does_not() {
    let fixture = fixture(16);
    let refusal = || StoreError::Fault("a refusal".to_owned());
    let (release, held) = fixture.block_writer().await;
    let kept = fixture.queue_as(false, mark(1)).await;
    let refused = fixture.queue_as(false, move |_| Err(refusal())).await;
    drop(release);
    held.await.unwrap().unwrap();
    assert_eq!((kept.await.unwrap(), refused.await.unwrap()), (Ok(()), Err(refusal())));
    let (release, held) = fixture.block_writer().await;
    let before = fixture.queue(mark(2)).await;
    let failed = fixture.queue_as(false, move |tx| mark(3)(tx).and(Err(refusal()))).await;
    let after = fixture.queue_as(false, mark(4)).await;
    drop(release);
    held.await.unwrap().unwrap();
    assert!(is_unavailable(&before.await.unwrap()));
    assert_eq!((failed.await.unwrap(), after.await.unwrap()), (Err(refusal()), Ok(())));
    assert_eq!(fixture.marks().await, [1, 4]);
    // A failed write without a write behind it leaves no lock.
    let (release, held) = fixture.block_writer().await;
    let failed = fixture.queue_as(false, move |tx| mark(5)(tx).and(Err(refusal()))).await;
    drop(release);
    held.await.unwrap().unwrap();
    assert_eq!(failed.await.unwrap(), Err(refusal()));
    fixture.other().execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
}

#[tokio::test]
async fn after_an_automatic_rollback_its_jobs_fail_and_the_rest_run_in_another_transaction() {
    let fixture = fixture(16);
    let (release, held) = fixture.block_writer().await;
    let before = fixture.queue(mark(1)).await;
    // SQLite does the same by itself when the disk fails. The closure ignores the error and continues.
    let undone = fixture
        .queue(|tx| {
            mark(2)(tx)?;
            execute(tx, "ROLLBACK")?;
            assert!(is_unavailable(&mark(3)(tx)), "nothing is written outside a transaction");
            Ok(())
        })
        .await;
    let after = fixture.queue(mark(4)).await;
    drop(release);
    held.await.unwrap().unwrap();
    assert!(is_unavailable(&before.await.unwrap()));
    assert!(is_unavailable(&undone.await.unwrap()));
    assert_eq!(after.await.unwrap(), Ok(()));
    assert_eq!(fixture.database.unavailable_count(), 2);
    assert_eq!(fixture.marks().await, [4]);
}

#[tokio::test]
async fn a_full_write_queue_is_unavailable_immediately() {
    let fixture = fixture(2);
    let (release, held) = fixture.block_writer().await;
    let one = fixture.queue(mark(1)).await;
    let two = fixture.queue(mark(2)).await;
    let result = fixture.mark(3).await;
    assert!(is_unavailable(&result), "{result:?}");
    assert_eq!(fixture.database.unavailable_count(), 1);
    drop(release);
    held.await.unwrap().unwrap();
    assert_eq!((one.await.unwrap(), two.await.unwrap()), (Ok(()), Ok(())));
    assert_eq!(fixture.mark(4).await, Ok(()));
    assert_eq!(fixture.marks().await, [1, 2, 4]);
}

#[tokio::test]
async fn a_cancelled_caller_does_not_undo_its_write() {
    let fixture = fixture(16);
    let (release, held) = fixture.block_writer().await;
    let write = fixture.queue(mark(1)).await;
    write.abort();
    assert!(write.await.unwrap_err().is_cancelled());
    drop(release);
    held.await.unwrap().unwrap();
    assert_eq!(fixture.mark(2).await, Ok(()));
    assert_eq!(fixture.marks().await, [1, 2]);
}

#[tokio::test]
async fn close_waits_for_queued_writes() {
    let fixture = fixture(1);
    let (release, held) = fixture.block_writer().await;
    let queued = fixture.queue(mark(1)).await;
    let closing = tokio::spawn({
        let database = fixture.database.clone();
        async move { database.close().await }
    });
    drop(release);
    held.await.unwrap().unwrap();
    assert_eq!(queued.await.unwrap(), Ok(()));
    closing.await.unwrap();
    let result = fixture.mark(2).await;
    assert!(is_unavailable(&result), "{result:?}");
    assert_eq!(fixture.marks().await, [1], "reads still work");
    fixture.database.close().await;
    let FaultFixture { database, folder } = fixture;
    drop(database);
    let alone = folder.path().join("alone.db");
    std::fs::copy(folder.path().join("test.db"), &alone).unwrap();
    let kept: i64 =
        Connection::open(alone).unwrap().query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1, "the wal is checkpointed");
}

/// A closure may convert an error, but monitoring must still count the unavailability.
#[tokio::test]
async fn only_unavailability_is_counted_whatever_error_the_job_returns() {
    let fixture = fixture(16);
    fixture.execute_on_writer("PRAGMA query_only = ON").await;
    let converted = fixture.queue(|tx| mark(1)(tx).map_err(|_| StoreError::Fault("something".to_owned()))).await;
    assert!(converted.await.unwrap().is_err());
    assert_eq!(fixture.database.unavailable_count(), 1);
    let own = fixture.database.read(|_| Err::<(), _>(StoreError::InUse("id"))).await;
    assert_eq!((own, fixture.database.unavailable_count()), (Err(StoreError::InUse("id")), 1));
}

#[tokio::test]
async fn readers_cannot_write() {
    let fixture = fixture(16);
    let delete = |connection: &Connection| Ok(connection.execute("DELETE FROM runs", [])?);
    let result: Result<usize, StoreError> = fixture.database.lazy.get().unwrap().readers.on_connection(delete).await;
    assert!(is_unavailable(&result), "{result:?}");
}

#[tokio::test]
async fn an_unavailable_database_rejects_everything_until_it_is_opened() {
    let FaultFixture { database, folder } = fixture(16);
    database.close().await;
    drop(database);
    let path = folder.path().join("test.db");
    let locker = Connection::open(&path).unwrap();
    locker.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    assert!(is_unavailable(&Database::open_with(&path, BUSY_TIMEOUT, 16)));
    let database = Database::when_possible(&path, BUSY_TIMEOUT, 16).unwrap();
    assert!(is_unavailable(&database.late_opening().unwrap().open(|_| Ok(())).await));
    let fixture = FaultFixture { database, folder };
    let result = fixture.mark(1).await;
    assert!(is_unavailable(&result) && result.unwrap_err().to_string().contains("test.db"));
    let read = fixture.database.read(|tx| tx.runs_after(RunId(0))).await;
    assert!(is_unavailable(&read), "{read:?}");
    assert_eq!((fixture.database.is_open(), fixture.database.unavailable_count()), (false, 2));
    fixture.database.close().await;

    drop(locker);
    let unread = fixture.database.late_opening().unwrap().open(|_| Err::<(), _>(StoreError::InUse("id"))).await;
    assert_eq!((unread.map(drop), fixture.database.is_open()), (Err(StoreError::InUse("id")), false));
    let read_first = |tx: &dyn Read| tx.runs_after(RunId(0)).map(|runs| runs.len());
    let (runs, opened) = fixture.database.late_opening().unwrap().open(read_first).await.unwrap();
    assert_eq!((runs, fixture.database.is_open()), (0, false), "not published yet");
    opened.publish();
    assert_eq!((fixture.mark(2).await, fixture.database.is_open()), (Ok(()), true));
    assert_eq!(fixture.marks().await, [2]);
}

#[test]
fn an_invalid_database_fails_at_start() {
    let folder = TempDir::new().unwrap();
    let inside = |name: &str| folder.path().join(name);
    std::fs::write(inside("text.db"), "this is a text of some length, and no database at all ".repeat(50)).unwrap();
    Connection::open(inside("newer.db")).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    for (name, words) in
        [("missing/test.db", "does not exist"), ("text.db", "is not a SQLite database"), ("newer.db", "has schema 99")]
    {
        let error = Database::when_possible(&inside(name), BUSY_TIMEOUT, 16).map(drop).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
