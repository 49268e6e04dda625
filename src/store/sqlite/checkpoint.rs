//! The checkpoint thread: it copies pages from the WAL into the database file in parallel with the writer, so that
//! writes rarely wait for a checkpoint.
//!
//! In a large file, the changed pages are far apart, and copying 1000 of them takes tens of milliseconds. In the
//! meantime, writes continue and append to the WAL. SQLite restarts the WAL from its beginning only at a write that
//! finds all pages checkpointed and no reader using the WAL. If writes never pause, no write finds this state. The
//! writer therefore checkpoints the remaining pages itself when the WAL has at least [`RESTART_PAGES`] pages and fewer
//! than [`CHECKPOINT_PAGES`] of them remain.

use std::cell::Cell;
use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use super::connect;
use crate::store::error::StoreError;

/// The minimum length of the WAL for a checkpoint, in pages of 4 KiB. Under load, at least this many pages must also
/// remain to be checkpointed. At low load, any number of remaining pages is checkpointed, so that the WAL can restart.
const CHECKPOINT_PAGES: u32 = 1000;
/// The maximum number of writes in a transaction that counts as low load.
const LOW_LOAD_WRITES: usize = 4;
/// The number of remaining pages from which the writer waits for the checkpoint: the disk cannot keep up, or a long
/// read prevents the checkpoint of newer pages.
const WRITER_WAIT_PAGES: u32 = 4 * CHECKPOINT_PAGES;
/// The number of WAL pages (about 31 MiB) from which the writer checkpoints the last remaining pages itself, whatever
/// the load, so that the WAL restarts.
const RESTART_PAGES: u32 = 8 * CHECKPOINT_PAGES;
/// The maximum time that the writer waits for a checkpoint. It waits once per [`CHECKPOINT_PAGES`] pages that it
/// appends.
const WRITER_WAIT_MAX: Duration = Duration::from_millis(500);
/// How often the waiting writer checks whether the checkpoint has ended.
const WAIT_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The number of pages in the WAL, and how many of them remain to be checkpointed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wal {
    pages: u32,
    left: u32,
}

/// What to do about the WAL after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CheckpointAction {
    Nothing,
    /// Wake the checkpoint thread, unless it is busy.
    InBackground,
    /// Wait for the running checkpoint, at most [`WRITER_WAIT_MAX`], and wake the thread again.
    Wait,
    /// Wait for the end of the running checkpoint, and checkpoint the remaining pages on the writer thread.
    OnWriter,
}

impl Wal {
    /// Reads the state of the WAL without a checkpoint.
    fn of(connection: &Connection) -> Result<Self, rusqlite::Error> {
        connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| {
            let pages = row.get::<_, u32>(1)?;
            let done = row.get::<_, u32>(2)?;
            Ok(Self { pages, left: pages.saturating_sub(done) })
        })
    }

    /// Returns the action after a commit of `batch` writes.
    fn next_action(self, batch: usize) -> CheckpointAction {
        let Self { pages, left } = self;
        if pages < CHECKPOINT_PAGES || left == 0 {
            CheckpointAction::Nothing
        } else if left >= WRITER_WAIT_PAGES {
            CheckpointAction::Wait
        } else if pages >= RESTART_PAGES && left < CHECKPOINT_PAGES {
            CheckpointAction::OnWriter
        } else if left >= CHECKPOINT_PAGES || batch <= LOW_LOAD_WRITES {
            CheckpointAction::InBackground
        } else {
            CheckpointAction::Nothing
        }
    }
}

/// Checkpoints all pages that no reader blocks, without waiting for other connections. A later checkpoint copies the
/// other pages.
fn checkpoint(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))
}

/// A handle to the checkpoint thread, which the writer owns.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    /// Locked during a checkpoint.
    checkpoint_lock: Arc<Mutex<()>>,
    failing: Arc<FailureState>,
    /// The number of WAL pages when the writer last waited.
    waited_at: Cell<u32>,
    thread: JoinHandle<()>,
}

/// Whether the last checkpoint failed. Only the start and the end of a failure are logged, not each commit.
#[derive(Debug, Default)]
struct FailureState(AtomicBool);

impl FailureState {
    fn log_change<E: Display>(&self, outcome: &Result<(), E>) {
        let before = self.0.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !before => {
                tracing::warn!(%error, "wal checkpoint failed; the wal grows until a checkpoint succeeds");
            }
            Ok(()) if before => tracing::info!("wal checkpoints work again"),
            _ => {}
        }
    }
}

impl Checkpointer {
    /// Starts the thread. It opens its own connection to the file when it first needs one.
    pub(super) fn start(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        // The channel has no capacity, so a wake-up is lost if the thread is busy or not yet waiting for its first one.
        // A later commit then wakes it.
        let (wake, woken) = sync_channel(0);
        let checkpoint_lock = Arc::default();
        let failing = Arc::default();
        let path = path.to_owned();
        let thread_lock = Arc::clone(&checkpoint_lock);
        let thread_failure_state = Arc::clone(&failing);
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || serve(&path, busy_timeout, &thread_lock, &thread_failure_state, &woken))
            .map_err(|error| StoreError::Unavailable(format!("cannot start the checkpoint thread: {error}")))?;
        Ok(Self { wake, checkpoint_lock, failing, waited_at: Cell::new(0), thread })
    }

    /// Acts on the WAL after a commit of `batch` writes. The writer calls it with its connection, outside a
    /// transaction, after it has sent the results.
    pub(super) fn after_commit(&self, writer: &Connection, batch: usize) {
        match Wal::of(writer) {
            Ok(wal) => self.perform(wal, wal.next_action(batch), batch, writer),
            Err(error) => self.failing.log_change(&Err(error)),
        }
    }

    fn perform(&self, wal: Wal, action: CheckpointAction, batch: usize, writer: &Connection) {
        match action {
            CheckpointAction::OnWriter => {
                let _guard = lock_checkpoint(&self.checkpoint_lock);
                self.failing.log_change(&checkpoint(writer));
            }
            CheckpointAction::InBackground => self.wake(),
            // The writer waits only once per `CHECKPOINT_PAGES` pages. If a long read blocks the checkpoint, waiting
            // more often does not help.
            CheckpointAction::Wait
                if !(self.waited_at.get()..self.waited_at.get() + CHECKPOINT_PAGES).contains(&wal.pages) =>
            {
                self.waited_at.set(wal.pages);
                self.wait();
                self.wake();
            }
            CheckpointAction::Wait if batch <= LOW_LOAD_WRITES => self.wake(),
            CheckpointAction::Wait | CheckpointAction::Nothing => {}
        }
    }

    fn wake(&self) {
        let _ = self.wake.try_send(());
    }

    fn wait(&self) {
        let mut left = WRITER_WAIT_MAX;
        while !left.is_zero() && matches!(self.checkpoint_lock.try_lock(), Err(TryLockError::WouldBlock)) {
            thread::sleep(WAIT_POLL_INTERVAL);
            left = left.saturating_sub(WAIT_POLL_INTERVAL);
        }
    }

    /// Ends the thread after its current checkpoint, and waits for its end.
    pub(super) fn stop(self) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("checkpoint thread panicked");
        }
    }
}

/// Waits until no other thread runs a checkpoint.
fn lock_checkpoint(lock: &Mutex<()>) -> MutexGuard<'_, ()> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(path: &Path, busy_timeout: Duration, lock: &Mutex<()>, failing: &FailureState, woken: &Receiver<()>) {
    let mut connection = None;
    while let Ok(()) = woken.recv() {
        let _guard = lock_checkpoint(lock);
        failing.log_change(&checkpoint_in_background(path, busy_timeout, &mut connection));
    }
}

fn checkpoint_in_background(
    path: &Path,
    busy_timeout: Duration,
    kept: &mut Option<Connection>,
) -> Result<(), StoreError> {
    let connection = match kept.take() {
        Some(connection) => connection,
        None => connect::reader(path, busy_timeout)?,
    };
    checkpoint(kept.insert(connection))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::*;

    /// Creates a database whose WAL has at least `pages` pages, written in one transaction.
    fn with_pages(pages: u32) -> (TempDir, Connection, Checkpointer) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("test.db");
        connect::create(&path).unwrap();
        let writer = connect::writer(&path, Duration::ZERO).unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer.execute_batch("CREATE TABLE pages (page BLOB)").unwrap();
        add(&writer, pages);
        (folder, writer, Checkpointer::start(&path, Duration::ZERO).unwrap())
    }

    fn add(writer: &Connection, pages: u32) {
        writer.execute("INSERT INTO pages VALUES (zeroblob(4096 * ?1))", [pages]).unwrap();
    }

    #[test]
    fn the_wal_is_checkpointed_in_the_background_and_restarts() {
        let (_folder, writer, checkpoints) = with_pages(2 * CHECKPOINT_PAGES);
        assert_eq!(Wal::of(&writer).unwrap().next_action(1), CheckpointAction::InBackground);
        checkpoints.after_commit(&writer, 1);
        // The first wake-up is lost if the thread is not yet waiting, so it is woken again, as later commits do.
        while Wal::of(&writer).unwrap().left > 0 {
            checkpoints.after_commit(&writer, 1);
            thread::yield_now();
        }
        // The pages are reported as checkpointed a moment before the thread releases the file.
        drop(lock_checkpoint(&checkpoints.checkpoint_lock));
        add(&writer, 1);
        assert!(Wal::of(&writer).unwrap().pages < CHECKPOINT_PAGES);
        checkpoints.stop();
    }

    #[test]
    fn the_writer_checkpoints_pages_held_by_a_reader() {
        let (_folder, writer, checkpoints) = with_pages(CHECKPOINT_PAGES);
        let reading = with_open_read(&writer);
        add(&writer, 10);
        checkpoints.perform(Wal::of(&writer).unwrap(), CheckpointAction::OnWriter, 1, &writer);
        assert!(Wal::of(&writer).unwrap().left >= 10, "pages after the reader's snapshot stay in the wal");
        reading.execute_batch("ROLLBACK").unwrap();
        checkpoints.perform(Wal::of(&writer).unwrap(), CheckpointAction::OnWriter, 1, &writer);
        assert_eq!(Wal::of(&writer).unwrap().left, 0);
        add(&writer, 1);
        assert!(Wal::of(&writer).unwrap().pages < CHECKPOINT_PAGES);
        checkpoints.stop();
    }

    #[test]
    fn writers_wait_briefly_once_per_wal_growth() {
        let (_folder, writer, checkpoints) = with_pages(1);
        let checkpoint_lock = lock_checkpoint(&checkpoints.checkpoint_lock);
        let last_wait = |pages| {
            checkpoints.perform(Wal { pages, left: pages }, CheckpointAction::Wait, 64, &writer);
            checkpoints.waited_at.get()
        };
        assert_eq!(
            [WRITER_WAIT_PAGES, WRITER_WAIT_PAGES + 1, WRITER_WAIT_PAGES + CHECKPOINT_PAGES].map(last_wait),
            [WRITER_WAIT_PAGES, WRITER_WAIT_PAGES, WRITER_WAIT_PAGES + CHECKPOINT_PAGES]
        );
        assert_eq!(last_wait(WRITER_WAIT_PAGES), WRITER_WAIT_PAGES, "the wal has restarted");
        drop(checkpoint_lock);
        checkpoints.stop();
    }

    #[test]
    fn a_checkpoint_failure_is_remembered_until_it_ends() {
        let failing = FailureState::default();
        for outcome in [Ok(()), Err("full"), Err("full"), Ok(())] {
            failing.log_change(&outcome);
            assert_eq!(failing.0.load(Ordering::Relaxed), outcome.is_err());
        }
    }

    /// Returns another connection with an open read transaction.
    fn with_open_read(writer: &Connection) -> Connection {
        let reading = connect::reader(Path::new(writer.path().unwrap()), Duration::ZERO).unwrap();
        reading.execute_batch("BEGIN; SELECT count(*) FROM pages").unwrap();
        reading
    }

    #[test]
    fn writers_wait_only_for_a_slow_disk_or_a_long_wal() {
        for (pages, left, writes, action) in [
            (CHECKPOINT_PAGES - 1, CHECKPOINT_PAGES - 1, 1, CheckpointAction::Nothing),
            (CHECKPOINT_PAGES, 0, 1, CheckpointAction::Nothing),
            (RESTART_PAGES, 0, 1, CheckpointAction::Nothing),
            (CHECKPOINT_PAGES, CHECKPOINT_PAGES, LOW_LOAD_WRITES + 1, CheckpointAction::InBackground),
            (CHECKPOINT_PAGES, CHECKPOINT_PAGES - 1, LOW_LOAD_WRITES + 1, CheckpointAction::Nothing),
            (CHECKPOINT_PAGES, 1, LOW_LOAD_WRITES, CheckpointAction::InBackground),
            (RESTART_PAGES - 1, WRITER_WAIT_PAGES - 1, 1, CheckpointAction::InBackground),
            (RESTART_PAGES, WRITER_WAIT_PAGES - 1, 64, CheckpointAction::InBackground),
            (WRITER_WAIT_PAGES, WRITER_WAIT_PAGES, 1, CheckpointAction::Wait),
            (2 * RESTART_PAGES, 2 * RESTART_PAGES, 1, CheckpointAction::Wait),
            (RESTART_PAGES, CHECKPOINT_PAGES - 1, 64, CheckpointAction::OnWriter),
        ] {
            assert_eq!(Wal { pages, left }.next_action(writes), action, "{left} of {pages} pages, {writes} writes");
        }
    }
}
