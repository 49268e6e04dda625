//! Looking at keys as on a time line, and changing them with a line in the log.

use std::sync::Arc;

use crate::crypto::key_dir::{KeyDirError, RevokedKey};
use crate::domain::algorithm::Algorithm;
use crate::domain::audit::{Action, Operator};
use crate::domain::key::{Key, KeyState, Kid, NextRotation, RevocationPreview, RotationPreview};
use crate::domain::time::Timestamp;
use crate::issuer::{Denied, Fault, Issuer, OperatorRule, keys, settings};
use crate::store::StoreError;

/// All keys at one moment.
#[derive(Clone, Debug)]
pub struct KeyTimeline {
    /// The moment.
    pub now: Timestamp,
    /// Each algorithm the ring has keys of.
    pub algorithms: Vec<AlgorithmTimeline>,
}

/// One algorithm's keys.
#[derive(Clone, Debug)]
pub struct AlgorithmTimeline {
    /// The algorithm.
    pub alg: Algorithm,
    /// Its keys, in the order they came in.
    pub keys: Vec<TimelineKey>,
    /// The change that comes by itself, if any does.
    pub next: Option<NextRotation>,
    /// What follows from rotating now, publishing ahead.
    pub rotation: Option<RotationPreview>,
    /// What follows from rotating now and signing at once.
    pub immediate: Option<RotationPreview>,
}

/// A key, and what would follow from its end.
#[derive(Clone, Debug)]
pub struct TimelineKey {
    /// The key's dates.
    pub key: Key,
    /// Its state at the moment.
    pub state: KeyState,
    /// What follows from revoking it now; None where it is revoked.
    pub revocation: Option<RevocationPreview>,
}

/// The keys this process has in force. Touches no disk.
pub fn timeline(issuer: &Issuer) -> KeyTimeline {
    let ring = issuer.ring();
    let now = issuer.clock.now();
    let policy = keys::policy(issuer);
    let schedule = ring.schedule();
    let shown = |key: &Key| TimelineKey {
        key: key.clone(),
        state: key.state(now),
        revocation: schedule.preview_revocation(&key.kid, now, &policy).ok(),
    };
    let line = |alg: Algorithm| AlgorithmTimeline {
        alg,
        keys: schedule.keys().iter().filter(|key| key.alg == alg).map(shown).collect(),
        next: schedule.next_rotation(alg, issuer.policy.rotate_every, now, &policy),
        rotation: schedule.preview_rotation(alg, false, now, &policy).ok(),
        immediate: schedule.preview_rotation(alg, true, now, &policy).ok(),
    };
    KeyTimeline { now, algorithms: schedule.algorithms().map(line).collect() }
}

/// An operator rotates keys.
#[derive(Debug)]
pub struct RotateKeys {
    /// Which algorithm's; None for every one the ring has.
    pub alg: Option<Algorithm>,
    /// Whether the new key signs without having been published first.
    pub at_once: bool,
    /// Who does it.
    pub by: Operator,
}

impl RotateKeys {
    /// Makes the new keys; this process has them in force when it returns. Returns them with their dates.
    pub async fn run(self, issuer: &Arc<Issuer>) -> Result<Vec<Key>, Denied> {
        let Self { alg, at_once, by } = self;
        // Another server may have changed a lifetime a moment ago.
        settings::reload(issuer).await?;
        let made = in_folder(issuer, move |issuer| issuer.key_dir.rotate(alg, at_once, &keys::policy(issuer)));
        let made = made.await?;
        for key in &made {
            record(issuer, &by, Action::KeyRotated, new_key_detail(key)).await;
        }
        Ok(made)
    }
}

/// An operator revokes a key.
#[derive(Debug)]
pub struct RevokeKey {
    /// The key.
    pub kid: Kid,
    /// Who does it.
    pub by: Operator,
}

impl RevokeKey {
    /// Takes the key out of the key set; this process has let go of it when it returns.
    pub async fn run(self, issuer: &Arc<Issuer>) -> Result<RevokedKey, Denied> {
        let Self { kid, by } = self;
        settings::reload(issuer).await?;
        let done = in_folder(issuer, move |issuer| issuer.key_dir.revoke(kid.as_str(), &keys::policy(issuer)));
        let done = done.await?;
        record(issuer, &by, Action::KeyRevoked, revoked_key_detail(&done)).await;
        Ok(done)
    }
}

/// What the audit log says of a new key.
pub fn new_key_detail(key: &Key) -> String {
    format!("{} key {} signs from {}", key.alg, key.kid, key.signs_from)
}

/// What the audit log says of a revoked one.
pub fn revoked_key_detail(done: &RevokedKey) -> String {
    let instead = done.successor.as_ref().map_or_else(String::new, |key| format!(", {} signs in its stead", key.kid));
    format!("{} key {}{instead}", done.key.alg, done.key.kid)
}

/// Changes the folder, off the async threads, and takes the change up.
async fn in_folder<T: Send + 'static>(
    issuer: &Arc<Issuer>,
    change: impl FnOnce(&Issuer) -> Result<T, KeyDirError> + Send + 'static,
) -> Result<T, Denied> {
    let shared = Arc::clone(issuer);
    let done = tokio::task::spawn_blocking(move || {
        let done = change(&shared)?;
        keys::reload(&shared)?;
        Ok(done)
    });
    match done.await.map_err(|error| Fault::new("changing the keys", &error))? {
        Ok(done) => Ok(done),
        Err(KeyDirError::Refused(refused)) => Err(OperatorRule::Key(refused).into()),
        Err(error) => Err(Fault::new("changing the keys", &error).into()),
    }
}

/// The change is made by now, whatever becomes of the line: saying that it failed would make it be made twice.
async fn record(issuer: &Issuer, by: &Operator, action: Action, detail: String) {
    let entry = by.entry(issuer.clock.now(), action, None, detail);
    let said = entry.detail.clone();
    let who = by.name().to_owned();
    let written: Result<(), StoreError> = issuer.store.write(move |tx| tx.record(&entry)).await;
    match written {
        Ok(()) => tracing::info!(action = action.name(), who, "{said}"),
        Err(error) => tracing::error!(action = action.name(), who, %error, "not written to the audit log: {said}"),
    }
}
