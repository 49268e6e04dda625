//! The database and the keys that a backup contains.

use std::path::Path;

use super::error::BackupError;
use super::manifest::{DATABASE, KEYS};
use crate::keys::folder::KeyFolder;
use crate::store::{DatabaseContents, DatabaseFile};

/// An issuer's database and keys.
#[derive(Debug)]
pub struct BackupSource<'a> {
    /// The database.
    pub database: &'a DatabaseFile,
    /// The folder of keys.
    pub keys: &'a KeyFolder,
}

/// Verifies the database and the keys of a backup. SQLite checks the database; every key that is still needed is opened
/// and tested by signing and verifying once.
///
/// Returns the contents of the database and the number of keys.
pub(super) fn examine(folder: &Path, keys: &KeyFolder) -> Result<(DatabaseContents, usize), BackupError> {
    let contents = DatabaseFile::new(&folder.join(DATABASE)).examine()?;
    let ring = keys.with_path(folder.join(KEYS)).load()?.ring;
    Ok((contents, ring.schedule().keys().len()))
}
