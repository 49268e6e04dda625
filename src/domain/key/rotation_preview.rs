//! Previews of a rotation or revocation: the effects of the change on tokens and verifiers, as sentences for the
//! operator. The preview applies the real change to a copy of the schedule.

use std::time::Duration;

use super::super::algorithm::Algorithm;
use super::super::duration::compact;
use super::super::time::Timestamp;
use super::change_error::KeyChangeError;
use super::dates::{Key, KeyState};
use super::kid::Kid;
use super::policy::KeyPolicy;
use super::schedule::Schedule;

/// The effects of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationPreview {
    /// When the new key begins to sign.
    pub signs_from: Timestamp,
    /// For how long the new key signs while verifiers that cache the JWKS may not know it.
    pub unknown_for: Duration,
    /// The key that signs now, and the time until which it stays published.
    pub previous: Option<(Kid, Timestamp)>,
}

/// The effects of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationPreview {
    /// The key that signs instead. `None` if the revoked key does not sign now.
    pub successor: Option<Successor>,
    /// For how long the successor signs while verifiers that cache the JWKS may not know it.
    pub unknown_for: Duration,
    /// For how long verifiers that cache the JWKS still accept the revoked key.
    pub known_for: Duration,
    /// When the key began to sign, and when the last access token it signed would have expired. All these access tokens
    /// become invalid. `None` if there is no such access token.
    pub tokens: Option<(Timestamp, Timestamp)>,
    /// Whether signed refresh tokens become invalid too, so that their users must sign in again.
    pub refresh_tokens: bool,
}

/// The key that signs instead of a revoked key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Successor {
    /// The waiting key, and when it was published.
    Waiting(Kid, Timestamp),
    /// A key that is created during the revocation.
    New,
}

/// The next scheduled rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextRotation {
    /// When the new key is created and published. In the past if the key already exists.
    pub created_at: Timestamp,
    /// When the new key begins to sign.
    pub signs_from: Timestamp,
}

impl Schedule {
    /// The effects of rotating `alg` now.
    pub fn preview_rotation(
        &self,
        alg: Algorithm,
        at_once: bool,
        now: Timestamp,
        policy: &KeyPolicy,
    ) -> Result<RotationPreview, KeyChangeError> {
        let mut changed = self.clone();
        let new = changed.rotate(&self.plan_rotation(alg, at_once), Kid::placeholder(), now, policy)?;
        let active = self.active(alg, now).and_then(|key| changed.get(&key.kid));
        Ok(RotationPreview {
            signs_from: new.signs_from,
            unknown_for: policy.jwks_max_age.saturating_sub(new.signs_from.since(now)),
            previous: active.and_then(|key| Some((key.kid.clone(), key.published_until?))),
        })
    }

    /// The effects of revoking the key now.
    pub fn preview_revocation(
        &self,
        kid: &Kid,
        now: Timestamp,
        policy: &KeyPolicy,
    ) -> Result<RevocationPreview, KeyChangeError> {
        let plan = self.plan_revocation(kid.as_str(), now)?;
        let key = self.get(kid).ok_or_else(|| KeyChangeError::Unknown(kid.to_string()))?;
        let state = key.state(now);
        let mut changed = self.clone();
        let (successor, unknown_for) = match changed.revoke(&plan, Some(Kid::placeholder()), now, policy)? {
            None => (None, Duration::ZERO),
            Some(new) if new.kid == Kid::placeholder() => (Some(Successor::New), policy.jwks_max_age),
            Some(waiting) => {
                let unknown_for = policy.jwks_max_age.saturating_sub(now.since(waiting.created_at));
                (Some(Successor::Waiting(waiting.kid, waiting.created_at)), unknown_for)
            }
        };
        let last_signed = key.signs_until.map_or(now, |until| until.min(now));
        let valid_until = (last_signed + policy.longest_access).max(policy.promised_until.unwrap_or(now));
        let has_tokens = matches!(state, KeyState::Active | KeyState::Retiring);
        Ok(RevocationPreview {
            successor,
            unknown_for,
            known_for: if key.is_published(now) { policy.jwks_max_age } else { Duration::ZERO },
            tokens: has_tokens.then_some((key.signs_from, valid_until)),
            refresh_tokens: has_tokens || state == KeyState::Retired,
        })
    }

    /// The next rotation of `alg` that happens without an operator: to the waiting key, or else by `rotate_every`.
    /// `None` if there is neither.
    pub fn next_rotation(
        &self,
        alg: Algorithm,
        rotate_every: Option<Duration>,
        now: Timestamp,
        policy: &KeyPolicy,
    ) -> Option<NextRotation> {
        if let Some(waiting) = self.waiting(alg, now) {
            return Some(NextRotation { created_at: waiting.created_at, signs_from: waiting.signs_from });
        }
        let active: &Key = self.active(alg, now)?;
        let signs_from = (active.signs_from + rotate_every?).max(now + policy.lead_time());
        Some(NextRotation { created_at: signs_from - policy.lead_time(), signs_from })
    }
}

impl RotationPreview {
    /// The effects, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![format!("A new key is published now and signs from {}.", self.signs_from)];
        if self.unknown_for.is_zero() {
            sentences
                .push("Verifiers that respect the JWKS max-age know the key by then and refuse no token.".to_owned());
        } else {
            sentences.push(format!(
                "Verifiers that do not refetch on an unknown kid may refuse its tokens for up to {}.",
                compact(self.unknown_for)
            ));
        }
        if let Some((kid, until)) = &self.previous {
            sentences.push(format!("Tokens of the previous key {kid} stay valid. It leaves the JWKS at {until}."));
        }
        sentences
    }
}

impl RevocationPreview {
    /// The effects, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = vec!["The key is removed from the JWKS immediately and permanently.".to_owned()];
        if let Some((since, until)) = self.tokens {
            sentences.push(format!(
                "Access tokens it signed since {since} become invalid. The last one would have expired at {until}."
            ));
        }
        if self.refresh_tokens {
            sentences.push("Refresh tokens it signed become invalid too: their users must sign in again.".to_owned());
        }
        if !self.known_for.is_zero() {
            sentences.push(format!(
                "Verifiers accept its tokens until they fetch the JWKS again: for up to {} if they respect max-age, \
                 longer if they do not.",
                compact(self.known_for)
            ));
        }
        match &self.successor {
            None => sentences.push("The signing key does not change.".to_owned()),
            Some(Successor::Waiting(kid, since)) => {
                sentences.push(format!("The waiting key {kid}, published since {since}, signs immediately."));
            }
            Some(Successor::New) => sentences.push("A new key is created and signs immediately.".to_owned()),
        }
        if !self.unknown_for.is_zero() {
            sentences.push(format!(
                "Verifiers that do not refetch on an unknown kid may refuse new tokens for up to {}.",
                compact(self.unknown_for)
            ));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const POLICY: KeyPolicy = KeyPolicy {
        publish_ahead: Duration::from_secs(24 * HOUR),
        jwks_max_age: Duration::from_mins(5),
        longest_access: Duration::from_secs(HOUR),
        leeway: Duration::from_secs(5),
        promised_until: None,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(0) + Duration::from_secs(seconds)
    }

    fn kid(letter: char) -> Kid {
        Kid::parse(&letter.to_string().repeat(43)).expect("43 letters are a key id")
    }

    /// One key, `b`, which signs since 1000.
    fn one_key() -> Schedule {
        let mut schedule = Schedule::default();
        let plan = schedule.plan_rotation(Algorithm::Es256, true);
        schedule.rotate(&plan, kid('b'), at(1000), &POLICY).expect("the key is added");
        schedule
    }

    /// The key `b`, and the waiting key `c`, published since 2000.
    fn two_keys() -> Schedule {
        let mut schedule = one_key();
        let plan = schedule.plan_rotation(Algorithm::Es256, false);
        schedule.rotate(&plan, kid('c'), at(2000), &POLICY).expect("the key is added");
        schedule
    }

    #[test]
    fn a_planned_rotation_affects_no_token_and_an_immediate_one_may() {
        let ahead =
            one_key().preview_rotation(Algorithm::Es256, false, at(5000), &POLICY).expect("the change is allowed");
        assert_eq!((ahead.signs_from, ahead.unknown_for), (at(5000 + 24 * HOUR), Duration::ZERO));
        assert_eq!(ahead.previous, Some((kid('b'), at(5000 + 25 * HOUR + 5))));
        let at_once =
            one_key().preview_rotation(Algorithm::Es256, true, at(5000), &POLICY).expect("the change is allowed");
        assert_eq!((at_once.signs_from, at_once.unknown_for), (at(5000), POLICY.jwks_max_age));
        assert!(at_once.sentences()[1].contains("for up to 5m"), "{:?}", at_once.sentences());
    }

    #[test]
    fn the_successor_determines_how_long_it_may_be_unknown() {
        let alone = one_key().preview_revocation(&kid('b'), at(5000), &POLICY).expect("the change is allowed");
        assert_eq!((alone.successor, alone.unknown_for), (Some(Successor::New), POLICY.jwks_max_age));
        assert_eq!(alone.tokens, Some((at(1000), at(5000 + HOUR))));
        for (now, unknown_for) in [(2000, 300), (2100, 200), (2300, 0), (9000, 0)] {
            let preview = two_keys().preview_revocation(&kid('b'), at(now), &POLICY).expect("the change is allowed");
            assert_eq!(preview.successor, Some(Successor::Waiting(kid('c'), at(2000))));
            assert_eq!(preview.unknown_for, Duration::from_secs(unknown_for), "at {now}");
        }
    }

    #[test]
    fn revoking_a_key_invalidates_only_tokens_it_signed() {
        let waiting = two_keys().preview_revocation(&kid('c'), at(3000), &POLICY).expect("the change is allowed");
        assert_eq!((waiting.successor, waiting.tokens, waiting.refresh_tokens), (None, None, false));
        let switch = 2000 + 24 * HOUR;
        let retiring =
            two_keys().preview_revocation(&kid('b'), at(switch + 10), &POLICY).expect("the change is allowed");
        assert_eq!((retiring.successor, retiring.tokens), (None, Some((at(1000), at(switch + HOUR)))));
        let retired =
            two_keys().preview_revocation(&kid('b'), at(switch + 2 * HOUR), &POLICY).expect("the change is allowed");
        assert_eq!((retired.tokens, retired.refresh_tokens, retired.known_for), (None, true, Duration::ZERO));
        let promised = KeyPolicy { promised_until: Some(at(90 * HOUR)), ..POLICY };
        let preview = one_key().preview_revocation(&kid('b'), at(5000), &promised).expect("the change is allowed");
        assert_eq!(preview.tokens, Some((at(1000), at(90 * HOUR))), "tokens issued before the lifetime was lowered");
    }

    #[test]
    fn the_previewed_rotation_is_the_one_that_happens() {
        let every = Duration::from_secs(90 * 24 * HOUR);
        let next = |schedule: &Schedule, every, now| schedule.next_rotation(Algorithm::Es256, every, at(now), &POLICY);
        let due = NextRotation { created_at: at(1000 + 89 * 24 * HOUR), signs_from: at(1000 + 90 * 24 * HOUR) };
        assert_eq!(next(&one_key(), Some(every), 5000), Some(due));
        assert_eq!(next(&one_key(), None, 5000), None);
        let waiting = NextRotation { created_at: at(2000), signs_from: at(2000 + 24 * HOUR) };
        assert_eq!(next(&two_keys(), Some(every), 5000), Some(waiting));
        assert_eq!(one_key().due(due.created_at, every, &POLICY), [Algorithm::Es256]);
        assert!(one_key().due(due.created_at - Duration::from_secs(1), every, &POLICY).is_empty());
        let late = next(&one_key(), Some(every), 1000 + 100 * 24 * HOUR).expect("the rotation is overdue");
        assert_eq!(late.created_at, at(1000 + 100 * 24 * HOUR));
    }
}
