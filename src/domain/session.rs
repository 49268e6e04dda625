//! Sessions, and the decision about a presented refresh token.
//!
//! A session has a generation number, which each rotation of the refresh token increases by one. A refresh token names
//! a session and a generation. A rotation invalidates earlier refresh tokens, unless the profile keeps them valid.
//!
//! Presenting a refresh token advances the session, repeats the previous response, ends the session or changes nothing.
//! The decision is a pure function; the store applies it.

use std::net::IpAddr;
use std::time::Duration;

use super::amr::Amr;
use super::closed_set::closed_set;
use super::id::{SessionId, UserId};
use super::origin::Origin;
use super::refresh_key::RefreshKey;
use super::social::ProviderName;
use super::time::Timestamp;

/// An open or ended session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `sid`.
    pub id: SessionId,
    /// The user of the session.
    pub user: UserId,
    /// What opened the session. The rules for its tokens, refreshes and end follow from it.
    pub opened_by: Origin,
    /// The current generation: the number of rotations of the refresh token so far.
    pub generation: u32,
    /// The lowest generation whose refresh token is valid. Lower than `generation` only if the rules at the time of the
    /// rotation kept earlier tokens valid. A later change of the rules neither invalidates nor revives tokens.
    pub min_generation: u32,
    /// When the session was opened.
    pub opened_at: Timestamp,
    /// When the user authenticated. If an operator opened the session, when it was opened.
    pub auth_time: Timestamp,
    /// How the user authenticated. `None` if a provider authenticated the user, or if an operator opened the session.
    pub amr: Option<Amr>,
    /// When the refresh token was last rotated, or when the session was opened if it was never rotated.
    pub rotated_at: Timestamp,
    /// When the session expires.
    pub expires_at: Timestamp,
    /// When and why the session was ended before it expired. `None` if it was not.
    pub ended: Option<(Timestamp, EndReason)>,
    /// Whether the session was opened with a temporary password. Its tokens then have the claim
    /// `must_change_password`.
    pub must_change_password: bool,
    /// The address from which the session was opened.
    pub address: Option<IpAddr>,
    /// The provider of the sign-in that opened the session. `None` if a password or an operator opened it.
    pub provider: Option<ProviderName>,
    /// The key of the session's refresh UUIDs. `None` in dialects without them, and until the next refresh of a session
    /// that was opened before sessions had keys.
    pub refresh_key: Option<RefreshKey>,
}

closed_set! {
    /// Why a session ended before it expired.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum EndReason {
        /// The user signed out.
        SignOut = "sign_out",
        /// The password was changed in another session.
        PasswordChanged = "password_changed",
        /// The password was reset.
        PasswordReset = "password_reset",
        /// The user was disabled.
        Disabled = "disabled",
        /// A refresh token that a rotation had invalidated was presented.
        Reuse = "reuse",
        /// An operator ended the session.
        Operator = "operator",
    }
}

impl EndReason {
    /// The reason with this stored name. `None` for an unknown name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// The rules for refreshing sessions; part of a profile.
#[derive(Clone, Copy, Debug)]
pub struct RefreshPolicy {
    /// How long a session stays open after each refresh, limited by `max_age`.
    pub lifetime: Duration,
    /// The maximum age of a session. `None` means no maximum.
    pub max_age: Option<Duration>,
    /// Whether each refresh issues a new refresh token.
    pub rotate: bool,
    /// The grace period: how long after a rotation the previous token still gets the same successor.
    pub reuse_grace: Duration,
    /// Whether earlier tokens stay valid after a rotation. Only for `simplejwt`, whose refresh tokens contain their own
    /// expiry.
    pub earlier_tokens_stay_valid: bool,
}

impl RefreshPolicy {
    /// Whether the previous token still gets the same successor at this time after the rotation. A grace period of zero
    /// needs its own check: timestamps are whole seconds, so the period would otherwise last until the end of the
    /// second in which the token was rotated.
    fn is_within_grace(&self, since_rotation: Duration) -> bool {
        !self.reuse_grace.is_zero() && since_rotation <= self.reuse_grace
    }
}

/// The outcome of presenting a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The refresh is accepted, and the session continues with generation `to`.
    Advance {
        /// The new generation of the session. The current one if the profile does not rotate.
        to: u32,
        /// The new expiry of the session.
        expires_at: Timestamp,
        /// Whether the rotation invalidates all earlier tokens.
        invalidates_earlier: bool,
    },
    /// A retry or a second browser tab within the grace period: the caller gets the same successor, and nothing
    /// changes.
    Repeat,
    /// An earlier rotation has invalidated the token: the session ends.
    Reuse,
    /// The session is live and has not reached this generation: the token is rejected, and the session stays as it is.
    /// Either the database is older than the token, or someone else can make tokens.
    Ahead,
    /// The session is not live or is at its maximum age: the token is rejected, and nothing changes.
    Rejected,
}

impl Session {
    /// Whether the session has neither ended nor expired. It may still be at its maximum age: see [`Session::is_live`].
    pub fn is_unexpired(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }

    /// Whether the session is live: not ended, not expired and not at its maximum age. The maximum age may have been
    /// set after the session was opened.
    pub fn is_live(&self, now: Timestamp, policy: &RefreshPolicy) -> bool {
        self.is_unexpired(now) && policy.max_age.is_none_or(|max_age| now < self.opened_at + max_age)
    }

    /// The expiry of the session after a refresh at `now`, limited by the maximum age of the session.
    pub fn extended_expiry(&self, now: Timestamp, policy: &RefreshPolicy) -> Timestamp {
        let unlimited = now + policy.lifetime;
        policy.max_age.map_or(unlimited, |max_age| unlimited.min(self.opened_at + max_age))
    }

    /// The outcome of presenting a refresh token of `generation` at `now`.
    pub fn evaluate_refresh(&self, generation: u32, now: Timestamp, policy: &RefreshPolicy) -> RefreshOutcome {
        if !self.is_live(now, policy) {
            return RefreshOutcome::Rejected;
        }
        let expires_at = self.extended_expiry(now, policy);
        match self.generation.checked_sub(generation) {
            None => RefreshOutcome::Ahead,
            Some(1) if policy.is_within_grace(now.since(self.rotated_at)) => RefreshOutcome::Repeat,
            Some(_) if generation < self.min_generation => RefreshOutcome::Reuse,
            Some(_) if !policy.rotate => {
                RefreshOutcome::Advance { to: self.generation, expires_at, invalidates_earlier: false }
            }
            Some(_) => match self.generation.checked_add(1) {
                Some(to) => {
                    RefreshOutcome::Advance { to, expires_at, invalidates_earlier: !policy.earlier_tokens_stay_valid }
                }
                None => RefreshOutcome::Rejected,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::Dialect;
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const POLICY: RefreshPolicy = RefreshPolicy {
        lifetime: Duration::from_secs(1000),
        max_age: None,
        rotate: true,
        reuse_grace: Duration::from_secs(10),
        earlier_tokens_stay_valid: false,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn session(generation: u32, rotated_at: i64) -> Session {
        Session {
            id: SessionId(Uuid::nil()),
            user: UserId(1),
            opened_by: Origin::Dialect(Dialect::DrfPyjwt),
            generation,
            min_generation: generation,
            opened_at: at(0),
            auth_time: at(0),
            amr: None,
            rotated_at: at(rotated_at),
            expires_at: at(1000),
            ended: None,
            must_change_password: false,
            address: None,
            provider: None,
            refresh_key: None,
        }
    }

    #[test]
    fn the_current_refresh_token_advances_the_session() {
        let advance = RefreshOutcome::Advance { to: 4, expires_at: at(1500), invalidates_earlier: true };
        assert_eq!(session(3, 400).evaluate_refresh(3, at(500), &POLICY), advance);
        let unrotated = RefreshOutcome::Advance { to: 3, expires_at: at(1500), invalidates_earlier: false };
        assert_eq!(session(3, 400).evaluate_refresh(3, at(500), &RefreshPolicy { rotate: false, ..POLICY }), unrotated);
    }

    #[test]
    fn the_previous_refresh_token_repeats_within_the_grace_period_and_is_reuse_after_it() {
        assert_eq!(session(3, 490).evaluate_refresh(2, at(500), &POLICY), RefreshOutcome::Repeat);
        assert_eq!(session(3, 489).evaluate_refresh(2, at(500), &POLICY), RefreshOutcome::Reuse);
        assert_eq!(session(3, 499).evaluate_refresh(1, at(500), &POLICY), RefreshOutcome::Reuse);
        let without_grace = RefreshPolicy { reuse_grace: Duration::ZERO, ..POLICY };
        assert_eq!(session(3, 500).evaluate_refresh(2, at(500), &without_grace), RefreshOutcome::Reuse);
    }

    #[test]
    fn without_blacklist_earlier_refresh_tokens_advance_the_session() {
        let policy = RefreshPolicy { earlier_tokens_stay_valid: true, ..POLICY };
        let advance = RefreshOutcome::Advance { to: 4, expires_at: at(1500), invalidates_earlier: false };
        let lenient = Session { min_generation: 0, ..session(3, 489) };
        for generation in [0, 2, 3] {
            assert_eq!(lenient.evaluate_refresh(generation, at(500), &policy), advance, "{generation}");
        }
        assert_eq!(
            session(3, 490).evaluate_refresh(2, at(500), &policy),
            RefreshOutcome::Repeat,
            "two concurrent refreshes have one successor"
        );
        assert_eq!(session(3, 489).evaluate_refresh(4, at(500), &policy), RefreshOutcome::Ahead);
        let ended = Session { ended: Some((at(400), EndReason::SignOut)), ..session(3, 0) };
        assert_eq!(ended.evaluate_refresh(1, at(500), &policy), RefreshOutcome::Rejected);
    }

    #[test]
    fn changing_the_refresh_policy_neither_invalidates_nor_revives_tokens() {
        let lenient = Session { min_generation: 1, ..session(3, 400) };
        let earlier_valid = RefreshPolicy { earlier_tokens_stay_valid: true, ..POLICY };
        let unrotated = RefreshPolicy { rotate: false, ..POLICY };
        let advance =
            |to, invalidates_earlier| RefreshOutcome::Advance { to, expires_at: at(1500), invalidates_earlier };
        for (policy, expected) in
            [(POLICY, advance(4, true)), (earlier_valid, advance(4, false)), (unrotated, advance(3, false))]
        {
            assert_eq!(lenient.evaluate_refresh(1, at(500), &policy), expected);
            assert_eq!(lenient.evaluate_refresh(0, at(500), &policy), RefreshOutcome::Reuse);
        }
    }

    #[test]
    fn an_ended_session_or_unknown_generation_changes_nothing() {
        assert_eq!(session(3, 0).evaluate_refresh(4, at(500), &POLICY), RefreshOutcome::Ahead);
        assert_eq!(session(3, 0).evaluate_refresh(4, at(1000), &POLICY), RefreshOutcome::Rejected);
        assert_eq!(session(3, 0).evaluate_refresh(3, at(1000), &POLICY), RefreshOutcome::Rejected);
        let ended = Session { ended: Some((at(400), EndReason::SignOut)), ..session(3, 0) };
        assert_eq!(ended.evaluate_refresh(3, at(500), &POLICY), RefreshOutcome::Rejected);
        assert_eq!(session(u32::MAX, 0).evaluate_refresh(u32::MAX, at(5), &POLICY), RefreshOutcome::Rejected);
    }

    #[test]
    fn a_session_ends_at_its_maximum_age() {
        let with_max_age = RefreshPolicy { max_age: Some(Duration::from_mins(10)), ..POLICY };
        assert_eq!(
            session(0, 0).evaluate_refresh(0, at(500), &with_max_age),
            RefreshOutcome::Advance { to: 1, expires_at: at(600), invalidates_earlier: true }
        );
        assert_eq!(session(0, 0).evaluate_refresh(0, at(600), &with_max_age), RefreshOutcome::Rejected);
        assert!(session(0, 0).is_live(at(599), &with_max_age) && !session(0, 0).is_live(at(600), &with_max_age));
        assert!(session(0, 0).is_live(at(600), &POLICY), "the maximum age is read at each check");
    }

    proptest! {
        /// For any sequence of presented tokens and waiting times: a generation has one successor, the generation of a
        /// live session only increases, and a token older than the previous one ends the session.
        #[test]
        fn generations_only_increase(steps in prop::collection::vec((0u32..6, 0i64..30), 1..40)) {
            let mut session = session(0, 0);
            let mut now = at(0);
            for (generations_back, wait) in steps {
                now = now + Duration::from_secs(wait.unsigned_abs());
                let presented = session.generation.saturating_sub(generations_back);
                match session.evaluate_refresh(presented, now, &POLICY) {
                    RefreshOutcome::Advance { to, expires_at, invalidates_earlier } => {
                        prop_assert_eq!((presented, to), (session.generation, session.generation + 1));
                        prop_assert!(invalidates_earlier && expires_at >= session.expires_at);
                        let rotated_at = now;
                        session = Session { generation: to, min_generation: to, rotated_at, expires_at, ..session };
                    }
                    RefreshOutcome::Repeat => prop_assert_eq!(presented + 1, session.generation),
                    RefreshOutcome::Reuse => {
                        prop_assert!(presented < session.generation);
                        session.ended = Some((now, EndReason::Reuse));
                    }
                    RefreshOutcome::Ahead => prop_assert!(presented > session.generation),
                    RefreshOutcome::Rejected => prop_assert!(!session.is_live(now, &POLICY)),
                }
            }
        }
    }
}
