//! Restores a backup. The whole backup is verified before a database or key file is written, and no existing database
//! or key file is overwritten.
//!
//! The database is written first, under a temporary name in its folder. While this temporary file exists and the
//! database does not, no server opens or creates a database. Then the keys are written, and at the end the database is
//! renamed. A server therefore never uses the result of an interrupted restore, and repeating the command completes it.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::{BackupError, io};
use super::manifest::{BackupFile, DATABASE, KEYS, Manifest};
use super::source::{BackupSource, examine};
use crate::keys::folder::ExaminedKeys;
use crate::private_files::{create_folder, give_to_owner_of};
use crate::store::serving;

impl BackupSource<'_> {
    /// Restores the database and the keys of the backup in `folder`. Also returns whether the keys were tested.
    pub fn restore(&self, folder: &Path) -> Result<(Manifest, ExaminedKeys), BackupError> {
        let manifest = Manifest::check(folder)?;
        examine(folder, self.keys)?;
        let into = parent(self.database.path());
        create_folder(&into).map_err(io("create the folder", &into))?;
        let lock = serving::lock_exclusive(self.database.path());
        let lock = lock.map_err(io("lock", &serving::lock_path(self.database.path())))?;
        let Some(_exclusive) = lock else {
            return Err(BackupError::Served(self.database.path().to_owned()));
        };
        let is_restored = self.is_database_restored(&manifest)?;
        let from = self.keys.with_path(folder.join(KEYS));
        self.keys.check_restorable(&from)?;
        if !is_restored {
            self.copy_database(folder, &manifest)?;
        }
        self.keys.restore(&from)?;
        let keys = self.keys.examine()?;
        if !is_restored {
            let unfinished = self.database.restoring_path();
            let into = parent(self.database.path());
            fs::rename(&unfinished, self.database.path()).map_err(io("rename the copy to", self.database.path()))?;
            File::open(&into).and_then(|folder| folder.sync_all()).map_err(io("write", &into))?;
        }
        Ok((manifest, keys))
    }

    /// Whether an earlier restore of this backup has already placed the database. Returns an error if another database
    /// exists. Also returns an error if a `-wal`, `-shm` or `-journal` file exists, because SQLite would use that file
    /// with the restored database.
    fn is_database_restored(&self, manifest: &Manifest) -> Result<bool, BackupError> {
        for suffix in ["-wal", "-shm", "-journal"] {
            let leftover = with_suffix(self.database.path(), suffix);
            if leftover.exists() {
                return Err(BackupError::Exists(leftover));
            }
        }
        if !self.database.path().exists() {
            return Ok(false);
        }
        if matches_manifest(self.database.path(), manifest)? {
            Ok(true)
        } else {
            Err(BackupError::Exists(self.database.path().to_owned()))
        }
    }

    /// Copies the database under a temporary name, syncs it to disk, and compares it with the manifest.
    fn copy_database(&self, folder: &Path, manifest: &Manifest) -> Result<(), BackupError> {
        let from = folder.join(DATABASE);
        let to = self.database.restoring_path();
        let into = parent(self.database.path());
        let mut source = File::open(&from).map_err(io("open", &from))?;
        let created = File::options().write(true).create(true).truncate(true).mode(0o600).open(&to);
        let mut copy = created.map_err(io("create", &to))?;
        give_to_owner_of(&into, &copy).map_err(io("change the owner of", &to))?;
        let copied = std::io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all());
        copied.map_err(io("write", &to))?;
        if !matches_manifest(&to, manifest)? {
            return Err(BackupError::Damaged { path: to, what: "the copy differs from the backup".to_owned() });
        }
        File::open(&into).and_then(|folder| folder.sync_all()).map_err(io("write", &into))
    }
}

/// Whether a file has the SHA-256 of the database in the manifest.
fn matches_manifest(file: &Path, manifest: &Manifest) -> Result<bool, BackupError> {
    let actual = BackupFile::read(Path::new(""), file.to_string_lossy().into_owned())?;
    Ok(manifest.files.iter().any(|listed| listed.name == DATABASE && listed.sha256 == actual.sha256))
}

/// Returns the folder of a file.
fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
