//! Copies a key folder under its lock, and restores a copy. A copy has only the files that a start needs: no orphaned
//! files, and no private halves of keys that have stopped signing.

use std::path::{Path, PathBuf};

use super::error::KeyFolderError;
use super::files::{self, LockMode};
use super::key_folder::{IGNORED_NAMES, KeyFolder, SECRET};
use super::ring_file;
use crate::domain::secret::SecretBytes;

/// The result of [`KeyFolder::examine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExaminedKeys {
    /// The number of keys, including retired ones.
    pub keys: usize,
    /// Whether every private half that is still needed was opened, and has signed once.
    pub tested: bool,
}

impl KeyFolder {
    /// A key folder with the same options at another path.
    #[must_use]
    pub fn with_path(&self, path: PathBuf) -> Self {
        let mut options = self.options.clone();
        options.path = path;
        Self { options, clock: self.clock.clone(), random: self.random.clone() }
    }

    /// Copies the files into the folder `to`, which it creates with mode 0700. The copy of the secret is encrypted if
    /// there is a passphrase. Returns the names of the files, `ring.json` last.
    pub fn copy_to(&self, to: &Path) -> Result<Vec<String>, KeyFolderError> {
        let lock = self.lock(LockMode::Read)?;
        self.check_no_renewal()?;
        let names = self.required_files()?;
        files::make_folder(to)?;
        self.with_path(to.to_owned()).make_private()?;
        for name in &names {
            files::replace(to, name, self.copied_content(name)?.expose())?;
        }
        drop(lock);
        Ok(names)
    }

    /// Restores the folder from the copy `from`. The folder may contain only files that are equal in the copy, so that
    /// an interrupted restore can be repeated, and files of an interrupted first start, which no one has used.
    pub fn restore(&self, from: &Self) -> Result<(), KeyFolderError> {
        let names = from.required_files()?;
        files::make_folder(self.path())?;
        self.check_restorable(from)?;
        let lock = self.lock_new_folder()?;
        self.check_restorable(from)?;
        if self.is_unfinished_start() {
            for name in files::names(self.path())?.iter().filter(|name| files::key_name(name).is_some()) {
                files::remove(&self.path().join(name))?;
            }
        }
        for name in &names {
            files::replace(self.path(), name, from.copied_content(name)?.expose())?;
        }
        drop(lock);
        Ok(())
    }

    /// Opens and tests every key as [`KeyFolder::load`] does. If the files are encrypted and no passphrase is configured,
    /// checks only that they exist and are encrypted.
    pub fn examine(&self) -> Result<ExaminedKeys, KeyFolderError> {
        match self.load() {
            Err(error) if error.needs_passphrase() => {}
            loaded => return Ok(ExaminedKeys { keys: loaded?.ring.schedule().keys().len(), tested: true }),
        }
        let unless_encrypted = |opened: Result<(), KeyFolderError>| match opened {
            Err(error) if error.needs_passphrase() => Ok(()),
            opened => opened,
        };
        unless_encrypted(self.secret_file().map(drop))?;
        let schedule = self.schedule()?;
        let now = self.clock.now();
        for key in schedule.keys().iter().filter(|key| key.has_private_half(now)) {
            unless_encrypted(self.private_half(&key.kid).map(drop))?;
        }
        Ok(ExaminedKeys { keys: schedule.keys().len(), tested: false })
    }

    /// Rejects a folder with files that the copy does not have or has with other content.
    pub fn check_restorable(&self, from: &Self) -> Result<(), KeyFolderError> {
        if !self.path().exists() {
            return Ok(());
        }
        let is_unfinished_start = self.is_unfinished_start();
        for name in files::names(self.path())? {
            let is_of_start = name == SECRET || name == ring_file::NAME || files::key_name(&name).is_some();
            let is_ignored = IGNORED_NAMES.contains(&name.as_str()) || files::is_unfinished(&name);
            let is_counted = !(is_ignored || is_unfinished_start && is_of_start);
            let is_same = || {
                // An encrypted copy of the same secret differs.
                if name == SECRET
                    && let (Ok(existing), Ok(copied)) = (self.secret_file(), from.secret_file())
                {
                    return existing.secret.expose() == copied.secret.expose();
                }
                let existing = self.read_file(&self.path().join(&name));
                let copied = from.read_file(&from.path().join(&name));
                matches!((existing, copied), (Ok(existing), Ok(copied)) if existing.expose() == copied.expose())
            };
            if is_counted && !is_same() {
                return Err(KeyFolderError::NotRestorable { folder: self.path().to_owned(), found: name });
            }
        }
        Ok(())
    }

    /// Whether a first start was interrupted before the ring listed its keys.
    fn is_unfinished_start(&self) -> bool {
        let ring = ring_file::read(self.path(), self.options.check_modes);
        ring.is_ok_and(|contents| contents.schedule.keys().is_empty())
    }

    fn copied_content(&self, name: &str) -> Result<SecretBytes, KeyFolderError> {
        if name == SECRET { self.secret_for_copy() } else { self.read_file(&self.path().join(name)) }
    }

    /// The names of the files that a start needs, `ring.json` last.
    fn required_files(&self) -> Result<Vec<String>, KeyFolderError> {
        let schedule = self.contents()?.schedule;
        let now = self.clock.now();
        let with_private_half = schedule.keys().iter().filter(|key| key.has_private_half(now));
        let mut names = vec![SECRET.to_owned()];
        names.extend(with_private_half.map(|key| files::key_file(&key.kid)));
        names.push(ring_file::NAME.to_owned());
        Ok(names)
    }
}
