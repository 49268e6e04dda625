//! How the folder changes: plan without the lock, make keys without the lock, then under it read the ring again, let
//! the plan be refused or applied, and write: private halves first, then the ring, then remove what the ring let go.

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

/// What a revocation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    /// The key that is out.
    pub key: Key,
    /// The key that signs in its stead from now on, if it was the one that signed.
    pub successor: Option<Key>,
}

/// The folder while nobody else may change it.
struct LockedKeyDir<'a> {
    dir: &'a KeyDir,
    contents: RingContents,
    now: Timestamp,
    _lock: Option<File>,
}

impl KeyDir {
    /// Gives `alg` (none: every algorithm in the ring) a new key, which signs `policy.ahead()` from now or `at_once`;
    /// at once, too, where no key is active. Returns the new keys with their dates.
    pub fn rotate(&self, alg: Option<Algorithm>, at_once: bool, policy: &KeyPolicy) -> Result<Vec<Key>, KeyDirError> {
        let schedule = self.contents()?.schedule;
        let algorithms = alg.map_or_else(|| schedule.algorithms().collect(), |alg| vec![alg]);
        let plans = algorithms.into_iter().map(|alg| schedule.plan_rotation(alg, at_once));
        self.add_keys(plans.map(|plan| Ok((self.make(plan.alg)?, plan))).collect::<Result<_, KeyDirError>>()?, policy)
    }

    /// Rotates what is due, so that no key signs longer than `rotate_every`. Costs nothing while nothing is due; if
    /// another process was quicker, that is none of our business, and nothing is done.
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
        let fresh = plans.map(|plan| Ok((self.make(plan.alg)?, plan))).collect::<Result<_, KeyDirError>>()?;
        match self.add_keys(fresh, policy) {
            Err(KeyDirError::Refused(KeyChangeError::RingChanged)) => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    /// Brings one's own key in (PKCS#8, PKCS#1 or SEC1 in PEM; `passphrase` opens an encrypted one), scheduled as a
    /// rotation is.
    pub fn import(
        &self,
        pem: &SecretBytes,
        passphrase: Option<&SecretText>,
        at_once: bool,
        policy: &KeyPolicy,
    ) -> Result<Key, KeyDirError> {
        let (pair, _) = read_pair(pem, passphrase).map_err(KeyDirError::Import)?;
        let plan = self.contents()?.schedule.plan_rotation(pair.public().alg(), at_once);
        let mut keys = self.add_keys(vec![(self.prepare(&pair)?, plan)], policy)?;
        keys.pop().ok_or(KeyDirError::Refused(KeyChangeError::RingChanged))
    }

    /// Revokes the key whose name begins with `prefix` (at least four characters): out of the JWKS at once, its private
    /// half removed. If it was active, the waiting key signs at once, or else a new one.
    pub fn revoke(&self, prefix: &str, policy: &KeyPolicy) -> Result<RevokedKey, KeyDirError> {
        let plan = self.contents()?.schedule.plan_revocation(prefix, self.clock.now())?;
        let replacement = plan.replacement.map(|alg| self.make(alg)).transpose()?;
        let mut locked = self.lock_for_change()?;
        let kid = replacement.as_ref().map(|fresh| fresh.kid.clone());
        let successor = locked.contents.schedule.revoke(&plan, kid, locked.now, policy)?;
        // The replacement is for nothing if another process put a key in its place meanwhile.
        if let Some(fresh) = replacement.filter(|fresh| locked.contents.schedule.get(&fresh.kid).is_some()) {
            locked.check_passphrase(Some(&plan.kid))?;
            locked.add_key(fresh)?;
        }
        locked.save()?;
        locked.remove_ended()?;
        let key = locked.contents.schedule.get(&plan.kid).cloned();
        Ok(RevokedKey { key: key.ok_or_else(|| KeyChangeError::Unknown(prefix.to_owned()))?, successor })
    }

    /// Forgets revoked keys, and retired ones that no refresh token can need: `needed_since` is when the oldest session
    /// was opened that may still hold a signed refresh token (none: nothing needs them). Returns what was forgotten.
    pub fn prune(&self, needed_since: Option<Timestamp>) -> Result<Vec<Key>, KeyDirError> {
        let mut locked = self.lock_for_change()?;
        locked.remove_ended()?;
        let forgotten = locked.contents.schedule.prune(locked.now, needed_since);
        if !forgotten.is_empty() {
            locked.save()?;
        }
        Ok(forgotten)
    }

    /// Puts every private half under another passphrase (none: under none), and goes on with it. Says how many files
    /// were rewritten. May be cut off and repeated: files that are under the new passphrase already are left alone.
    /// Don't [`KeyDir::open`] the folder before: where a change was cut off, no one passphrase opens all of it.
    pub fn set_passphrase(&mut self, new: Option<SecretText>) -> Result<usize, KeyDirError> {
        let locked = self.lock_for_change()?;
        let mut rewritten = Vec::new();
        // Everything is opened before anything is written, so that a wrong passphrase changes nothing.
        for kid in locked.kept_kids() {
            let text = self.private_text(kid)?;
            let done = pem::read(text.expose(), new.as_ref()).is_ok_and(|opened| opened.encrypted == new.is_some());
            if !done {
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

    /// Removes the private halves of keys that sign no more, and says whose. To be called every second or so; while
    /// there is nothing to remove it costs one look per ended key.
    pub fn remove_ended_keys(&self, ring: &KeyRing) -> Result<Vec<Kid>, KeyDirError> {
        let now = self.clock.now();
        let mut ended = ring.schedule().keys().iter().filter(|key| !key.has_private_half(now));
        if ended.any(|key| self.pem_path(&key.kid).exists()) {
            self.lock_for_change()?.remove_ended()
        } else {
            Ok(Vec::new())
        }
    }

    fn add_keys(&self, fresh: Vec<(NewKey, RotationPlan)>, policy: &KeyPolicy) -> Result<Vec<Key>, KeyDirError> {
        let mut locked = self.lock_for_change()?;
        locked.check_passphrase(None)?;
        let mut keys = Vec::new();
        for (fresh, plan) in &fresh {
            keys.push(locked.contents.schedule.rotate(plan, fresh.kid.clone(), locked.now, policy)?);
        }
        for (fresh, _) in fresh {
            locked.add_key(fresh)?;
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
    fn kept_kids(&self) -> impl Iterator<Item = &Kid> {
        let kept = self.contents.schedule.keys().iter().filter(|key| key.has_private_half(self.now));
        kept.map(|key| &key.kid)
    }

    /// Refuses to add a key under a passphrase that opens none of those that are there, `but` one that goes: after
    /// `keys passphrase` a server that still has the old one must not write files that nobody can open at the next
    /// start. A file that is lost or damaged is no hindrance to putting a new key in its place.
    fn check_passphrase(&self, but: Option<&Kid>) -> Result<(), KeyDirError> {
        let mut locked_out = false;
        for kid in self.kept_kids().filter(|kid| Some(*kid) != but) {
            match self.dir.private_half(kid) {
                Ok(_) => return Ok(()),
                Err(KeyDirError::PrivateKey { problem, .. }) => locked_out |= problem.is_passphrase(),
                Err(error) => return Err(error),
            }
        }
        if locked_out { Err(KeyDirError::OtherPassphrase(self.dir.path().to_owned())) } else { Ok(()) }
    }

    fn add_key(&mut self, fresh: NewKey) -> Result<(), KeyDirError> {
        self.dir.write_private_half(&fresh)?;
        self.contents.publics.insert(fresh.kid, Arc::new(fresh.public));
        Ok(())
    }

    fn save(&self) -> Result<(), KeyDirError> {
        self.contents.write(self.dir.path())
    }

    /// Removes the private halves that the ring says are kept no more. Orphans are left: they may be someone's.
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
