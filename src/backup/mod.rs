//! Backups: the database and the keys together, in a new folder with a list of sums, looked through before anyone
//! relies on them; and the way back. Knows neither SQL nor what is in a key's file.
//!
//! The database is copied first and the ring after it, so that no session is in the copy whose key is not. The list is
//! written last: a folder without one is no backup.

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

/// The copy of the database.
const DATABASE: &str = "countersign.db";
/// The folder of the keys' copies.
const KEYS: &str = "keys";

/// What is copied: where an issuer's database and keys are.
#[derive(Debug)]
pub struct BackupSource<'a> {
    /// The database's file.
    pub database: &'a Path,
    /// The folder of keys.
    pub keys: &'a KeyDir,
}

/// Why a backup could not be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refused.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as an infinitive.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A backup gets a folder of its own.
    #[error("{} is not empty: name a new folder", .0.display())]
    NotEmpty(PathBuf),
    /// No list in it.
    #[error("{} has no manifest.json: it is no backup, or one that was cut off", .0.display())]
    NoManifest(PathBuf),
    /// It is not what was written.
    #[error("{}: {what}: this backup can't be used", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Something is where the database is to be restored.
    #[error("{} exists, and nothing is overwritten: move it away first, with its -wal and -shm", .0.display())]
    Exists(PathBuf),
    /// A server would not know its database again.
    #[error("a server runs on {}: stop it first", .0.display())]
    Served(PathBuf),
    /// The database's part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys' part.
    #[error(transparent)]
    Keys(#[from] KeyDirError),
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { doing, path, source }
}

/// Looks through a backup's two parts: SQLite finds the database in order, and every key opens, signs and verifies.
fn examine(folder: &Path, keys: &KeyDir) -> Result<(copy::DatabaseContents, usize), BackupError> {
    let holds = copy::examine(&folder.join(DATABASE))?;
    let ring = keys.with_path(folder.join(KEYS)).open()?;
    Ok((holds, ring.schedule().keys().len()))
}
