//! The first start: creates the secret and the first keys.

use std::sync::Arc;
use std::time::Duration;

use super::error::KeyFolderError;
use super::files;
use super::key_folder::{KeyFolder, SECRET};
use super::ring_file;
use crate::crypto::derive::DerivedKeys;
use crate::crypto::ring_contents::RingContents;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyPolicy};
use crate::domain::secret::SecretBytes;
use crate::keys::error::KeySourceError;
use crate::keys::new_key::NewKey;

/// The policy for first keys. A first key has no predecessor, so all durations are unused.
const NO_PREDECESSOR: KeyPolicy = KeyPolicy {
    publish_ahead: Duration::ZERO,
    jwks_max_age: Duration::ZERO,
    longest_access: Duration::ZERO,
    leeway: Duration::ZERO,
    promised_until: None,
};

impl KeyFolder {
    /// If the folder is empty or a first start was interrupted, generates one active key for each configured
    /// algorithm, and returns them. If another process does so at the same time, returns its keys. In a folder that has
    /// a ring with keys, or a ring that cannot be read, it creates nothing.
    ///
    /// It never overwrites a private half, and the secret only to encrypt it with a passphrase that was set later. If
    /// that fails, for example on a read-only file system, [`KeyFolder::load`] warns or reports the error.
    ///
    /// # Errors
    /// The folder has other files but no `ring.json`, or the keys cannot be written.
    pub fn create(&self) -> Result<Vec<Key>, KeySourceError> {
        if self.options.check_modes && self.path().exists() {
            files::remove_group_access(self.path())?;
        }
        if !matches!(self.contents(), Err(KeyFolderError::Empty(_))) {
            let _ = self.encrypt_secret();
            return Ok(Vec::new());
        }
        files::make_folder(self.path())?;
        self.check_empty()?;
        let _lock = self.lock_new_folder()?;
        match ring_file::read(self.path(), self.options.check_modes) {
            // Another process has created the first keys since the folder was found empty.
            Ok(contents) if !contents.schedule.keys().is_empty() => return Ok(contents.schedule.keys().to_vec()),
            Ok(_) => {}
            Err(KeyFolderError::Empty(_)) => self.check_empty()?,
            Err(error) => return Err(error.into()),
        }
        self.create_files()
    }

    /// Generates the secret and the first keys, and then writes them. It writes an empty `ring.json` first. After an
    /// interruption, this file shows that the other files are from an unfinished first start and not from a key folder
    /// whose `ring.json` was lost.
    ///
    /// It generates keys under the lock: other processes cannot use the folder before its keys exist.
    fn create_files(&self) -> Result<Vec<Key>, KeySourceError> {
        let now = self.clock.now();
        let generate = |alg: &Algorithm| {
            let new_key = NewKey::generate(*alg, &self.options.new_keys, now)?;
            let pem = self.to_pem(&new_key)?;
            Ok::<_, KeySourceError>((*alg, new_key, pem))
        };
        let new_keys = self.options.new_keys.algorithms.iter().map(generate).collect::<Result<Vec<_>, _>>()?;
        let mut contents = RingContents::default();
        ring_file::write(self.path(), &contents)?;
        if self.path().join(SECRET).exists() {
            self.encrypt_secret_under_lock()?;
        } else {
            let mut secret = vec![0; DerivedKeys::SECRET_LENGTH];
            self.random.fill(&mut secret);
            let text = self.secret_text(&SecretBytes::new(secret), self.options.passphrase.as_ref())?;
            files::replace(self.path(), SECRET, text.expose())?;
        }
        for (alg, new_key, pem) in new_keys {
            self.write_private_half(&new_key, &pem)?;
            let plan = contents.schedule.plan_rotation(alg, true);
            contents.schedule.rotate(&plan, new_key.kid().clone(), now, &NO_PREDECESSOR)?;
            contents.publics.insert(new_key.kid().clone(), Arc::new(new_key.public));
        }
        ring_file::write(self.path(), &contents)?;
        Ok(contents.schedule.keys().to_vec())
    }
}
