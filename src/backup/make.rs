//! Makes a backup while servers run.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::{BackupError, io};
use super::manifest::{BackupFile, DATABASE, KEYS, Manifest};
use super::source::{BackupSource, examine};
use crate::domain::time::Timestamp;
use crate::private_files;

impl BackupSource<'_> {
    /// Copies the database and the keys into `folder`, and verifies the copies. `folder` must be empty or must not
    /// exist. When this returns, the copies are synced to disk.
    pub fn back_up(&self, folder: &Path, now: Timestamp) -> Result<Manifest, BackupError> {
        make_folder(folder)?;
        let result = self.copy_into(folder, now);
        if result.is_err() {
            // An incomplete copy is useless, and the next attempt requires an empty folder. This call created all the
            // files.
            let _ = fs::remove_file(folder.join(DATABASE));
            let _ = fs::remove_dir_all(folder.join(KEYS));
        }
        result
    }

    fn copy_into(&self, folder: &Path, now: Timestamp) -> Result<Manifest, BackupError> {
        self.database.copy_to(&folder.join(DATABASE))?;
        let keys = self.keys.copy_to(&folder.join(KEYS))?;
        let names = keys.into_iter().map(|name| format!("{KEYS}/{name}"));
        let names = names.chain([DATABASE.to_owned()]);
        let files = names.map(|name| BackupFile::read(folder, name)).collect::<Result<_, _>>()?;
        let (contents, keys) = examine(folder, self.keys)?;
        // Opening the copied keys created a lock file, which does not belong to the backup.
        let _ = fs::remove_file(folder.join(KEYS).join(".lock"));
        let manifest = Manifest::new(now, contents, keys, files);
        manifest.write(folder)?;
        Manifest::check(folder)
    }
}

/// Creates the folder, accessible only to its owner. An existing folder must be empty.
fn make_folder(folder: &Path) -> Result<(), BackupError> {
    match fs::read_dir(folder).map(Iterator::count) {
        Ok(entries) if entries > 0 => return Err(BackupError::NotEmpty(folder.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            private_files::create_folder(folder).map_err(io("create the folder", folder))?;
        }
        Err(error) => return Err(io("read", folder)(error)),
    }
    private_files::make_private(folder).map_err(io("set the mode of", folder))
}
