//! The thread that folds the log into the file (a checkpoint) beside the one that writes, so that no write waits for it.
//!
//! In a large file a thousand changed pages lie far apart, and to bring them home takes some tens of milliseconds. Writes go
//! on meanwhile, behind what is being folded. The log begins anew with the first write that finds all of it folded: where
//! writes never pause, the one that writes folds the rest itself, once in many thousand pages.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use super::connect;
use crate::store::StoreError;

/// Pages in the log from which on it is folded: 4 MiB. So many are worth a turn; fewer are folded in a lull, to come to the end.
const ENOUGH: u32 = 1000;
/// Writes of one commit, at most, in a lull.
const FEW: usize = 4;
/// Pages that are to be folded still, from which on writers wait: the disk can't keep up with them.
const BEHIND: u32 = 4 * ENOUGH;
/// Pages in the log from which on it has to begin anew, lull or no lull: 32 MiB.
const LONG: u32 = 8 * ENOUGH;

/// How many pages the log has, and how many of them are to be folded still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Log {
    pages: u32,
    left: u32,
}

/// What is to be done about the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Nothing,
    /// To wake the thread of this module, unless it is at work.
    Aside,
    /// To wait until it has ended its work, and wake it again.
    Wait,
    /// To wait until it has ended its work, and fold the rest here.
    Here,
}

impl Log {
    /// Looks, and folds nothing.
    fn of(connection: &Connection) -> Result<Self, rusqlite::Error> {
        connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| {
            let (pages, folded) = (row.get::<_, u32>(1)?, row.get::<_, u32>(2)?);
            Ok(Self { pages, left: pages.saturating_sub(folded) })
        })
    }

    /// What follows from it, after a commit of so many writes.
    fn turn(self, batch: usize) -> Turn {
        match self {
            Self { pages, left } if pages < ENOUGH || left == 0 => Turn::Nothing,
            Self { pages, left } if pages < LONG && left < BEHIND => {
                if left >= ENOUGH || batch <= FEW {
                    Turn::Aside
                } else {
                    Turn::Nothing
                }
            }
            Self { pages, left } if left < ENOUGH || pages >= 2 * LONG => Turn::Here,
            _ => Turn::Wait,
        }
    }
}

/// Folds what no reader keeps from being folded. Waits for nobody: what is left is a later turn's.
fn fold(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))
}

/// The thread, as the one that writes knows it.
#[derive(Debug)]
pub(super) struct Checkpoints {
    wake: SyncSender<()>,
    /// Held by whoever folds.
    at_work: Arc<Mutex<()>>,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// Starts the thread. It opens a connection of its own to that file when it is first needed.
    pub(super) fn start(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        // Without room: whoever finds the thread at work wakes nobody, and the next commit looks again.
        let (wake, woken) = sync_channel(0);
        let at_work = Arc::default();
        let (path, busy) = (path.to_owned(), Arc::clone(&at_work));
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || serve(&path, busy_timeout, &busy, &woken))
            .map_err(|error| StoreError::Unavailable(format!("can't start the thread that folds the log: {error}")))?;
        Ok(Self { wake, at_work, thread })
    }

    /// To be called outside of a transaction, by the connection that writes, when it has answered so many writes.
    pub(super) fn after_commit(&self, writer: &Connection, batch: usize) {
        let outcome = Log::of(writer).and_then(|log| self.take(log.turn(batch), writer));
        if let Err(error) = outcome {
            // The writes on such a disk tell the operator; this is the least of it.
            tracing::debug!(%error, "the log was not folded into the database by the thread that writes");
        }
    }

    fn take(&self, turn: Turn, writer: &Connection) -> Result<(), rusqlite::Error> {
        match turn {
            Turn::Nothing => Ok(()),
            Turn::Here => {
                let _alone = alone(&self.at_work);
                fold(writer)
            }
            Turn::Wait | Turn::Aside => {
                if turn == Turn::Wait {
                    drop(alone(&self.at_work));
                }
                let _ = self.wake.try_send(());
                Ok(())
            }
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
fn alone(at_work: &Mutex<()>) -> MutexGuard<'_, ()> {
    at_work.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(path: &Path, busy_timeout: Duration, at_work: &Mutex<()>, woken: &Receiver<()>) {
    let (mut connection, mut failing) = (None, false);
    while let Ok(()) = woken.recv() {
        let _alone = alone(at_work);
        let outcome = fold_aside(path, busy_timeout, &mut connection);
        // One line for each series, not one for each commit.
        if let Err(error) = &outcome
            && !failing
        {
            tracing::warn!(%error, "the log can't be folded into the database and grows until it can");
        }
        failing = outcome.is_err();
    }
}

fn fold_aside(path: &Path, busy_timeout: Duration, kept: &mut Option<Connection>) -> Result<(), StoreError> {
    let connection = match kept.take() {
        Some(connection) => connection,
        None => connect::reader(path, busy_timeout)?,
    };
    fold(kept.insert(connection))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::*;

    /// A database whose log has at least so many pages, of one transaction.
    fn with_pages(pages: u32) -> (TempDir, Connection, Checkpoints) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("test.db");
        connect::create(&path).unwrap();
        let writer = connect::writer(&path, Duration::ZERO).unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer.execute_batch("CREATE TABLE pages (page BLOB)").unwrap();
        add(&writer, pages);
        (folder, writer, Checkpoints::start(&path, Duration::ZERO).unwrap())
    }

    fn add(writer: &Connection, pages: u32) {
        writer.execute("INSERT INTO pages VALUES (zeroblob(4096 * ?1))", [pages]).unwrap();
    }

    #[test]
    fn a_log_is_folded_aside_and_begins_anew() {
        let (_folder, writer, checkpoints) = with_pages(2 * ENOUGH);
        assert_eq!(Log::of(&writer).unwrap().turn(1), Turn::Aside);
        checkpoints.after_commit(&writer, 1);
        // The thread may not have been waiting yet, and is asked again: as a later commit would.
        while Log::of(&writer).unwrap().left > 0 {
            checkpoints.after_commit(&writer, 1);
            thread::yield_now();
        }
        add(&writer, 1);
        assert!(Log::of(&writer).unwrap().pages < ENOUGH);
        checkpoints.stop();
    }

    #[test]
    fn the_writer_folds_what_a_reader_kept() {
        let (_folder, writer, checkpoints) = with_pages(ENOUGH);
        let reading = with_view(&writer);
        add(&writer, 10);
        checkpoints.take(Turn::Here, &writer).unwrap();
        assert!(Log::of(&writer).unwrap().left >= 10, "what came after the reader's view stays");
        reading.execute_batch("ROLLBACK").unwrap();
        checkpoints.take(Turn::Here, &writer).unwrap();
        assert_eq!(Log::of(&writer).unwrap().left, 0);
        add(&writer, 1);
        assert!(Log::of(&writer).unwrap().pages < ENOUGH);
        checkpoints.stop();
    }

    /// Another connection in the middle of reading what was there.
    fn with_view(writer: &Connection) -> Connection {
        let reading = connect::reader(Path::new(writer.path().unwrap()), Duration::ZERO).unwrap();
        reading.execute_batch("BEGIN; SELECT count(*) FROM pages").unwrap();
        reading
    }

    #[test]
    fn writers_wait_only_where_the_disk_is_behind_or_the_log_is_long() {
        for (pages, left, writes, turn) in [
            (ENOUGH - 1, ENOUGH - 1, 1, Turn::Nothing),
            (ENOUGH, 0, 1, Turn::Nothing),
            (LONG, 0, 1, Turn::Nothing),
            (ENOUGH, ENOUGH, FEW + 1, Turn::Aside),
            (ENOUGH, ENOUGH - 1, FEW + 1, Turn::Nothing),
            (ENOUGH, 1, FEW, Turn::Aside),
            (LONG - 1, BEHIND - 1, 1, Turn::Aside),
            (BEHIND, BEHIND, 1, Turn::Wait),
            (LONG, ENOUGH, 1, Turn::Wait),
            (LONG, ENOUGH - 1, 64, Turn::Here),
            (2 * LONG, 2 * LONG, 1, Turn::Here),
        ] {
            assert_eq!(Log { pages, left }.turn(writes), turn, "{left} of {pages} pages, {writes} writes");
        }
    }
}
