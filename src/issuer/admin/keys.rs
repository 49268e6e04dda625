//! Shows the keys on a timeline, and changes them with an entry in the audit log.

use std::sync::Arc;

use crate::crypto::key_dir::{KeyDirError, RevokedKey};
use crate::domain::algorithm::Algorithm;
use crate::domain::audit::{Action, Operator};
use crate::domain::key::{Key, KeyState, Kid, NextRotation, RevocationPreview, RotationPreview};
use crate::domain::time::Timestamp;
use crate::issuer::context::Issuer;
use crate::issuer::denied::{Denied, OperatorRule};
use crate::issuer::keys;
use crate::issuer::refusal::Fault;
use crate::issuer::settings;
use crate::store::StoreError;

/// All keys at one moment.
#[derive(Clone, Debug)]
pub struct KeyTimeline {
    /// The time of the snapshot.
    pub now: Timestamp,
    /// The algorithms for which the ring has keys.
    pub algorithms: Vec<AlgorithmTimeline>,
}

/// One algorithm's keys.
#[derive(Clone, Debug)]
pub struct AlgorithmTimeline {
    /// The algorithm.
    pub alg: Algorithm,
    /// The keys, in the order in which they were added.
    pub keys: Vec<TimelineKey>,
    /// The next rotation: to a key that is already waiting, or the one that `keys.rotate_every` schedules. `None` if
    /// there is neither.
    pub next: Option<NextRotation>,
    /// The effect of rotating now, with the new key published ahead; `None` if that is not possible.
    pub rotation: Option<RotationPreview>,
    /// The effect of rotating now, with a new key that signs at once; `None` if that is not possible.
    pub immediate: Option<RotationPreview>,
}

/// A key, and the effect of its revocation.
#[derive(Clone, Debug)]
pub struct TimelineKey {
    /// The key's dates.
    pub key: Key,
    /// The current state.
    pub state: KeyState,
    /// The effect of a revocation now; `None` if the key is revoked.
    pub revocation: Option<RevocationPreview>,
}

/// Returns the current keys of this process. Does not access the disk.
pub fn timeline(issuer: &Issuer) -> KeyTimeline {
    let ring = issuer.ring();
    let now = issuer.clock.now();
    let policy = keys::policy(issuer);
    let schedule = ring.schedule();
    let timeline_key = |key: &Key| TimelineKey {
        key: key.clone(),
        state: key.state(now),
        revocation: schedule.preview_revocation(&key.kid, now, &policy).ok(),
    };
    let algorithm_timeline = |alg: Algorithm| AlgorithmTimeline {
        alg,
        keys: schedule.keys().iter().filter(|key| key.alg == alg).map(timeline_key).collect(),
        next: schedule.next_rotation(alg, issuer.policy.rotate_every, now, &policy),
        rotation: schedule.preview_rotation(alg, false, now, &policy).ok(),
        immediate: schedule.preview_rotation(alg, true, now, &policy).ok(),
    };
    KeyTimeline { now, algorithms: schedule.algorithms().map(algorithm_timeline).collect() }
}

/// An operator's request to rotate keys.
#[derive(Debug)]
pub struct RotateKeys {
    /// The algorithm; `None` for every algorithm in the ring.
    pub alg: Option<Algorithm>,
    /// Whether the new key signs at once, without being published ahead.
    pub at_once: bool,
    /// The operator.
    pub by: Operator,
}

impl RotateKeys {
    /// Creates the new keys and returns them with their dates. When this returns, this process uses them.
    pub async fn run(self, issuer: &Arc<Issuer>) -> Result<Vec<Key>, Denied> {
        let Self { alg, at_once, by } = self;
        // Another server may just have changed a lifetime, on which the plan depends.
        settings::reload(issuer).await?;
        let new_keys = in_folder(issuer, move |issuer| issuer.key_dir.rotate(alg, at_once, &keys::policy(issuer)));
        let new_keys = new_keys.await?;
        for key in &new_keys {
            record(issuer, &by, Action::KeyRotated, new_key_detail(key)).await;
        }
        Ok(new_keys)
    }
}

/// An operator's request to revoke a key.
#[derive(Debug)]
pub struct RevokeKey {
    /// The key.
    pub kid: Kid,
    /// The operator.
    pub by: Operator,
}

impl RevokeKey {
    /// Removes the key from the JWKS. When this returns, this process no longer uses the key.
    pub async fn run(self, issuer: &Arc<Issuer>) -> Result<RevokedKey, Denied> {
        let Self { kid, by } = self;
        settings::reload(issuer).await?;
        let done = in_folder(issuer, move |issuer| issuer.key_dir.revoke(kid.as_str(), &keys::policy(issuer)));
        let done = done.await?;
        record(issuer, &by, Action::KeyRevoked, revoked_key_detail(&done)).await;
        Ok(done)
    }
}

/// Returns the audit detail for a new key.
pub fn new_key_detail(key: &Key) -> String {
    format!("{} key {} signs from {}", key.alg, key.kid, key.signs_from)
}

/// Returns the audit detail for a revoked key.
pub fn revoked_key_detail(done: &RevokedKey) -> String {
    let successor = done.successor.as_ref().map_or_else(String::new, |key| format!(", {} signs instead", key.kid));
    format!("{} key {}{successor}", done.key.alg, done.key.kid)
}

/// Changes the folder on a blocking thread, and reloads the key ring.
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
        Err(KeyDirError::RejectedChange(refused)) => Err(OperatorRule::Key(refused).into()),
        Err(error) => Err(Fault::new("changing the keys", &error).into()),
    }
}

/// Records a key change in the audit log. A failure is only logged: the change has already been made, and an error
/// would lead the operator to repeat it.
async fn record(issuer: &Issuer, by: &Operator, action: Action, detail: String) {
    let entry = by.entry(issuer.clock.now(), action, None, detail);
    let detail = entry.detail.clone();
    let operator = by.name().to_owned();
    let written: Result<(), StoreError> = issuer.store.write(move |tx| tx.record(&entry)).await;
    match written {
        Ok(()) => tracing::info!(action = action.name(), operator, detail, "keys changed"),
        Err(error) => {
            tracing::error!(action = action.name(), operator, detail, %error, "key change not recorded in the audit log");
        }
    }
}
