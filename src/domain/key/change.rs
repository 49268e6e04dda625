//! Changes of a schedule: rotation, revocation and pruning. A plan is made without the lock of the key folder and
//! applied under the lock. If the ring has changed in between so that the plan no longer applies, the change is
//! rejected and nothing is changed.

use std::time::Duration;

use super::super::algorithm::Algorithm;
use super::super::time::Timestamp;
use super::change_error::KeyChangeError;
use super::dates::{Key, KeyState};
use super::kid::Kid;
use super::policy::{KeyPolicy, RING_RELOAD_MAX};
use super::schedule::Schedule;

/// The plan to add a new key. The caller generates or reads the key before it applies the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationPlan {
    /// The algorithm of the new key.
    pub alg: Algorithm,
    /// Whether the new key signs immediately, without being published ahead.
    pub immediate: bool,
    /// The newest unrevoked key of the algorithm (latest `signs_from`) when the plan was made. If another key is the
    /// newest when the plan is applied, the ring was changed in between.
    last: Option<Kid>,
}

/// The plan to revoke a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationPlan {
    /// The key to revoke.
    pub kid: Kid,
    /// The algorithm for which a new key is needed because no other key of the algorithm could sign. `None` if no new
    /// key is needed.
    pub replacement: Option<Algorithm>,
}

impl Schedule {
    /// Plans a new key for `alg`. The key signs immediately if `at_once` is set or the ring has no active key of its
    /// algorithm; otherwise [`KeyPolicy::lead_time`] after it was added.
    pub fn plan_rotation(&self, alg: Algorithm, at_once: bool) -> RotationPlan {
        RotationPlan { alg, immediate: at_once, last: self.last_key(alg) }
    }

    /// Adds the new key and returns it with its dates.
    ///
    /// # Errors
    /// The key is already in the ring or was revoked, or the newest key of the algorithm is no longer the one for which
    /// the plan was made.
    pub fn rotate(
        &mut self,
        plan: &RotationPlan,
        kid: Kid,
        now: Timestamp,
        policy: &KeyPolicy,
    ) -> Result<Key, KeyChangeError> {
        match self.get(&kid) {
            Some(existing) if existing.revoked_at.is_some() => return Err(KeyChangeError::Revoked(kid)),
            Some(_) => return Err(KeyChangeError::AlreadyPresent(kid)),
            None if self.last_key(plan.alg) != plan.last => return Err(KeyChangeError::RingChanged),
            None => {}
        }
        let at_once = plan.immediate || self.active(plan.alg, now).is_none();
        let signs_from = if at_once { now } else { now + policy.lead_time() };
        self.push(kid.clone(), plan.alg, now, signs_from);
        self.recompute_end_dates(plan.alg, now, policy);
        self.get(&kid).cloned().ok_or(KeyChangeError::RingChanged)
    }

    /// Plans the revocation of the key whose id begins with `prefix`.
    ///
    /// # Errors
    /// The prefix does not name exactly one key, or the key is already revoked.
    pub fn plan_revocation(&self, prefix: &str, now: Timestamp) -> Result<RevocationPlan, KeyChangeError> {
        let key = self.find(prefix)?;
        if key.revoked_at.is_some() {
            return Err(KeyChangeError::Revoked(key.kid.clone()));
        }
        let has_other = self.of(key.alg).any(|other| other.kid != key.kid && other.has_private_half(now));
        Ok(RevocationPlan { kid: key.kid.clone(), replacement: (!has_other).then_some(key.alg) })
    }

    /// Revokes the key. If this leaves its algorithm without an active key, the waiting key signs immediately, or
    /// `replacement` if no key is waiting. Returns the key that now signs instead, or `None` if the signing key did not
    /// change.
    ///
    /// # Errors
    /// The key is no longer in the ring or is already revoked, or the ring has changed so that a replacement is needed
    /// and none was given.
    pub fn revoke(
        &mut self,
        plan: &RevocationPlan,
        replacement: Option<Kid>,
        now: Timestamp,
        policy: &KeyPolicy,
    ) -> Result<Option<Key>, KeyChangeError> {
        let current = self.plan_revocation(plan.kid.as_str(), now)?;
        if current.replacement.is_some() && replacement.is_none() {
            return Err(KeyChangeError::RingChanged);
        }
        let Some(index) = self.keys.iter().position(|key| key.kid == current.kid) else {
            return Err(KeyChangeError::Unknown(current.kid.as_str().to_owned()));
        };
        self.keys[index].revoked_at = Some(now);
        let alg = self.keys[index].alg;
        let mut successor = None;
        if self.active(alg, now).is_none() {
            let waiting = self.waiting(alg, now).map(|key| key.kid.clone());
            if let Some(index) = self.keys.iter().position(|key| waiting.as_ref() == Some(&key.kid)) {
                // Moved to the end, because the last of several keys with the same `signs_from` signs.
                let promoted = self.keys.remove(index);
                self.keys.push(Key { signs_from: now, ..promoted });
                successor = waiting;
            } else if let Some(kid) = replacement {
                self.push(kid.clone(), alg, now, now);
                successor = Some(kid);
            }
        }
        self.recompute_end_dates(alg, now, policy);
        Ok(successor.and_then(|kid| self.get(&kid).cloned()))
    }

    /// Removes revoked keys, and retired keys that no refresh token needs. Returns the removed keys.
    ///
    /// `needed_since` is the opening time of the oldest session that may have a signed refresh token. `None` means that
    /// no session has one.
    pub fn prune(&mut self, now: Timestamp, needed_since: Option<Timestamp>) -> Vec<Key> {
        // A server that had not yet loaded the rotation may have signed slightly longer.
        let last_signature = |key: &Key| key.signs_until.map(|until| until + RING_RELOAD_MAX);
        let is_removable = |key: &mut Key| match key.state(now) {
            KeyState::Revoked => true,
            KeyState::Retired => needed_since.is_none_or(|since| last_signature(key).is_some_and(|last| last < since)),
            KeyState::Next | KeyState::Active | KeyState::Retiring => false,
        };
        self.keys.extract_if(.., is_removable).collect()
    }

    /// The algorithms that must be rotated now so that no key signs longer than `rotate_every`. An algorithm with a
    /// waiting key is never among them.
    pub fn due(&self, now: Timestamp, rotate_every: Duration, policy: &KeyPolicy) -> Vec<Algorithm> {
        let is_late = |key: &Key| now + policy.lead_time() >= key.signs_from + rotate_every;
        let due = |alg: &Algorithm| self.waiting(*alg, now).is_none() && self.active(*alg, now).is_some_and(is_late);
        self.algorithms().filter(due).collect()
    }

    fn push(&mut self, kid: Kid, alg: Algorithm, now: Timestamp, signs_from: Timestamp) {
        let signs_until = None;
        let published_until = None;
        let revoked_at = None;
        self.keys.push(Key { kid, alg, created_at: now, signs_from, signs_until, published_until, revoked_at });
    }

    fn last_key(&self, alg: Algorithm) -> Option<Kid> {
        self.of(alg).filter(|key| key.revoked_at.is_none()).max_by_key(|key| key.signs_from).map(|key| key.kid.clone())
    }

    /// Recomputes the end dates of an algorithm's keys. A key that has stopped signing keeps its dates, because its
    /// private half is deleted.
    fn recompute_end_dates(&mut self, alg: Algorithm, now: Timestamp, policy: &KeyPolicy) {
        let in_chain = |key: &Key| key.alg == alg && key.revoked_at.is_none();
        let mut chain: Vec<usize> = (0..self.keys.len()).filter(|index| in_chain(&self.keys[*index])).collect();
        chain.sort_by_key(|index| self.keys[*index].signs_from);
        for (position, index) in chain.iter().enumerate() {
            let successor = chain.get(position + 1).map(|next| self.keys[*next].signs_from);
            let key = &mut self.keys[*index];
            if key.signs_until.is_some_and(|until| until <= now) {
                continue;
            }
            key.signs_until = successor;
            // Recomputed, because a key that stops signing earlier than planned also leaves the JWKS earlier. Tokens
            // issued before the lifetime was lowered are covered by `promised_until`.
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
    /// The longest access-token lifetime (300 s) plus the reload allowance `RING_RELOAD_MAX` (5 s).
    const RETENTION: i64 = 305;

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
        assert_eq!(dates(&ring, 'a'), (0, Some(100 + HOUR), Some(100 + HOUR + RETENTION)));
        assert_eq!(dates(&ring, 'b'), (100 + HOUR, None, None));
    }

    #[test]
    fn publish_ahead_is_at_least_the_jwks_cache_lifetime() {
        let without_ahead = KeyPolicy { publish_ahead: Duration::ZERO, ..policy() };
        let mut ring = Schedule::default();
        rotate(&mut ring, 'a', 0, false);
        let key = ring.rotate(&ring.plan_rotation(ES, false), kid('b'), at(10), &without_ahead).unwrap();
        assert_eq!(key.signs_from, at(310));
    }

    #[test]
    fn a_key_that_signs_immediately_stops_when_the_waiting_key_begins() {
        let mut ring = rotated();
        rotate(&mut ring, 'c', 200, true);
        assert_eq!(dates(&ring, 'a'), (0, Some(200), Some(200 + RETENTION)));
        assert_eq!(dates(&ring, 'c'), (200, Some(100 + HOUR), Some(100 + HOUR + RETENTION)));
        assert_eq!(dates(&ring, 'b'), (100 + HOUR, None, None));
    }

    #[test]
    fn a_key_stays_published_for_tokens_signed_with_longer_lifetimes() {
        let mut ring = rotated();
        let promised = KeyPolicy { promised_until: Some(at(9 * HOUR)), ..policy() };
        ring.rotate(&ring.plan_rotation(ES, true), kid('c'), at(200), &promised).unwrap();
        assert_eq!(
            dates(&ring, 'a'),
            (0, Some(200), Some(9 * HOUR + 5)),
            "extended by the allowance for differing clocks and late reloads"
        );
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
        assert_eq!(dates(&ring, 'a'), (0, Some(200 + HOUR), Some(200 + HOUR + RETENTION)));
        revoke(&mut ring, 'c', None, 400);
        assert_eq!(dates(&ring, 'a'), (0, None, None));
    }

    #[test]
    fn an_ended_key_does_not_sign_again() {
        let mut ring = rotated();
        let later = 200 + HOUR;
        revoke(&mut ring, 'b', Some('c'), later);
        assert_eq!(dates(&ring, 'a'), (0, Some(100 + HOUR), Some(100 + HOUR + RETENTION)));
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
        assert_eq!(ring.rotate(&again, kid('a'), at(200), &policy()), Err(KeyChangeError::AlreadyPresent(kid('a'))));
        revoke(&mut ring, 'a', None, 200);
        assert_eq!(ring.plan_revocation("aaaa", at(201)), Err(KeyChangeError::Revoked(kid('a'))));
        assert_eq!(ring.rotate(&again, kid('a'), at(201), &policy()), Err(KeyChangeError::Revoked(kid('a'))));
    }

    #[test]
    fn prune_removes_keys_that_are_no_longer_needed() {
        let ring = rotated();
        let ended = 100 + HOUR;
        let remaining = |now: i64, since: Option<i64>| {
            let mut ring = ring.clone();
            ring.prune(at(now), since.map(at));
            ring.keys().len()
        };
        assert_eq!(remaining(ended + RETENTION - 1, None), 2, "retiring keys stay");
        assert_eq!(remaining(ended + RETENTION, None), 1, "retired keys are removed");
        assert_eq!(remaining(ended + RETENTION, Some(ended + 5)), 2, "a key that a session may need stays");
        assert_eq!(remaining(ended + RETENTION, Some(ended + 6)), 1, "a key older than the oldest session is removed");
        let mut ring = ring.clone();
        revoke(&mut ring, 'b', None, 200);
        assert_eq!(ring.prune(at(200), Some(at(0)))[0].kid, kid('b'), "revoked keys are removed");
    }

    #[test]
    fn a_rotation_is_due_in_time_for_its_publication() {
        let mut ring = Schedule::default();
        rotate(&mut ring, 'a', 0, false);
        let due = |ring: &Schedule, now: i64| ring.due(at(now), Duration::from_hours(10), &policy());
        assert_eq!(due(&ring, 9 * HOUR - 1), []);
        assert_eq!(due(&ring, 9 * HOUR), [ES]);
        rotate(&mut ring, 'b', 9 * HOUR, false);
        assert_eq!(due(&ring, 9 * HOUR), [], "a key is waiting");
        assert_eq!(due(&ring, 19 * HOUR), [ES]);
    }
}
