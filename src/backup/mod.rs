//! Makes and restores backups: the database and the keys together, in a new folder with a manifest of checksums.
//!
//! A backup is verified before it is reported as complete. The database is copied before the key ring, so that the copy
//! contains the keys of all copied sessions. The manifest is written last; a folder without it is an incomplete backup.
//! This module contains no SQL and does not parse key files.

use std::io;
use std::path::{Path, PathBuf};

use crate::crypto::key_dir::{KeyDir, KeyDirError};
use crate::store::StoreError;
use crate::store::sqlite::copy;

mod make;
mod manifest;
mod restore;
pub mod serving;

pub use manifest::{BackupFile, Manifest};

/// The file name of the copied database.
const DATABASE: &str = "countersign.db";
/// The folder of the copied keys.
const KEYS: &str = "keys";

/// The paths of an issuer's database and keys.
#[derive(Debug)]
pub struct BackupSource<'a> {
    /// The file of the database.
    pub database: &'a Path,
    /// The folder of keys.
    pub keys: &'a KeyDir,
}

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
    Keys(#[from] KeyDirError),
}

fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { operation, path, source }
}

/// Verifies the database and the keys of a backup. SQLite checks the database; every key that is still needed is opened
/// and tested by signing and verifying once.
///
/// Returns the contents of the database and the number of keys.
fn examine(folder: &Path, keys: &KeyDir) -> Result<(copy::DatabaseContents, usize), BackupError> {
    let contents = copy::examine(&folder.join(DATABASE))?;
    let ring = keys.with_path(folder.join(KEYS)).open()?;
    Ok((contents, ring.schedule().keys().len()))
}
