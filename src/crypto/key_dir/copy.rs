//! The folder as a whole: copied under its lock, and put where there was none. A copy has what a start needs and no
//! more: no orphans, and no private halves that have ended.

use std::path::{Path, PathBuf};

use super::files::{self, LockMode};
use super::ring_file::{self, RingContents};
use super::{KeyDir, KeyDirError, NOT_COUNTED, SECRET};

impl KeyDir {
    /// The same, in another folder.
    #[must_use]
    pub fn with_path(&self, path: PathBuf) -> Self {
        let mut options = self.options.clone();
        options.path = path;
        Self { options, clock: self.clock.clone(), random: self.random.clone() }
    }

    /// Copies the folder into `to`, which is made (mode 0700). Returns the names of the files there, `ring.json` last.
    pub fn copy_to(&self, to: &Path) -> Result<Vec<String>, KeyDirError> {
        let lock = self.lock(LockMode::Read)?;
        let names = self.required_files()?;
        files::make_folder(to)?;
        files::make_private(to)?;
        for name in &names {
            files::replace(to, name, files::read(&self.path().join(name))?.expose())?;
        }
        drop(lock);
        Ok(names)
    }

    /// Makes this folder what `from` is. It must have no keys, or none but those: what a restoring that was cut off has
    /// left is gone on from.
    pub fn restore(&self, from: &Self) -> Result<(), KeyDirError> {
        let names = from.required_files()?;
        files::make_folder(self.path())?;
        self.check_restorable(from)?;
        files::make_private(self.path())?;
        let lock = files::lock(self.path(), LockMode::Write)?;
        self.check_restorable(from)?;
        for name in &names {
            files::replace(self.path(), name, files::read(&from.path().join(name))?.expose())?;
        }
        drop(lock);
        Ok(())
    }

    /// Refuses a folder that has anything but what the copy has.
    pub fn check_restorable(&self, from: &Self) -> Result<(), KeyDirError> {
        if !self.path().exists() {
            return Ok(());
        }
        for name in files::names(self.path())? {
            let counted = !NOT_COUNTED.contains(&name.as_str()) && !files::is_unfinished(&name);
            let same = || {
                let here = files::read(&self.path().join(&name));
                let there = files::read(&from.path().join(&name));
                matches!((here, there), (Ok(here), Ok(there)) if here.expose() == there.expose())
            };
            if counted && !same() {
                return Err(KeyDirError::Taken { folder: self.path().to_owned(), found: name });
            }
        }
        Ok(())
    }

    /// What a start needs. The ring's file is last.
    fn required_files(&self) -> Result<Vec<String>, KeyDirError> {
        let RingContents { schedule, .. } = self.contents()?;
        let now = self.clock.now();
        let kept = schedule.keys().iter().filter(|key| key.has_private_half(now));
        let mut names = vec![SECRET.to_owned()];
        names.extend(kept.map(|key| files::key_file(&key.kid)));
        names.push(ring_file::NAME.to_owned());
        Ok(names)
    }
}
