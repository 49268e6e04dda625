//! The policy by which rotations are planned. It is computed here only.

use super::super::context::Issuer;
use crate::domain::key::{KeyPolicy, KeyTimes};
use crate::domain::setting::snapshot::Settings;

/// The policy with the current runtime settings of a server.
pub fn policy(issuer: &Issuer) -> KeyPolicy {
    policy_with(&issuer.policy.keys, &issuer.settings())
}

/// Combines the boot settings and the runtime settings.
pub(super) fn policy_with(times: &KeyTimes, settings: &Settings) -> KeyPolicy {
    KeyPolicy {
        publish_ahead: times.publish_ahead,
        jwks_max_age: times.jwks_max_age,
        leeway: times.leeway,
        longest_access: settings.longest_access_lifetime(),
        promised_until: settings.promised_until(),
    }
}
