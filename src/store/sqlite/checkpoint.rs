//! The checkpoint thread: it copies pages from the WAL into the database file in parallel with the writer, so that
//! writes seldom wait for it.
//!
//! In a large file, 1000 changed pages are far apart, and copying them takes some tens of milliseconds. Writes continue
//! meanwhile and append to the WAL. SQLite restarts the WAL from its beginning at the first write that finds all of it
//! checkpointed and no reader using it. If writes never pause, the writer therefore checkpoints the rest itself, once
//! in many thousand pages.

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
use crate::store::StoreError;

/// The minimum length of the WAL for a checkpoint, in pages: 4 MiB. Under load, a checkpoint also needs this many
/// remaining pages. With few writes, any number of remaining pages is checkpointed, so that the WAL can restart.
const ENOUGH: u32 = 1000;
/// The maximum number of writes in a commit that counts as low load.
const FEW: usize = 4;
/// The number of remaining pages from which the writer waits for the checkpoint: the disk cannot keep up, or a reader
/// has been active for long.
const BEHIND: u32 = 4 * ENOUGH;
/// The number of WAL pages, 32 MiB, from which the WAL must restart at any load.
const LONG: u32 = 8 * ENOUGH;
/// How long the writer waits at most for each [`ENOUGH`] pages that it adds while the checkpoint is behind.
const WRITER_WAIT_MAX: Duration = Duration::from_millis(500);
/// How often the waiting writer checks whether the checkpoint has ended.
const LOOK: Duration = Duration::from_millis(5);

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
    Aside,
    /// Wait for the running checkpoint, for a limited time, and wake the thread again.
    Wait,
    /// Wait for the running checkpoint, and checkpoint the rest on the writer thread.
    Here,
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
        if pages < ENOUGH || left == 0 {
            CheckpointAction::Nothing
        } else if left >= BEHIND {
            CheckpointAction::Wait
        } else if pages >= LONG && left < ENOUGH {
            CheckpointAction::Here
        } else if left >= ENOUGH || batch <= FEW {
            CheckpointAction::Aside
        } else {
            CheckpointAction::Nothing
        }
    }
}

/// Checkpoints all pages that no reader blocks. It waits for no other connection; a later checkpoint copies the rest.
fn checkpoint(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))
}

/// A handle to the checkpoint thread, held by the writer.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    /// Held during a checkpoint.
    at_work: Arc<Mutex<()>>,
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
        // The channel has no capacity: waking a busy thread does nothing, and a later commit checks again.
        let (wake, woken) = sync_channel(0);
        let at_work = Arc::default();
        let failing = Arc::default();
        let path = path.to_owned();
        let thread_at_work = Arc::clone(&at_work);
        let thread_failing = Arc::clone(&failing);
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || serve(&path, busy_timeout, &thread_at_work, &thread_failing, &woken))
            .map_err(|error| StoreError::Unavailable(format!("cannot start the checkpoint thread: {error}")))?;
        Ok(Self { wake, at_work, failing, waited_at: Cell::new(0), thread })
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
            CheckpointAction::Here => {
                let _alone = lock_checkpoint(&self.at_work);
                self.failing.log_change(&checkpoint(writer));
            }
            CheckpointAction::Aside => self.wake(),
            // The writer waits once per `ENOUGH` pages: waiting more often does not help against a long read.
            CheckpointAction::Wait if !(self.waited_at.get()..self.waited_at.get() + ENOUGH).contains(&wal.pages) => {
                self.waited_at.set(wal.pages);
                self.wait();
                self.wake();
            }
            CheckpointAction::Wait if batch <= FEW => self.wake(),
            CheckpointAction::Wait | CheckpointAction::Nothing => {}
        }
    }

    fn wake(&self) {
        let _ = self.wake.try_send(());
    }

    fn wait(&self) {
        let mut left = WRITER_WAIT_MAX;
        while !left.is_zero() && matches!(self.at_work.try_lock(), Err(TryLockError::WouldBlock)) {
            thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
    }

    /// Ends the thread after its current checkpoint.
    pub(super) fn stop(self) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("checkpoint thread panicked");
        }
    }
}

/// Waits until no other thread runs a checkpoint.
fn lock_checkpoint(at_work: &Mutex<()>) -> MutexGuard<'_, ()> {
    at_work.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(path: &Path, busy_timeout: Duration, at_work: &Mutex<()>, failing: &FailureState, woken: &Receiver<()>) {
    let mut connection = None;
    while let Ok(()) = woken.recv() {
        let _alone = lock_checkpoint(at_work);
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
        let (_folder, writer, checkpoints) = with_pages(2 * ENOUGH);
        assert_eq!(Wal::of(&writer).unwrap().next_action(1), CheckpointAction::Aside);
        checkpoints.after_commit(&writer, 1);
        // The thread may not have been waiting yet, so it is woken again, as a later commit would do.
        while Wal::of(&writer).unwrap().left > 0 {
            checkpoints.after_commit(&writer, 1);
            thread::yield_now();
        }
        // The pages are reported as checkpointed a moment before the thread releases the file.
        drop(lock_checkpoint(&checkpoints.at_work));
        add(&writer, 1);
        assert!(Wal::of(&writer).unwrap().pages < ENOUGH);
        checkpoints.stop();
    }

    #[test]
    fn the_writer_checkpoints_pages_held_by_a_reader() {
        let (_folder, writer, checkpoints) = with_pages(ENOUGH);
        let reading = with_open_read(&writer);
        add(&writer, 10);
        checkpoints.perform(Wal::of(&writer).unwrap(), CheckpointAction::Here, 1, &writer);
        assert!(Wal::of(&writer).unwrap().left >= 10, "pages after the reader's snapshot stay in the wal");
        reading.execute_batch("ROLLBACK").unwrap();
        checkpoints.perform(Wal::of(&writer).unwrap(), CheckpointAction::Here, 1, &writer);
        assert_eq!(Wal::of(&writer).unwrap().left, 0);
        add(&writer, 1);
        assert!(Wal::of(&writer).unwrap().pages < ENOUGH);
        checkpoints.stop();
    }

    #[test]
    fn writers_wait_briefly_once_per_wal_growth() {
        let (_folder, writer, checkpoints) = with_pages(1);
        let at_work = lock_checkpoint(&checkpoints.at_work);
        let begun = |pages| {
            checkpoints.perform(Wal { pages, left: pages }, CheckpointAction::Wait, 64, &writer);
            checkpoints.waited_at.get()
        };
        assert_eq!([BEHIND, BEHIND + 1, BEHIND + ENOUGH].map(begun), [BEHIND, BEHIND, BEHIND + ENOUGH]);
        assert_eq!(begun(BEHIND), BEHIND, "the wal has restarted");
        drop(at_work);
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
            (ENOUGH - 1, ENOUGH - 1, 1, CheckpointAction::Nothing),
            (ENOUGH, 0, 1, CheckpointAction::Nothing),
            (LONG, 0, 1, CheckpointAction::Nothing),
            (ENOUGH, ENOUGH, FEW + 1, CheckpointAction::Aside),
            (ENOUGH, ENOUGH - 1, FEW + 1, CheckpointAction::Nothing),
            (ENOUGH, 1, FEW, CheckpointAction::Aside),
            (LONG - 1, BEHIND - 1, 1, CheckpointAction::Aside),
            (LONG, BEHIND - 1, 64, CheckpointAction::Aside),
            (BEHIND, BEHIND, 1, CheckpointAction::Wait),
            (2 * LONG, 2 * LONG, 1, CheckpointAction::Wait),
            (LONG, ENOUGH - 1, 64, CheckpointAction::Here),
        ] {
            assert_eq!(Wal { pages, left }.next_action(writes), action, "{left} of {pages} pages, {writes} writes");
        }
    }
}
