//! The manifest of a backup: its content, and the length and SHA-256 of each file. Without it, a folder is not a
//! complete backup.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::error::{BackupError, io};
use crate::domain::time::Timestamp;
use crate::keys::folder::ExaminedKeys;
use crate::private_files::give_to_owner_of;
use crate::store::DatabaseContents;

/// The file name of the copied database.
pub(super) const DATABASE: &str = "countersign.db";
/// The folder of the copied keys.
pub(super) const KEYS: &str = "keys";
/// The file name of the manifest.
const NAME: &str = "manifest.json";
/// The format version that this program writes. It reads no other version.
const VERSION: u32 = 1;

/// The manifest of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// When the copy began.
    pub made_at: Timestamp,
    /// The version of Countersign that made the backup.
    pub made_by: String,
    /// The schema version of the database.
    pub schema: usize,
    /// The number of users.
    pub users: u64,
    /// The number of sessions, including ended ones.
    pub sessions: u64,
    /// The number of keys, including retired ones.
    pub keys: usize,
    /// Whether every private key was opened and tested. Without the passphrase they were only copied.
    #[serde(default = "tested")]
    pub keys_tested: bool,
    /// Every file of the backup except the manifest.
    pub files: Vec<BackupFile>,
}

/// The value of `keys_tested` in manifests of versions that made no backup without the passphrase.
fn tested() -> bool {
    true
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// The path relative to the folder of the backup.
    pub name: String,
    /// The length in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in hexadecimal.
    pub sha256: String,
}

impl BackupFile {
    /// Reads the whole file, and returns its length and SHA-256.
    pub(super) fn read(folder: &Path, name: String) -> Result<Self, BackupError> {
        let path = folder.join(&name);
        let mut file = File::open(&path).map_err(io("open", &path))?;
        let mut hash = Context::new(&SHA256);
        let mut bytes = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    hash.update(&buffer[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(io("read", &path)(error)),
            }
        }
        let mut sha256 = String::with_capacity(64);
        for byte in hash.finish().as_ref() {
            let _ = write!(sha256, "{byte:02x}");
        }
        Ok(Self { name, bytes, sha256 })
    }
}

impl Manifest {
    pub(super) fn new(
        made_at: Timestamp,
        contents: DatabaseContents,
        keys: ExaminedKeys,
        files: Vec<BackupFile>,
    ) -> Self {
        let made_by = env!("CARGO_PKG_VERSION").to_owned();
        let DatabaseContents { schema, users, sessions } = contents;
        let ExaminedKeys { keys, tested: keys_tested } = keys;
        Self { version: VERSION, made_at, made_by, schema, users, sessions, keys, keys_tested, files }
    }

    /// Writes the manifest and syncs it to disk.
    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let path = folder.join(NAME);
        let json = serde_json::to_vec_pretty(self).map_err(|error| io("write", &path)(error.into()))?;
        let opened = File::options().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = opened.map_err(io("create", &path))?;
        give_to_owner_of(folder, &file).map_err(io("change the owner of", &path))?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(io("write", &path))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("write", folder))
    }

    /// Reads the manifest of a folder, and compares every file with it.
    pub(super) fn check(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(NAME);
        let text = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => BackupError::NoManifest(folder.to_owned()),
            _ => io("read", &path)(error),
        })?;
        let damaged = |path: &Path, what: String| BackupError::Damaged { path: path.to_owned(), what };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| damaged(&path, error.to_string()))?;
        if manifest.version != VERSION {
            let what = format!("the manifest has version {}, but this program reads only version 1", manifest.version);
            return Err(damaged(&path, what));
        }
        for listed in &manifest.files {
            if !is_backup_file(&listed.name) {
                let what = format!("the manifest lists {:?}, which is not a file of a backup", listed.name);
                return Err(damaged(&path, what));
            }
            let actual = BackupFile::read(folder, listed.name.clone())?;
            if actual != *listed {
                return Err(damaged(&folder.join(&listed.name), "the content differs from the manifest".to_owned()));
            }
        }
        if !manifest.files.iter().any(|listed| listed.name == DATABASE) {
            return Err(damaged(&path, "the manifest lists no database".to_owned()));
        }
        Ok(manifest)
    }
}

/// Whether `name` is the database or a file directly in the folder of keys. Other paths are rejected, because an
/// attacker may have written the manifest.
fn is_backup_file(name: &str) -> bool {
    let parts: Vec<_> = Path::new(name).components().collect();
    match parts[..] {
        [Component::Normal(database)] => database == DATABASE,
        [Component::Normal(keys), Component::Normal(_)] => keys == KEYS,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_paths_stay_inside_the_backup() {
        assert!(is_backup_file("countersign.db") && is_backup_file("keys/ring.json"));
        for name in ["", "/etc/passwd", "../x", "keys/../../x", "keys", "keys/a/b", "other.db", "keys/.."] {
            assert!(!is_backup_file(name), "{name}");
        }
    }
}
