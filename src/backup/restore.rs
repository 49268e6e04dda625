//! The way back: everything is looked through before anything is written, and nothing is overwritten.
//!
//! The database comes first, under a name beside its own: while that is there and the database is not, no database is
//! opened or made. Then come the keys, and last the database gets its name. So what is cut off is never taken for a
//! whole, and can be gone on with.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{BackupError, BackupFile, BackupSource, DATABASE, KEYS, Manifest, examine, io, serving};
use crate::store::sqlite::copy;

impl BackupSource<'_> {
    /// Puts a backup's database and keys in place.
    pub fn restore(&self, folder: &Path) -> Result<Manifest, BackupError> {
        let manifest = Manifest::check(folder)?;
        examine(folder, self.keys)?;
        let into = parent(self.database);
        DirBuilder::new().recursive(true).mode(0o700).create(&into).map_err(io("make the folder", &into))?;
        let Some(_alone) = serving::exclude(self.database)? else {
            return Err(BackupError::Served(self.database.to_owned()));
        };
        let is_there = self.is_database_restored(&manifest)?;
        let from = self.keys.with_path(folder.join(KEYS));
        self.keys.check_restorable(&from)?;
        if !is_there {
            self.copy_database(folder, &manifest)?;
        }
        self.keys.restore(&from)?;
        self.keys.open()?;
        if !is_there {
            let unfinished = with_suffix(self.database, copy::RESTORING);
            let into = parent(self.database);
            fs::rename(&unfinished, self.database).map_err(io("put in place", self.database))?;
            File::open(&into).and_then(|folder| folder.sync_all()).map_err(io("write", &into))?;
        }
        Ok(manifest)
    }

    /// Whether this very database is in place already, from a restoring before. Another one must not be there, nor
    /// the log of one: SQLite would play it into ours.
    fn is_database_restored(&self, manifest: &Manifest) -> Result<bool, BackupError> {
        for suffix in ["-wal", "-shm", "-journal"] {
            let beside = with_suffix(self.database, suffix);
            if beside.exists() {
                return Err(BackupError::Exists(beside));
            }
        }
        if !self.database.exists() {
            return Ok(false);
        }
        if is_listed(self.database, manifest)? { Ok(true) } else { Err(BackupError::Exists(self.database.to_owned())) }
    }

    /// Copies the database under another name, waits until all of it is on the disk, and reads it once more.
    fn copy_database(&self, folder: &Path, manifest: &Manifest) -> Result<(), BackupError> {
        let from = folder.join(DATABASE);
        let to = with_suffix(self.database, copy::RESTORING);
        let into = parent(self.database);
        let mut source = File::open(&from).map_err(io("open", &from))?;
        let made = File::options().write(true).create(true).truncate(true).mode(0o600).open(&to);
        let mut copy = made.map_err(io("make", &to))?;
        let copied = std::io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all());
        copied.map_err(io("write", &to))?;
        if !is_listed(&to, manifest)? {
            return Err(BackupError::Damaged { path: to, what: "it is not what was copied".to_owned() });
        }
        File::open(&into).and_then(|folder| folder.sync_all()).map_err(io("write", &into))
    }
}

/// Whether a file is the database of the list, to the last byte.
fn is_listed(file: &Path, manifest: &Manifest) -> Result<bool, BackupError> {
    let found = BackupFile::read(Path::new(""), file.to_string_lossy().into_owned())?;
    Ok(manifest.files.iter().any(|listed| listed.name == DATABASE && listed.sha256 == found.sha256))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The folder a file is in.
pub(super) fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}
