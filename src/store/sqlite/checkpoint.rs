//! The thread that folds the log into the file (a checkpoint) beside the one that writes, so that writes seldom wait for it.
//!
//! In a large file a thousand changed pages lie far apart, and to bring them home takes some tens of milliseconds. Writes go
//! on meanwhile, behind what is being folded. The log begins anew with the first write that finds all of it folded, and nobody
//! reading what is in it: where writes never pause, the one that writes folds the rest itself, once in many thousand pages.

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

/// Pages in the log from which on it is folded: 4 MiB. So many are worth a turn; fewer are folded in a lull, to come to the end.
const ENOUGH: u32 = 1000;
/// Writes of one commit, at most, in a lull.
const FEW: usize = 4;
/// Pages that are to be folded still, from which on writers wait for it: the disk can't keep up with them, or somebody has
/// been reading for long.
const BEHIND: u32 = 4 * ENOUGH;
/// Pages in the log from which on it has to begin anew, lull or no lull: 32 MiB.
const LONG: u32 = 8 * ENOUGH;
/// How long writers wait then, at most, for every [`ENOUGH`] pages that they add; and how often they look.
const WRITER_WAIT_MAX: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);

/// How many pages the log has, and how many of them are to be folded still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wal {
    pages: u32,
    left: u32,
}

/// What is to be done about the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CheckpointAction {
    Nothing,
    /// To wake the thread of this module, unless it is at work.
    Aside,
    /// To wait for the end of its work, though not for long, and wake it again.
    Wait,
    /// To wait for the end of its work, and fold the rest here.
    Here,
}

impl Wal {
    /// Looks, and folds nothing.
    fn of(connection: &Connection) -> Result<Self, rusqlite::Error> {
        connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| {
            let pages = row.get::<_, u32>(1)?;
            let folded = row.get::<_, u32>(2)?;
            Ok(Self { pages, left: pages.saturating_sub(folded) })
        })
    }

    /// What follows from it, after a commit of so many writes.
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

/// Folds what no reader keeps from being folded. Waits for nobody: what is left is a later turn's.
fn checkpoint(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))
}

/// The thread, as the one that writes knows it.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    /// Held by whoever folds.
    at_work: Arc<Mutex<()>>,
    failing: Arc<FailureState>,
    /// How long the log was when writers last waited.
    waited_at: Cell<u32>,
    thread: JoinHandle<()>,
}

/// Whether the last turn failed: the operator is told when that begins and ends, not at each commit.
#[derive(Debug, Default)]
struct FailureState(AtomicBool);

impl FailureState {
    fn log_change<E: Display>(&self, outcome: &Result<(), E>) {
        let before = self.0.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !before => {
                tracing::warn!(%error, "the log can't be folded into the database: it grows, and takes up the disk, until it can");
            }
            Ok(()) if before => tracing::info!("the log is folded into the database again"),
            _ => {}
        }
    }
}

impl Checkpointer {
    /// Starts the thread. It opens a connection of its own to that file when it is first needed.
    pub(super) fn start(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        // Without room: whoever finds the thread at work wakes nobody, and a later commit looks again.
        let (wake, woken) = sync_channel(0);
        let at_work = Arc::default();
        let failing = Arc::default();
        let path = path.to_owned();
        let busy = Arc::clone(&at_work);
        let troubled = Arc::clone(&failing);
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || serve(&path, busy_timeout, &busy, &troubled, &woken))
            .map_err(|error| StoreError::Unavailable(format!("can't start the thread that folds the log: {error}")))?;
        Ok(Self { wake, at_work, failing, waited_at: Cell::new(0), thread })
    }

    /// To be called outside of a transaction, by the connection that writes, when it has answered so many writes.
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
            // Once for so many pages: what somebody's reading keeps is not folded the sooner for being asked about.
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

    /// Ends the thread, after what it is at.
    pub(super) fn stop(self) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("the thread that folds the log had panicked");
        }
    }
}

/// Waits until nobody else folds.
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

    /// A database whose log has at least so many pages, of one transaction.
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
        // The thread may not have been waiting yet, and is asked again: as a later commit would.
        while Wal::of(&writer).unwrap().left > 0 {
            checkpoints.after_commit(&writer, 1);
            thread::yield_now();
        }
        // What is folded is known a moment before the thread lets go of the file.
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
        assert!(Wal::of(&writer).unwrap().left >= 10, "what came after the reader's view stays");
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
        assert_eq!(begun(BEHIND), BEHIND, "a log that began anew");
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

    /// Another connection in the middle of reading what was there.
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
