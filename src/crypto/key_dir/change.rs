//! Changes of the key folder.
//!
//! A change that adds or revokes keys is planned, and new keys are generated, without the lock. Under the lock, the
//! ring is read again, and the plan is rejected or applied. Then the change writes private halves first and the ring
//! second, and removes the private halves that the ring no longer needs.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::files::{self, LockMode};
use super::ring_file::RingContents;
use super::{KeyDir, KeyDirError, NewKey, read_pair};
use crate::crypto::key_ring::KeyRing;
use crate::crypto::pem;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyChangeError, KeyPolicy, Kid, RotationPlan};
use crate::domain::secret::{SecretBytes, SecretText};
use crate::domain::time::Timestamp;

/// The result of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    /// The revoked key.
    pub key: Key,
    /// The key that signs from now on, if the revoked key was the active one.
    pub successor: Option<Key>,
}

/// The key folder under the write lock.
struct LockedKeyDir<'a> {
    dir: &'a KeyDir,
    contents: RingContents,
    now: Timestamp,
    _lock: Option<File>,
}

impl KeyDir {
    /// Adds a new key for `alg`, or for every algorithm in the ring if `alg` is `None`.
    ///
    /// The key signs after `policy.lead_time()`. It signs at once with `at_once` or if no key is active. Returns the
    /// new keys with their dates.
    pub fn rotate(&self, alg: Option<Algorithm>, at_once: bool, policy: &KeyPolicy) -> Result<Vec<Key>, KeyDirError> {
        let schedule = self.contents()?.schedule;
        let algorithms = alg.map_or_else(|| schedule.algorithms().collect(), |alg| vec![alg]);
        let plans = algorithms.into_iter().map(|alg| schedule.plan_rotation(alg, at_once));
        self.add_keys(
            plans.map(|plan| Ok((self.generate_key(plan.alg)?, plan))).collect::<Result<_, KeyDirError>>()?,
            policy,
        )
    }

    /// Rotates the keys that are due, so that no key signs longer than `rotate_every`, or than `policy.lead_time()` if
    /// that is longer. It is cheap while no key is due. If another process has rotated meanwhile, it does nothing and
    /// returns no keys.
    pub fn rotate_due(
        &self,
        ring: &KeyRing,
        rotate_every: Duration,
        policy: &KeyPolicy,
    ) -> Result<Vec<Key>, KeyDirError> {
        let schedule = ring.schedule();
        let due = schedule.due(self.clock.now(), rotate_every, policy);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let plans = due.into_iter().map(|alg| schedule.plan_rotation(alg, false));
        let planned = plans.map(|plan| Ok((self.generate_key(plan.alg)?, plan))).collect::<Result<_, KeyDirError>>()?;
        match self.add_keys(planned, policy) {
            Err(KeyDirError::RejectedChange(KeyChangeError::RingChanged)) => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    /// Imports a private key (PKCS#8, PKCS#1 or SEC1 in PEM; `passphrase` decrypts an encrypted one). It is scheduled
    /// as in a rotation.
    pub fn import(
        &self,
        pem: &SecretBytes,
        passphrase: Option<&SecretText>,
        at_once: bool,
        policy: &KeyPolicy,
    ) -> Result<Key, KeyDirError> {
        let (pair, _) = read_pair(pem, passphrase).map_err(KeyDirError::Import)?;
        let plan = self.contents()?.schedule.plan_rotation(pair.public().alg(), at_once);
        let mut keys = self.add_keys(vec![(self.prepare_key(&pair)?, plan)], policy)?;
        keys.pop().ok_or(KeyDirError::RejectedChange(KeyChangeError::RingChanged))
    }

    /// Revokes the key whose `kid` begins with `prefix` (at least 4 characters). The key leaves the JWKS at once and
    /// its private half is removed. If it was active, the next key signs at once, or a new key if there is no next one.
    pub fn revoke(&self, prefix: &str, policy: &KeyPolicy) -> Result<RevokedKey, KeyDirError> {
        let plan = self.contents()?.schedule.plan_revocation(prefix, self.clock.now())?;
        let replacement = plan.replacement.map(|alg| self.generate_key(alg)).transpose()?;
        let mut locked = self.lock_for_change()?;
        let kid = replacement.as_ref().map(|new_key| new_key.kid.clone());
        let successor = locked.contents.schedule.revoke(&plan, kid, locked.now, policy)?;
        // The replacement is not needed if another process has added a key meanwhile.
        if let Some(new_key) = replacement.filter(|new_key| locked.contents.schedule.get(&new_key.kid).is_some()) {
            locked.check_passphrase(Some(&plan.kid))?;
            locked.add_key(new_key)?;
        }
        locked.save()?;
        locked.remove_ended()?;
        let key = locked.contents.schedule.get(&plan.kid).cloned();
        Ok(RevokedKey { key: key.ok_or_else(|| KeyChangeError::Unknown(prefix.to_owned()))?, successor })
    }

    /// Removes revoked keys from the ring, and retired keys that no refresh token needs. Returns the removed keys.
    ///
    /// `needed_since` is the opening time of the oldest session that may have a signed refresh token. `None` means that
    /// no session has one.
    pub fn prune(&self, needed_since: Option<Timestamp>) -> Result<Vec<Key>, KeyDirError> {
        let mut locked = self.lock_for_change()?;
        locked.remove_ended()?;
        let removed = locked.contents.schedule.prune(locked.now, needed_since);
        if !removed.is_empty() {
            locked.save()?;
        }
        Ok(removed)
    }

    /// Re-encrypts every private half with another passphrase, or decrypts it if `new` is `None`. Later calls use the
    /// new passphrase. Returns the number of rewritten files.
    ///
    /// The change may be interrupted and repeated: files that have the new passphrase already are not changed. The
    /// caller must not call [`KeyDir::open`] before, because after an interrupted change no single passphrase opens all
    /// files.
    pub fn set_passphrase(&mut self, new: Option<SecretText>) -> Result<usize, KeyDirError> {
        let locked = self.lock_for_change()?;
        let mut rewritten = Vec::new();
        // All files are opened before the first is written, so that a wrong passphrase changes nothing.
        for kid in locked.kids_with_private_half() {
            let text = self.private_text(kid)?;
            let is_done = pem::read(text.expose(), new.as_ref()).is_ok_and(|opened| opened.encrypted == new.is_some());
            if !is_done {
                let (pair, _) = self.private_half(kid)?;
                let text =
                    pem::write(&pair.to_pkcs8_der()?, new.as_ref(), &self.random).map_err(KeyDirError::Encode)?;
                rewritten.push((kid, text));
            }
        }
        for (kid, text) in &rewritten {
            files::replace(self.path(), &files::key_file(kid), text.as_bytes())?;
        }
        let count = rewritten.len();
        drop(locked);
        self.options.passphrase = new;
        Ok(count)
    }

    /// Removes the private halves of keys that have stopped signing, and returns their `kid`s.
    ///
    /// The caller calls it about every second. While there is nothing to remove, it checks one path for each ended key.
    pub fn remove_ended_keys(&self, ring: &KeyRing) -> Result<Vec<Kid>, KeyDirError> {
        let now = self.clock.now();
        let mut ended = ring.schedule().keys().iter().filter(|key| !key.has_private_half(now));
        if ended.any(|key| self.pem_path(&key.kid).exists()) {
            self.lock_for_change()?.remove_ended()
        } else {
            Ok(Vec::new())
        }
    }

    fn add_keys(&self, planned: Vec<(NewKey, RotationPlan)>, policy: &KeyPolicy) -> Result<Vec<Key>, KeyDirError> {
        let mut locked = self.lock_for_change()?;
        locked.check_passphrase(None)?;
        let mut keys = Vec::new();
        for (new_key, plan) in &planned {
            keys.push(locked.contents.schedule.rotate(plan, new_key.kid.clone(), locked.now, policy)?);
        }
        for (new_key, _) in planned {
            locked.add_key(new_key)?;
        }
        locked.save()?;
        locked.remove_ended()?;
        Ok(keys)
    }

    fn lock_for_change(&self) -> Result<LockedKeyDir<'_>, KeyDirError> {
        let lock = self.lock(LockMode::Write)?;
        Ok(LockedKeyDir { dir: self, contents: self.contents()?, now: self.clock.now(), _lock: lock })
    }
}

impl LockedKeyDir<'_> {
    fn kids_with_private_half(&self) -> impl Iterator<Item = &Kid> {
        let with_private_half = self.contents.schedule.keys().iter().filter(|key| key.has_private_half(self.now));
        with_private_half.map(|key| &key.kid)
    }

    /// Checks that the passphrase opens an existing private half, ignoring the key `except`, which is to be removed.
    ///
    /// After `keys passphrase`, a server may still have the old passphrase. It must not write files that cannot be
    /// opened at the next start. Missing and damaged files are ignored, so that a new key can replace them.
    fn check_passphrase(&self, except: Option<&Kid>) -> Result<(), KeyDirError> {
        let mut is_wrong = false;
        for kid in self.kids_with_private_half().filter(|kid| Some(*kid) != except) {
            match self.dir.private_half(kid) {
                Ok(_) => return Ok(()),
                Err(KeyDirError::PrivateKey { problem, .. }) => is_wrong |= problem.is_passphrase(),
                Err(error) => return Err(error),
            }
        }
        if is_wrong { Err(KeyDirError::OtherPassphrase(self.dir.path().to_owned())) } else { Ok(()) }
    }

    fn add_key(&mut self, new_key: NewKey) -> Result<(), KeyDirError> {
        self.dir.write_private_half(&new_key)?;
        self.contents.publics.insert(new_key.kid, Arc::new(new_key.public));
        Ok(())
    }

    fn save(&self) -> Result<(), KeyDirError> {
        self.contents.write(self.dir.path())
    }

    /// Removes the private halves that the ring no longer needs. Orphaned files stay, because an operator may need
    /// them.
    fn remove_ended(&self) -> Result<Vec<Kid>, KeyDirError> {
        let mut removed = Vec::new();
        for key in self.contents.schedule.keys().iter().filter(|key| !key.has_private_half(self.now)) {
            if files::remove(&self.dir.pem_path(&key.kid))? {
                removed.push(key.kid.clone());
            }
        }
        if !removed.is_empty() {
            files::sync(self.dir.path())?;
        }
        Ok(removed)
    }
}
