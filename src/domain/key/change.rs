//! How a schedule changes: rotation, revocation, pruning. A plan is made without the folder's lock and applied under
//! it, against the ring as it is then; what no longer fits is refused, and nothing is half applied.

use std::time::Duration;

use super::super::algorithm::Algorithm;
use super::super::time::Timestamp;
use super::schedule::Schedule;
use super::{Key, KeyPolicy, KeyState, Kid, RING_RELOAD_MAX};

/// A new key's coming in, planned: whoever applies it has meanwhile made (or read) the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationPlan {
    /// The algorithm whose key gets a successor.
    pub alg: Algorithm,
    /// Whether the new key signs without having been published first.
    pub immediate: bool,
    /// The last of the algorithm's keys when the plan was made: if another is last by now, someone else rotated.
    last: Option<Kid>,
}

/// A key's revocation, planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationPlan {
    /// The key that goes.
    pub kid: Kid,
    /// The algorithm that a new key must be made for, as no other could sign.
    pub replacement: Option<Algorithm>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyChangeError {
    /// No key has that name.
    #[error("no key of the ring is called `{0}`: see `countersign keys list`")]
    Unknown(String),
    /// Several keys' names begin so.
    #[error("several keys begin with `{0}`: give more of the name")]
    Ambiguous(String),
    /// Too little of a name.
    #[error("`{0}` is too short to name a key: give at least 4 characters")]
    ShortPrefix(String),
    /// It is revoked, for good.
    #[error("key {0} is revoked already")]
    Revoked(Kid),
    /// It need not come in again.
    #[error("key {0} is in the ring already")]
    Known(Kid),
    /// The plan was made for another ring.
    #[error(
        "someone else changed the keys meanwhile: look at `countersign keys list`, and try again if it is still needed"
    )]
    RingChanged,
}

impl Schedule {
    /// Plans a new key for `alg`. It signs `policy.ahead()` after it came in; at once if asked for, or if the ring
    /// has no active key of its algorithm.
    pub fn plan_rotation(&self, alg: Algorithm, at_once: bool) -> RotationPlan {
        RotationPlan { alg, immediate: at_once, last: self.last(alg) }
    }

    /// Brings the new key in, and returns it with its dates.
    pub fn rotate(
        &mut self,
        plan: &RotationPlan,
        kid: Kid,
        now: Timestamp,
        policy: &KeyPolicy,
    ) -> Result<Key, KeyChangeError> {
        match self.get(&kid) {
            Some(known) if known.revoked_at.is_some() => return Err(KeyChangeError::Revoked(kid)),
            Some(_) => return Err(KeyChangeError::Known(kid)),
            None if self.last(plan.alg) != plan.last => return Err(KeyChangeError::RingChanged),
            None => {}
        }
        let at_once = plan.immediate || self.active(plan.alg, now).is_none();
        let signs_from = if at_once { now } else { now + policy.ahead() };
        self.push(kid.clone(), plan.alg, now, signs_from);
        self.relink(plan.alg, now, policy);
        self.get(&kid).cloned().ok_or(KeyChangeError::RingChanged)
    }

    /// Plans the revocation of the key whose name begins with `prefix`.
    pub fn plan_revocation(&self, prefix: &str, now: Timestamp) -> Result<RevocationPlan, KeyChangeError> {
        let key = self.find(prefix)?;
        if key.revoked_at.is_some() {
            return Err(KeyChangeError::Revoked(key.kid.clone()));
        }
        let covered = self.of(key.alg).any(|other| other.kid != key.kid && other.has_private_half(now));
        Ok(RevocationPlan { kid: key.kid.clone(), replacement: (!covered).then_some(key.alg) })
    }

    /// Revokes the key. If none of its algorithm is left active, the waiting one signs at once, else `replacement`
    /// does. Returns the key that signs in its stead, if that is another than before.
    pub fn revoke(
        &mut self,
        plan: &RevocationPlan,
        replacement: Option<Kid>,
        now: Timestamp,
        policy: &KeyPolicy,
    ) -> Result<Option<Key>, KeyChangeError> {
        let fresh = self.plan_revocation(plan.kid.as_str(), now)?;
        if fresh.replacement.is_some() && replacement.is_none() {
            return Err(KeyChangeError::RingChanged);
        }
        let Some(index) = self.keys.iter().position(|key| key.kid == fresh.kid) else {
            return Err(KeyChangeError::Unknown(fresh.kid.as_str().to_owned()));
        };
        self.keys[index].revoked_at = Some(now);
        let alg = self.keys[index].alg;
        let mut successor = None;
        if self.active(alg, now).is_none() {
            let waiting = self.waiting(alg, now).map(|key| key.kid.clone());
            if let Some(index) = self.keys.iter().position(|key| waiting.as_ref() == Some(&key.kid)) {
                // To the end: of keys that begin at the same second, the last one signs.
                let promoted = self.keys.remove(index);
                self.keys.push(Key { signs_from: now, ..promoted });
                successor = waiting;
            } else if let Some(kid) = replacement {
                self.push(kid.clone(), alg, now, now);
                successor = Some(kid);
            }
        }
        self.relink(alg, now, policy);
        Ok(successor.and_then(|kid| self.get(&kid).cloned()))
    }

    /// Forgets revoked keys, and retired ones that no refresh token can need: `needed_since` is when the oldest session
    /// was opened that may still hold a signed refresh token (none: nothing needs them). Returns what was forgotten.
    pub fn prune(&mut self, now: Timestamp, needed_since: Option<Timestamp>) -> Vec<Key> {
        // A server that had not yet taken a rotation up may have signed for a moment longer.
        let last_signature = |key: &Key| key.signs_until.map(|until| until + RING_RELOAD_MAX);
        let forgotten = |key: &mut Key| match key.state(now) {
            KeyState::Revoked => true,
            KeyState::Retired => needed_since.is_none_or(|since| last_signature(key).is_some_and(|last| last < since)),
            KeyState::Next | KeyState::Active | KeyState::Retiring => false,
        };
        self.keys.extract_if(.., forgotten).collect()
    }

    /// The algorithms that need a rotation now, so that no key signs longer than `rotate_every`. None does while a key
    /// is waiting.
    pub fn due(&self, now: Timestamp, rotate_every: Duration, policy: &KeyPolicy) -> Vec<Algorithm> {
        let late = |key: &Key| now + policy.ahead() >= key.signs_from + rotate_every;
        let due = |alg: &Algorithm| self.waiting(*alg, now).is_none() && self.active(*alg, now).is_some_and(late);
        self.algorithms().filter(due).collect()
    }

    fn push(&mut self, kid: Kid, alg: Algorithm, now: Timestamp, signs_from: Timestamp) {
        let signs_until = None;
        let published_until = None;
        let revoked_at = None;
        self.keys.push(Key { kid, alg, created_at: now, signs_from, signs_until, published_until, revoked_at });
    }

    fn last(&self, alg: Algorithm) -> Option<Kid> {
        self.of(alg).filter(|key| key.revoked_at.is_none()).max_by_key(|key| key.signs_from).map(|key| key.kid.clone())
    }

    /// Makes the chain of an algorithm whole again. What has ended stays as it is: its private half is gone.
    fn relink(&mut self, alg: Algorithm, now: Timestamp, policy: &KeyPolicy) {
        let in_chain = |key: &Key| key.alg == alg && key.revoked_at.is_none();
        let mut chain: Vec<usize> = (0..self.keys.len()).filter(|index| in_chain(&self.keys[*index])).collect();
        chain.sort_by_key(|index| self.keys[*index].signs_from);
        for (place, index) in chain.iter().enumerate() {
            let successor = chain.get(place + 1).map(|next| self.keys[*next].signs_from);
            let key = &mut self.keys[*index];
            if key.signs_until.is_some_and(|until| until <= now) {
                continue;
            }
            key.signs_until = successor;
            // Reckoned anew: a key that stops earlier than planned leaves earlier, too. What was signed while lifetimes were
            // longer is in `promised_until`.
            key.published_until = successor.map(|until| policy.published_until(until));
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ES: Algorithm = Algorithm::Es256;
    const HOUR: i64 = 3600;
    /// Longest access lifetime (300 s) and the floor under the leeway.
    const LINGER: i64 = 305;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn kid(letter: char) -> Kid {
        Kid::parse(&letter.to_string().repeat(43)).unwrap()
    }

    fn policy() -> KeyPolicy {
        KeyPolicy {
            publish_ahead: Duration::from_hours(1),
            jwks_max_age: Duration::from_mins(5),
            longest_access: Duration::from_mins(5),
            leeway: Duration::ZERO,
            promised_until: None,
        }
    }

    fn rotate(ring: &mut Schedule, letter: char, now: i64, at_once: bool) -> Key {
        ring.rotate(&ring.plan_rotation(ES, at_once), kid(letter), at(now), &policy()).unwrap()
    }

    fn revoke(ring: &mut Schedule, letter: char, new: Option<char>, now: i64) -> Option<Key> {
        let plan = ring.plan_revocation(kid(letter).as_str(), at(now)).unwrap();
        ring.revoke(&plan, new.map(kid), at(now), &policy()).unwrap()
    }

    /// `signs_from`, `signs_until`, `published_until` of a key.
    fn dates(ring: &Schedule, letter: char) -> (i64, Option<i64>, Option<i64>) {
        let key = ring.get(&kid(letter)).unwrap();
        (key.signs_from.unix(), key.signs_until.map(Timestamp::unix), key.published_until.map(Timestamp::unix))
    }

    /// `a` signs; `b` waits.
    fn rotated() -> Schedule {
        let mut ring = Schedule::default();
        rotate(&mut ring, 'a', 0, false);
        rotate(&mut ring, 'b', 100, false);
        ring
    }

    #[test]
    fn the_first_key_signs_at_once_and_its_successor_is_published_ahead() {
        let ring = rotated();
        assert_eq!(dates(&ring, 'a'), (0, Some(100 + HOUR), Some(100 + HOUR + LINGER)));
        assert_eq!(dates(&ring, 'b'), (100 + HOUR, None, None));
    }

    #[test]
    fn publish_ahead_is_at_least_the_jwks_cache_lifetime() {
        let hasty = KeyPolicy { publish_ahead: Duration::ZERO, ..policy() };
        let mut ring = Schedule::default();
        rotate(&mut ring, 'a', 0, false);
        let key = ring.rotate(&ring.plan_rotation(ES, false), kid('b'), at(10), &hasty).unwrap();
        assert_eq!(key.signs_from, at(310));
    }

    #[test]
    fn an_immediate_rotation_ends_before_the_waiting_key_begins() {
        let mut ring = rotated();
        rotate(&mut ring, 'c', 200, true);
        assert_eq!(dates(&ring, 'a'), (0, Some(200), Some(200 + LINGER)));
        assert_eq!(dates(&ring, 'c'), (200, Some(100 + HOUR), Some(100 + HOUR + LINGER)));
        assert_eq!(dates(&ring, 'b'), (100 + HOUR, None, None));
    }

    #[test]
    fn a_key_stays_published_for_tokens_signed_with_longer_lifetimes() {
        let mut ring = rotated();
        let promised = KeyPolicy { promised_until: Some(at(9 * HOUR)), ..policy() };
        ring.rotate(&ring.plan_rotation(ES, true), kid('c'), at(200), &promised).unwrap();
        assert_eq!(dates(&ring, 'a'), (0, Some(200), Some(9 * HOUR + 5)), "and as much longer as clocks may differ");
    }

    #[test]
    fn revoking_the_active_key_promotes_the_waiting_one_or_a_new_one() {
        let mut ring = rotated();
        assert_eq!(revoke(&mut ring, 'a', None, 200).unwrap().kid, kid('b'));
        assert_eq!(dates(&ring, 'b'), (200, None, None));
        assert_eq!(ring.plan_revocation("bbbb", at(300)).unwrap().replacement, Some(ES));
        assert_eq!(revoke(&mut ring, 'b', Some('c'), 300).unwrap().kid, kid('c'));
        assert_eq!(dates(&ring, 'c'), (300, None, None));
    }

    #[test]
    fn a_promoted_key_signs_when_others_began_in_the_same_second() {
        let mut ring = rotated();
        rotate(&mut ring, 'c', 100, true);
        rotate(&mut ring, 'd', 100, true);
        assert_eq!(revoke(&mut ring, 'd', None, 100).unwrap().kid, kid('b'));
        assert_eq!(ring.active(ES, at(100)).unwrap().kid, kid('b'));
    }

    #[test]
    fn revoking_the_waiting_key_extends_its_predecessor() {
        let mut ring = rotated();
        rotate(&mut ring, 'c', 200, false);
        assert_eq!(revoke(&mut ring, 'b', None, 300), None);
        assert_eq!(dates(&ring, 'a'), (0, Some(200 + HOUR), Some(200 + HOUR + LINGER)));
        revoke(&mut ring, 'c', None, 400);
        assert_eq!(dates(&ring, 'a'), (0, None, None));
    }

    #[test]
    fn an_ended_key_does_not_sign_again() {
        let mut ring = rotated();
        let later = 200 + HOUR;
        revoke(&mut ring, 'b', Some('c'), later);
        assert_eq!(dates(&ring, 'a'), (0, Some(100 + HOUR), Some(100 + HOUR + LINGER)));
        assert_eq!(ring.active(ES, at(later)).unwrap().kid, kid('c'));
    }

    #[test]
    fn a_plan_for_another_ring_is_rejected() {
        let mut ring = rotated();
        let plan = ring.plan_rotation(ES, false);
        rotate(&mut ring, 'c', 150, false);
        let before = ring.clone();
        assert_eq!(ring.rotate(&plan, kid('d'), at(151), &policy()), Err(KeyChangeError::RingChanged));
        let plan = ring.plan_revocation("aaaa", at(160)).unwrap();
        assert_eq!((plan.replacement, &ring), (None, &before));
        revoke(&mut ring, 'b', None, 161);
        revoke(&mut ring, 'c', None, 161);
        assert_eq!(ring.revoke(&plan, None, at(162), &policy()), Err(KeyChangeError::RingChanged));
        assert_eq!(ring.get(&kid('a')).unwrap().revoked_at, None);
    }

    #[test]
    fn a_key_is_added_once_and_revoked_once() {
        let mut ring = rotated();
        let again = ring.plan_rotation(ES, true);
        assert_eq!(ring.rotate(&again, kid('a'), at(200), &policy()), Err(KeyChangeError::Known(kid('a'))));
        revoke(&mut ring, 'a', None, 200);
        assert_eq!(ring.plan_revocation("aaaa", at(201)), Err(KeyChangeError::Revoked(kid('a'))));
        assert_eq!(ring.rotate(&again, kid('a'), at(201), &policy()), Err(KeyChangeError::Revoked(kid('a'))));
    }

    #[test]
    fn prune_removes_keys_that_are_no_longer_needed() {
        let ring = rotated();
        let ended = 100 + HOUR;
        let left = |now: i64, since: Option<i64>| {
            let mut ring = ring.clone();
            ring.prune(at(now), since.map(at));
            ring.keys().len()
        };
        assert_eq!(left(ended + LINGER - 1, None), 2, "retiring keys stay");
        assert_eq!(left(ended + LINGER, None), 1, "retired keys go");
        assert_eq!(left(ended + LINGER, Some(ended + 5)), 2, "one that a session may need stays");
        assert_eq!(left(ended + LINGER, Some(ended + 6)), 1, "one from before the oldest session goes");
        let mut ring = ring.clone();
        revoke(&mut ring, 'b', None, 200);
        assert_eq!(ring.prune(at(200), Some(at(0)))[0].kid, kid('b'), "revoked keys go");
    }

    #[test]
    fn a_rotation_is_due_in_time_for_its_publication() {
        let mut ring = Schedule::default();
        rotate(&mut ring, 'a', 0, false);
        let due = |ring: &Schedule, now: i64| ring.due(at(now), Duration::from_hours(10), &policy());
        assert_eq!(due(&ring, 9 * HOUR - 1), []);
        assert_eq!(due(&ring, 9 * HOUR), [ES]);
        rotate(&mut ring, 'b', 9 * HOUR, false);
        assert_eq!(due(&ring, 9 * HOUR), [], "one is waiting");
        assert_eq!(due(&ring, 19 * HOUR), [ES]);
    }
}
