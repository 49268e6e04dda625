//! The lock that shows that a server uses the database. It is a file in the folder of the database.
//!
//! Servers hold the lock shared. A restore, a renewal of the secret and a migration by a command hold it exclusively. The
//! operating system releases it when a process ends, even after a crash.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::private_files::give_to_owner_of;

const NAME: &str = ".countersign-serving";

/// Marks the database as used by a server, until the returned value is dropped. Blocks the thread while a restore holds
/// the lock.
///
/// # Errors
/// The file cannot be opened or locked.
pub fn lock_shared(database: &Path) -> io::Result<File> {
    let file = open(database)?;
    file.lock_shared()?;
    Ok(file)
}

/// Prevents servers from using the database, until the returned value is dropped. Returns `None` if a server uses it.
///
/// # Errors
/// The file cannot be opened or locked.
pub fn lock_exclusive(database: &Path) -> io::Result<Option<File>> {
    let file = open(database)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The path of the lock file.
pub fn lock_path(database: &Path) -> PathBuf {
    folder(database).join(NAME)
}

fn open(database: &Path) -> io::Result<File> {
    let path = lock_path(database);
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    give_to_owner_of(folder(database), &file)?;
    Ok(file)
}

fn folder(database: &Path) -> &Path {
    database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
