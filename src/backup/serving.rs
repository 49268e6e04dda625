//! The lock by which a restore detects that a server uses the database. It is a file in the folder of the database.
//!
//! Servers hold the lock shared, and a restore holds it exclusively. The operating system releases it when a process
//! ends, even after a crash.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::{BackupError, io};
use crate::private_files::give_to_owner_of;

const NAME: &str = ".countersign-serving";

/// Marks the database as used by a server, until the returned value is dropped. Blocks the thread while a restore holds
/// the lock.
pub fn lock_shared(database: &Path) -> Result<File, BackupError> {
    let file = open(database)?;
    file.lock_shared().map_err(io("lock", &parent(database).join(NAME)))?;
    Ok(file)
}

/// Prevents servers from using the database, until the returned value is dropped. Returns `None` if a server uses it.
pub fn lock_exclusive(database: &Path) -> Result<Option<File>, BackupError> {
    let file = open(database)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(io("lock", &parent(database).join(NAME))(error)),
    }
}

fn open(database: &Path) -> Result<File, BackupError> {
    let path = parent(database).join(NAME);
    let opened = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(io("open", &path))?;
    give_to_owner_of(&parent(database), &file).map_err(io("change the owner of", &path))?;
    Ok(file)
}

/// Returns the folder of a file.
pub(super) fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}
