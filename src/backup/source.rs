//! The database and the keys that a backup contains.

use std::path::Path;

use super::error::BackupError;
use super::manifest::{DATABASE, KEYS};
use crate::keys::folder::{ExaminedKeys, KeyFolder};
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
/// and tested by signing and verifying once, unless it is encrypted and no passphrase is configured.
pub(super) fn examine(folder: &Path, keys: &KeyFolder) -> Result<(DatabaseContents, ExaminedKeys), BackupError> {
    let contents = DatabaseFile::new(&folder.join(DATABASE)).examine()?;
    Ok((contents, keys.with_path(folder.join(KEYS)).examine()?))
}
