//! How a connection is set up, and how the file comes to be. Must not know what is in it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::copy::RESTORING;
use crate::store::StoreError;

/// More than there are statements in this folder, so that none is ever parsed twice.
const STATEMENTS_KEPT: usize = 128;

/// No `SQLITE_OPEN_URI`: a path is a path, whatever it begins with. No `SQLITE_OPEN_CREATE`: we make the file, for its mode.
pub(super) const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// What both kinds share. FULL makes a commit wait for the disk: what was acknowledged survives a loss of power. There is
/// no map of the file: an error of the disk would end the process, and what was read of it count as its memory.
const COMMON: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;";

/// The log is folded into the file every 4 MiB while a migration is run; after that the checkpoints see to it. It is never
/// left larger than 64 MiB after a burst.
const WRITER: &str = "
    PRAGMA foreign_keys = ON;
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA journal_size_limit = 67108864;";

/// Room for the inner pages of all that ten million users are found by. The writer has SQLite's two MiB: more made it no
/// quicker.
const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -16384;";

/// The folder a database's file is in.
pub(super) fn folder(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

/// Makes an empty file that only its owner may read; one that is there stays as it is. Where one is still to be
/// restored none is made.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let mut restoring = path.as_os_str().to_owned();
    restoring.push(RESTORING);
    if !path.exists() && Path::new(&restoring).exists() {
        return Err(StoreError::Unavailable(format!(
            "a restoring of {} was cut off: run `countersign restore` again, or remove {} and begin anew",
            path.display(),
            Path::new(&restoring).display()
        )));
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(format!(
            "can't create the file {} ({error}): make its folder one that this user may write to, or name another file",
            path.display()
        ))),
    }
}

/// Keeps other processes from opening a database in that folder until it is dropped, so that one alone migrates it.
/// It is the folder that is locked: SQLite's own locks on a file are lost when any handle on that file is closed.
pub(super) fn lock_folder(path: &Path) -> Result<File, StoreError> {
    let folder = folder(path);
    let locked = File::open(&folder).and_then(|handle| handle.lock().map(|()| handle));
    locked.map_err(|error| {
        let folder = folder.display();
        StoreError::Unavailable(match error.kind() {
            ErrorKind::NotFound => format!("the database's folder {folder} does not exist: create it, or name another"),
            _ => format!("the database's folder {folder} can't be opened ({error}): check its owner and mode"),
        })
    })
}

/// The one connection that writes.
pub(super) fn writer(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, FLAGS).map_err(|error| open_error(path, error))?;
    set_up_writer(&connection, busy_timeout).map_err(|error| open_error(path, error))?;
    if connection.is_readonly("main").map_err(|error| open_error(path, error))? {
        return Err(StoreError::Unavailable(format!(
            "the file {} can't be written: check its owner, its mode and its mount",
            path.display()
        )));
    }
    Ok(connection)
}

fn set_up_writer(connection: &Connection, busy_timeout: Duration) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Asks for a row back, so it can't be part of a batch; a file system that can't do it says so by another mode's name.
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.execute_batch(COMMON)?;
    connection.execute_batch(WRITER)
}

/// A connection that asks, outside of any pool.
pub(super) fn reader(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, FLAGS).map_err(|error| open_error(path, error))?;
    set_up_reader(&connection, busy_timeout).map_err(|error| open_error(path, error))?;
    Ok(connection)
}

/// Sets up a connection that asks and can't change.
pub(super) fn set_up_reader(connection: &Connection, busy_timeout: Duration) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.execute_batch(COMMON)?;
    connection.execute_batch(READER)
}

/// An error of the opening, with the file's name and what to do.
pub(super) fn open_error(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.display();
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return StoreError::Fault(format!("{path} is not a SQLite database: move it away, or name another file"));
    }
    match StoreError::from(error) {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("can't open {path}: {why}")),
        StoreError::Fault(why) => StoreError::Fault(format!("can't open {path}: {why}")),
        other @ (StoreError::Taken(_) | StoreError::InUse(_)) => other,
    }
}
