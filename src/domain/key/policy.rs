//! The time spans from which rotations are planned.

use std::time::Duration;

use super::super::time::Timestamp;

/// The time after which every running server is assumed to have loaded a changed ring: 2 s as documented, 1 s because
/// dates are whole seconds, and 2 s for a slow disk between the date of a change and its write.
pub(super) const RING_RELOAD_MAX: Duration = Duration::from_secs(5);

/// The part of the policy that the boot settings give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// `keys.publish_ahead`
    pub publish_ahead: Duration,
    /// `keys.jwks_max_age`
    pub jwks_max_age: Duration,
    /// `tokens.leeway`
    pub leeway: Duration,
}

/// The time spans from which rotations are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// The configured time for which a key is published before it signs (`keys.publish_ahead`). The effective time is
    /// [`KeyPolicy::lead_time`].
    pub publish_ahead: Duration,
    /// How long verifiers may cache the JWKS (`keys.jwks_max_age`).
    pub jwks_max_age: Duration,
    /// The longest access-token lifetime of all profiles.
    pub longest_access: Duration,
    /// The accepted difference between the clocks of issuer and verifiers (`tokens.leeway`).
    pub leeway: Duration,
    /// The latest `exp` of tokens issued before an access-token lifetime was lowered. Keys that may have signed such
    /// tokens stay published until then.
    pub promised_until: Option<Timestamp>,
}

impl KeyPolicy {
    /// How long a new key is published before it signs: at least as long as verifiers may cache the JWKS.
    pub fn lead_time(&self) -> Duration {
        self.publish_ahead.max(self.jwks_max_age)
    }

    /// The minimum time for which a key stays published after `signs_until`. A server may sign with the key until it
    /// has loaded the rotation, and these tokens must also expire before the key leaves the JWKS.
    pub fn retention(&self) -> Duration {
        self.longest_access.saturating_add(self.allowance())
    }

    /// When a key that stops signing at `signs_until` leaves the JWKS.
    pub fn published_until(&self, signs_until: Timestamp) -> Timestamp {
        let promised = self.promised_until.map_or(signs_until, |until| until + self.allowance());
        promised.max(signs_until + self.retention())
    }

    /// The allowance for differing clocks and for servers that load a rotation late.
    fn allowance(&self) -> Duration {
        self.leeway.max(RING_RELOAD_MAX)
    }
}
