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
use super::network::CallerNetwork;
use super::origin::Origin;
use super::refresh_key::RefreshKey;
use super::social::ProviderName;
use super::time::Timestamp;

/// The maximum number of live sessions of one user, in all dialects together. If one more is opened, the least recently
/// used one ends.
pub const SESSIONS_MAX: u32 = 100;

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
    /// When the session was last opened, refreshed or renewed.
    pub used_at: Timestamp,
    /// When the session expires.
    pub expires_at: Timestamp,
    /// When and why the session was ended before it expired. `None` if it was not.
    pub ended: Option<(Timestamp, EndReason)>,
    /// When the temporary password was set with which the session was opened. The tokens then have the claim
    /// `must_change_password`, and the session ends when the password expires. `None` if the password was not temporary,
    /// or if it was changed since.
    pub temporary_since: Option<Timestamp>,
    /// The address from which the session was opened.
    pub address: Option<IpAddr>,
    /// The provider of the sign-in that opened the session. `None` if a password or an operator opened it.
    pub provider: Option<ProviderName>,
    /// The key of the session's refresh UUIDs. `None` in dialects without them, and until the next refresh of a session
    /// that was opened before sessions had keys.
    pub refresh_key: Option<RefreshKey>,
    /// The repeats of refreshes within the grace period.
    pub repeats: Repeats,
}

/// The repeats of refreshes within the grace period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeats {
    /// The network of the caller that rotated the refresh token last. `None` before the first rotation, and until the
    /// next rotation of a session that was rotated before networks were stored.
    pub rotated_from: Option<CallerNetwork>,
    /// How often that network has repeated the last rotation.
    pub from_same_network: u32,
    /// How often other networks have repeated a rotation of the session. A rotation does not reset it.
    pub from_other_networks: u32,
}

/// How often the network that rotated a refresh token may repeat the rotation within the grace period.
const REPEATS_MAX: u32 = 2;
/// How often in the life of a session other networks may repeat a rotation. A phone may change its network between a
/// request and its retry. A thief who shares a session with its owner repeats rotations all the time.
const REPEATS_FROM_OTHER_NETWORKS_MAX: u32 = 1;

/// A repeat of a refresh that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The network that rotated the token repeats the rotation.
    SameNetwork,
    /// Another network repeats the rotation.
    OtherNetwork,
    /// The rotation left the token valid, so that a repeat proves nothing and is not counted.
    StillValid,
}

impl Repeats {
    /// The repeat that a caller in `network` makes; `None` if the repeats are used up. A caller without a network counts
    /// as the one that rotated.
    fn next(&self, network: Option<CallerNetwork>) -> Option<Repeat> {
        let is_elsewhere =
            self.rotated_from.zip(network).is_some_and(|(rotated_from, network)| rotated_from != network);
        if is_elsewhere {
            (self.from_other_networks < REPEATS_FROM_OTHER_NETWORKS_MAX).then_some(Repeat::OtherNetwork)
        } else {
            (self.from_same_network < REPEATS_MAX).then_some(Repeat::SameNetwork)
        }
    }
}

closed_set! {
    /// Why a session ended before it expired.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum EndReason {
        /// The user signed out.
        SignOut = "sign_out",
        /// The password was changed, in this session or in another.
        PasswordChanged = "password_changed",
        /// The password was reset.
        PasswordReset = "password_reset",
        /// The user was disabled.
        Disabled = "disabled",
        /// A refresh token that a rotation had invalidated was presented.
        Reuse = "reuse",
        /// An operator ended the session.
        Operator = "operator",
        /// All sessions of the user were ended, more than one write can change.
        AllOfUser = "all_of_user",
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
    /// How long a temporary password is valid. A session that was opened with it ends with it.
    pub temporary_lifetime: Duration,
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
    /// A retry or a second browser tab within the grace period: the caller gets the same successor, and only the repeat
    /// is counted.
    Repeat(Repeat),
    /// An earlier rotation has invalidated the token, and the repeats within the grace period are used up: the session
    /// ends.
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

    /// Whether the session is live: not ended, not expired, not at its maximum age, and not opened with a temporary
    /// password that has expired. The limits may have been set after the session was opened.
    pub fn is_live(&self, now: Timestamp, policy: &RefreshPolicy) -> bool {
        self.is_unexpired(now) && self.limits(policy).all(|end| now < end)
    }

    /// The expiry of the session after a refresh at `now`, limited by the maximum age of the session and by the expiry
    /// of a temporary password.
    pub fn extended_expiry(&self, now: Timestamp, policy: &RefreshPolicy) -> Timestamp {
        self.limits(policy).fold(now + policy.lifetime, Timestamp::min)
    }

    /// The times at which the session ends regardless of refreshes.
    fn limits(&self, policy: &RefreshPolicy) -> impl Iterator<Item = Timestamp> {
        let max_age = policy.max_age.map(|max_age| self.opened_at + max_age);
        let temporary_until = self.temporary_since.map(|since| since + policy.temporary_lifetime);
        max_age.into_iter().chain(temporary_until)
    }

    /// The outcome of presenting a refresh token of `generation` at `now`, from `network`.
    pub fn evaluate_refresh(
        &self,
        generation: u32,
        network: Option<CallerNetwork>,
        now: Timestamp,
        policy: &RefreshPolicy,
    ) -> RefreshOutcome {
        if !self.is_live(now, policy) {
            return RefreshOutcome::Rejected;
        }
        let expires_at = self.extended_expiry(now, policy);
        let is_valid = generation >= self.min_generation;
        match self.generation.checked_sub(generation) {
            None => RefreshOutcome::Ahead,
            Some(1) if policy.is_within_grace(now.since(self.rotated_at)) => {
                let repeat = if is_valid { Some(Repeat::StillValid) } else { self.repeats.next(network) };
                repeat.map_or(RefreshOutcome::Reuse, RefreshOutcome::Repeat)
            }
            Some(_) if !is_valid => RefreshOutcome::Reuse,
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
