//! What SQLite offers for backups: a copy of the whole database, made while the server writes, and its verification. A
//! copy is incomplete until the function that makes it returns `Ok`.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::connect::BUSY_TIMEOUT;
use super::{connect, migrate, snapshot};
use crate::store::error::StoreError;

/// What an intact database contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseContents {
    /// The schema version.
    pub schema: usize,
    /// The number of users.
    pub users: u64,
    /// The number of sessions, including ended ones.
    pub sessions: u64,
}

/// The file of a database, for backups of it. Neither the file nor a connection is open.
#[derive(Clone, Debug)]
pub struct DatabaseFile {
    path: PathBuf,
}

impl DatabaseFile {
    /// The database in this file, which need not exist.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file in which a restore builds the database, before it gets its name. While this file exists and the
    /// database does not, no server opens or creates the database.
    pub fn restoring_path(&self) -> PathBuf {
        connect::restoring_path(&self.path)
    }

    /// Copies the current state of the database into the file `to` (mode 0600), which is on disk when this returns. An
    /// existing file `to` is replaced. Writers are not blocked. Deleted content is not copied.
    pub fn copy_to(&self, to: &Path) -> Result<(), StoreError> {
        let from = &self.path;
        let connection =
            Connection::open_with_flags(from, connect::OPEN_FLAGS).map_err(|e| connect::open_error(from, e))?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| connect::open_error(from, error))?;
        migrate::check(&connection, from, migrate::STEPS.len())?;
        snapshot::write(&connection, to).map_err(|problem| {
            StoreError::Unavailable(format!("cannot copy {} to {}: {problem}", from.display(), to.display()))
        })
    }

    /// Checks the whole database for damage and returns what it contains. No process may write to it meanwhile.
    pub fn examine(&self) -> Result<DatabaseContents, StoreError> {
        let path = &self.path;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let explained = |error| connect::open_error(path, error);
        let connection = Connection::open_with_flags(path, flags).map_err(explained)?;
        let schema = migrate::check(&connection, path, migrate::STEPS.len())?;
        let report: String =
            connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(explained)?;
        if report != "ok" {
            return Err(StoreError::Fault(format!("{} is damaged: {report}", path.display())));
        }
        if connection.prepare("PRAGMA foreign_key_check").and_then(|mut check| check.exists([])).map_err(explained)? {
            return Err(StoreError::Fault(format!("{} is damaged: a row refers to a missing row", path.display())));
        }
        let count = |table: &str| {
            let counted =
                connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
            counted.map(i64::unsigned_abs).map_err(explained)
        };
        Ok(DatabaseContents { schema, users: count("users")?, sessions: count("sessions")? })
    }
}
