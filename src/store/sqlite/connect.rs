//! Creates the database file and sets up connections. Nothing here depends on the content of the database.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::private_files::give_to_owner_of;
use crate::store::error::StoreError;

/// The suffix of a database's name while it is being restored.
const RESTORING_SUFFIX: &str = ".restoring";

/// The maximum time that a write waits for another process's lock, or a read for a free connection, before it fails
/// with [`StoreError::Unavailable`].
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The capacity of the statement cache: more than the number of statements in this folder, so that a connection parses
/// each statement only once.
const STATEMENTS_KEPT: usize = 128;

/// Without `SQLITE_OPEN_URI`, so that a path is never parsed as a URI. Without `SQLITE_OPEN_CREATE`, because [`create`]
/// creates the file with mode 0600.
pub(super) const OPEN_FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Pragmas of every connection. With FULL, a commit waits for the disk: an acknowledged write survives a power loss.
/// The file is not memory-mapped, because a disk error would then kill the process (SIGBUS), and the pages that were
/// read would count as memory of the process.
const COMMON_PRAGMAS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;";

/// Pragmas of the writer. When a migration commits, SQLite checkpoints a WAL of at least 1000 pages; after that the
/// checkpoint thread does it. When the WAL restarts after a burst of writes, SQLite truncates its file to 64 MiB.
const WRITER_PRAGMAS: &str = "
    PRAGMA foreign_keys = ON;
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA journal_size_limit = 67108864;";

/// Pragmas of the readers. The cache holds the inner pages of all indexes for ten million users. The writer has
/// SQLite's default of 2000 KiB, because a larger cache did not make it faster.
const READER_PRAGMAS: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -16384;";

/// Returns the folder of a database file.
pub(super) fn folder(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

/// Returns the name that a database has while it is being restored.
pub(super) fn restoring_path(path: &Path) -> PathBuf {
    let mut restoring = path.as_os_str().to_owned();
    restoring.push(RESTORING_SUFFIX);
    restoring.into()
}

/// Creates an empty file with mode 0600. An existing file stays unchanged. Returns an error if the file is missing
/// because a restore was interrupted.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let restoring = restoring_path(path);
    if !path.exists() && restoring.exists() {
        return Err(StoreError::Unavailable(format!(
            "the restore of {} was interrupted; run `countersign restore` again, or remove {} to start over",
            path.display(),
            restoring.display()
        )));
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created.and_then(|file| give_to_owner_of(&folder(path), &file)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(format!(
            "cannot create {}: {error}; make its folder writable for this user, or change data_dir or database.url",
            path.display()
        ))),
    }
}

/// Locks the folder until the returned handle is dropped, so that only one thread of one process at a time opens and
/// migrates a database in it. The folder is locked instead of the file, because SQLite loses its locks on a file when
/// its process closes any handle to that file.
pub(super) fn lock_folder(path: &Path) -> Result<File, StoreError> {
    let folder = folder(path);
    let locked = File::open(&folder).and_then(|handle| handle.lock().map(|()| handle));
    locked.map_err(|error| {
        let folder = folder.display();
        StoreError::Unavailable(match error.kind() {
            ErrorKind::NotFound => {
                format!("the database folder {folder} does not exist; create it, or change data_dir or database.url")
            }
            _ => format!("cannot open the database folder {folder}: {error}; check its owner and mode"),
        })
    })
}

/// Opens the one connection that writes.
pub(super) fn writer(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OPEN_FLAGS).map_err(|error| open_error(path, error))?;
    set_up_writer(&connection, busy_timeout).map_err(|error| open_error(path, error))?;
    if connection.is_readonly("main").map_err(|error| open_error(path, error))? {
        return Err(StoreError::Unavailable(format!(
            "cannot write to {}; check the owner, mode and mount of the file",
            path.display()
        )));
    }
    Ok(connection)
}

fn set_up_writer(connection: &Connection, busy_timeout: Duration) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // The pragma returns a row, so it cannot be part of a batch. The returned mode is ignored: if the file system does
    // not support WAL, SQLite uses another mode.
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.execute_batch(COMMON_PRAGMAS)?;
    connection.execute_batch(WRITER_PRAGMAS)
}

/// Opens a read connection outside the pool.
pub(super) fn reader(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OPEN_FLAGS).map_err(|error| open_error(path, error))?;
    set_up_reader(&connection, busy_timeout).map_err(|error| open_error(path, error))?;
    Ok(connection)
}

/// Makes a connection read-only and sets its options.
pub(super) fn set_up_reader(connection: &Connection, busy_timeout: Duration) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.execute_batch(COMMON_PRAGMAS)?;
    connection.execute_batch(READER_PRAGMAS)
}

/// Adds the file name, and what to do, to an error on opening a database.
pub(super) fn open_error(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.display();
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return StoreError::Fault(format!("{path} is not a SQLite database; move it away or choose another file"));
    }
    match StoreError::from(error) {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("cannot open {path}: {why}")),
        StoreError::Fault(why) => StoreError::Fault(format!("cannot open {path}: {why}")),
        other @ (StoreError::Taken(_) | StoreError::InUse(_)) => other,
    }
}
