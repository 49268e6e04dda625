//! The mark of a server on its database's folder: a lock that many servers share, that a restoring wants alone, and that
//! the system gives back however a process ends.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::restore::parent;
use super::{BackupError, io};

const NAME: &str = ".countersign-serving";

/// Says that a server runs on that database until the value is dropped.
pub fn mark(database: &Path) -> Result<File, BackupError> {
    let file = open(database)?;
    file.lock_shared().map_err(io("lock", &parent(database).join(NAME)))?;
    Ok(file)
}

/// Keeps servers away from that database until the value is dropped; None where one runs.
pub(super) fn exclude(database: &Path) -> Result<Option<File>, BackupError> {
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
    opened.map_err(io("open", &path))
}
