//! The errors of backups.

use std::io;
use std::path::{Path, PathBuf};

use crate::keys::folder::error::KeyFolderError;
use crate::store::StoreError;

/// Why a backup could not be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file operation failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// The operation, as an infinitive.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The folder for the backup is not empty.
    #[error("{} is not empty; choose a new folder", .0.display())]
    NotEmpty(PathBuf),
    /// The folder has no manifest.
    #[error("{} has no manifest.json, so it is not a complete backup; use another backup", .0.display())]
    NoManifest(PathBuf),
    /// A file of the backup is damaged.
    #[error("{}: {what}; use another backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        what: String,
    },
    /// A file exists where the database is to be restored.
    #[error(
        "{} exists, and a restore never overwrites files; move the database and its -wal and -shm files away",
        .0.display()
    )]
    Exists(PathBuf),
    /// A server uses the database, which must not be replaced while it runs.
    #[error("a server uses {}; stop the server first", .0.display())]
    Served(PathBuf),
    /// An operation on the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An operation on the key folder failed.
    #[error(transparent)]
    Keys(#[from] KeyFolderError),
}

/// Adds the operation and the path to an error of the operating system.
pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { operation, path, source }
}
