//! Makes changes in the key folder.
//!
//! A change is planned, and new keys are generated, without the lock. Under the lock, the ring is read again, and the
//! plan is rejected or applied. Then private halves are written first and the ring second, and the private halves that
//! the ring no longer needs are removed.

use std::fs::File;

use zeroize::Zeroizing;

use super::error::KeyFolderError;
use super::files::{self, LockMode};
use super::key_folder::KeyFolder;
use super::ring_file;
use crate::crypto::key_ring::KeyRing;
use crate::crypto::pem;
use crate::crypto::ring_contents::RingContents;
use crate::domain::key::Kid;
use crate::domain::time::Timestamp;
use crate::keys::change::{AppliedChange, RingChange};
use crate::keys::error::KeySourceError;
use crate::keys::new_key::NewKey;

/// The key folder under the write lock.
pub(super) struct LockedKeyFolder<'a> {
    folder: &'a KeyFolder,
    contents: RingContents,
    now: Timestamp,
    _lock: Option<File>,
}

impl KeyFolder {
    /// Makes a change.
    pub fn apply(&self, change: RingChange) -> Result<AppliedChange, KeySourceError> {
        let prepared = change.prepare(&self.schedule()?, &self.options.new_keys, self.clock.now())?;
        let pems = prepared.new_keys.iter().map(|new_key| self.to_pem(new_key)).collect::<Result<Vec<_>, _>>()?;
        let mut locked = self.lock_for_change()?;
        let before: Vec<Kid> = locked.kids_with_private_half().cloned().collect();
        let applied = prepared.apply(&mut locked.contents.schedule, locked.now)?;
        // A replacement for a revoked key is not in the schedule if another process has added a key meanwhile.
        let added = prepared.new_keys.iter().zip(pems);
        let added: Vec<_> =
            added.filter(|(new_key, _)| locked.contents.schedule.get(new_key.kid()).is_some()).collect();
        if !added.is_empty() {
            self.check_passphrase(before.iter().filter(|kid| prepared.revokes() != Some(kid)))?;
        }
        for (new_key, pem) in added {
            self.write_private_half(new_key, &pem)?;
        }
        // Before the ring is written, because a file of a key that the ring does not list would be an orphan.
        for key in &applied.removed {
            files::remove(&self.pem_path(&key.kid))?;
        }
        let RingContents { schedule, publics } = &mut locked.contents;
        publics.extend(prepared.into_public_halves());
        publics.retain(|kid, _| schedule.get(kid).is_some());
        if !applied.is_empty() {
            ring_file::write(self.path(), &locked.contents)?;
        }
        locked.remove_ended()?;
        Ok(applied)
    }

    /// Removes the private halves of keys that have stopped signing, and returns their `kid`s.
    ///
    /// The caller calls it about every second. While there is nothing to remove, it checks one path for each ended key.
    pub fn delete_ended(&self, ring: &KeyRing) -> Result<Vec<Kid>, KeyFolderError> {
        let now = self.clock.now();
        let mut ended = ring.schedule().keys().iter().filter(|key| !key.has_private_half(now));
        if ended.any(|key| self.pem_path(&key.kid).exists()) {
            self.lock_for_change()?.remove_ended()
        } else {
            Ok(Vec::new())
        }
    }

    /// Encodes a private half as it is stored. Slow with a passphrase (scrypt), so the caller holds no lock.
    pub(super) fn to_pem(&self, new_key: &NewKey) -> Result<Zeroizing<String>, KeySourceError> {
        let pem = pem::write(&new_key.pair.to_pkcs8_der()?, self.options.passphrase.as_ref(), &self.random);
        pem.map_err(KeySourceError::Encode)
    }

    pub(super) fn write_private_half(&self, new_key: &NewKey, pem: &str) -> Result<(), KeyFolderError> {
        files::replace(self.path(), &files::key_file(new_key.kid()), pem.as_bytes())
    }

    pub(super) fn lock_for_change(&self) -> Result<LockedKeyFolder<'_>, KeyFolderError> {
        let lock = self.lock(LockMode::Write)?;
        Ok(LockedKeyFolder { folder: self, contents: self.contents()?, now: self.clock.now(), _lock: lock })
    }

    /// Checks that the passphrase opens one of these private halves.
    ///
    /// After `keys passphrase`, a server may still have the old passphrase. It must not write files that cannot be
    /// opened at the next start. Missing and damaged files are ignored, so that a new key can replace them.
    fn check_passphrase<'a>(&self, kids: impl Iterator<Item = &'a Kid>) -> Result<(), KeyFolderError> {
        let mut is_wrong = false;
        for kid in kids {
            match self.private_half(kid) {
                Ok(_) => return Ok(()),
                Err(KeyFolderError::PrivateKey { problem, .. }) => is_wrong |= problem.is_passphrase(),
                Err(error) => return Err(error),
            }
        }
        match (is_wrong, &self.options.passphrase) {
            (false, _) => Ok(()),
            (true, Some(_)) => Err(KeyFolderError::OtherPassphrase(self.path().to_owned())),
            (true, None) => Err(KeyFolderError::NoPassphrase(self.path().to_owned())),
        }
    }
}

impl LockedKeyFolder<'_> {
    pub(super) fn kids_with_private_half(&self) -> impl Iterator<Item = &Kid> {
        let with_private_half = self.contents.schedule.keys().iter().filter(|key| key.has_private_half(self.now));
        with_private_half.map(|key| &key.kid)
    }

    /// Removes the private halves that the ring no longer needs. Orphaned files stay, because an operator may need
    /// them.
    fn remove_ended(&self) -> Result<Vec<Kid>, KeyFolderError> {
        let mut removed = Vec::new();
        for key in self.contents.schedule.keys().iter().filter(|key| !key.has_private_half(self.now)) {
            if files::remove(&self.folder.pem_path(&key.kid))? {
                removed.push(key.kid.clone());
            }
        }
        if !removed.is_empty() {
            files::sync(self.folder.path())?;
        }
        Ok(removed)
    }
}
