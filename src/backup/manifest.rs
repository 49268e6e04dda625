//! The list that makes a folder a backup: what is in it, how large, and the SHA-256 of each.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{BackupError, DATABASE, KEYS, io};
use crate::domain::time::Timestamp;
use crate::store::sqlite::copy::DatabaseContents;

/// The list's name.
const NAME: &str = "manifest.json";
/// The form that is written, and the only one that is read.
const VERSION: u32 = 1;

/// The list of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// When the copying began.
    pub made_at: Timestamp,
    /// The version of this program that made it.
    pub made_by: String,
    /// The schema of the database.
    pub schema: usize,
    /// How many users there are.
    pub users: u64,
    /// How many sessions, ended ones too.
    pub sessions: u64,
    /// How many keys, retired ones too.
    pub keys: usize,
    /// Every file of it but this one.
    pub files: Vec<BackupFile>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// Its path within the folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Of what is in it, in hexadecimal.
    pub sha256: String,
}

impl BackupFile {
    /// Reads a file all through.
    pub(super) fn read(folder: &Path, name: String) -> Result<Self, BackupError> {
        let path = folder.join(&name);
        let mut file = File::open(&path).map_err(io("open", &path))?;
        let mut sum = Context::new(&SHA256);
        let mut bytes = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    sum.update(&buffer[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(io("read", &path)(error)),
            }
        }
        let mut sha256 = String::with_capacity(64);
        for byte in sum.finish().as_ref() {
            let _ = write!(sha256, "{byte:02x}");
        }
        Ok(Self { name, bytes, sha256 })
    }
}

impl Manifest {
    pub(super) fn new(made_at: Timestamp, holds: DatabaseContents, keys: usize, files: Vec<BackupFile>) -> Self {
        let made_by = env!("CARGO_PKG_VERSION").to_owned();
        let DatabaseContents { schema, users, sessions } = holds;
        Self { version: VERSION, made_at, made_by, schema, users, sessions, keys, files }
    }

    /// Writes the list, and waits until it is on the disk.
    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let path = folder.join(NAME);
        let json = serde_json::to_vec_pretty(self).map_err(|error| io("write", &path)(error.into()))?;
        let opened = File::options().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = opened.map_err(io("make", &path))?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(io("write", &path))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("write", folder))
    }

    /// Reads a folder's list, and every file on it.
    pub(super) fn check(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(NAME);
        let text = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => BackupError::NoManifest(folder.to_owned()),
            _ => io("read", &path)(error),
        })?;
        let damaged = |path: &Path, what: String| BackupError::Damaged { path: path.to_owned(), what };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| damaged(&path, error.to_string()))?;
        if manifest.version != VERSION {
            return Err(damaged(&path, format!("it has version {}, and this program knows 1", manifest.version)));
        }
        for listed in &manifest.files {
            if !is_ours(&listed.name) {
                return Err(damaged(&path, format!("it lists {:?}, which no backup has", listed.name)));
            }
            let found = BackupFile::read(folder, listed.name.clone())?;
            if found != *listed {
                return Err(damaged(&folder.join(&listed.name), "it is not what was written".to_owned()));
            }
        }
        if !manifest.files.iter().any(|listed| listed.name == DATABASE) {
            return Err(damaged(&path, "it lists no database".to_owned()));
        }
        Ok(manifest)
    }
}

/// The database, or a file right in the folder of keys: a list may come from anywhere.
fn is_ours(name: &str) -> bool {
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
        assert!(is_ours("countersign.db") && is_ours("keys/ring.json"));
        for name in ["", "/etc/passwd", "../x", "keys/../../x", "keys", "keys/a/b", "other.db", "keys/.."] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
