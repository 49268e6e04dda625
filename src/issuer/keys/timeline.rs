//! The keys of a running server on a timeline, with the effects of each change that an operator could make.

use std::time::Duration;

use super::super::context::Issuer;
use super::policy::{policy, policy_with};
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyState, KeyTimes, NextRotation, RevocationPreview, RotationPreview, Schedule};
use crate::domain::setting::snapshot::Settings;
use crate::domain::time::Timestamp;

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

/// The next rotation of each algorithm in a ring: to a key that is already waiting, or the one that `rotate_every`
/// schedules.
pub fn next_rotations(
    schedule: &Schedule,
    times: &KeyTimes,
    rotate_every: Option<Duration>,
    now: Timestamp,
) -> Vec<(Algorithm, Option<NextRotation>)> {
    let policy = policy_with(times, &Settings::default());
    let next = |alg| (alg, schedule.next_rotation(alg, rotate_every, now, &policy));
    schedule.algorithms().map(next).collect()
}

/// Returns the current keys of this process. Does not access the disk.
pub fn timeline(issuer: &Issuer) -> KeyTimeline {
    let ring = issuer.ring();
    let now = issuer.clock.now();
    let policy = policy(issuer);
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
