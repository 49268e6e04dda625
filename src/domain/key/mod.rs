//! The lifecycle of signing keys: the dates of a key, the states computed from them, and the rules by which a key ring
//! changes (`schedule`, `change`). The key material itself belongs to `crypto`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::algorithm::Algorithm;
use super::time::Timestamp;

mod change;
#[cfg(test)]
mod properties;
mod rotation_preview;
mod schedule;

pub use change::{KeyChangeError, RevocationPlan, RotationPlan};
pub use rotation_preview::{NextRotation, RevocationPreview, RotationPreview, Successor};
pub use schedule::{InvalidDates, Schedule};

/// The length of a thumbprint in characters: 32 bytes in base64url without padding.
const KID_LENGTH: usize = 43;

/// The time after which every running server is assumed to have loaded a changed ring: 2 s as documented, 1 s because
/// dates are whole seconds, and 2 s for a slow disk between the date of a change and its write.
const RING_RELOAD_MAX: Duration = Duration::from_secs(5);

/// A key id: the key's RFC 7638 thumbprint (SHA-256, base64url). Its characters are safe in a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Kid(String);

/// The text is not an RFC 7638 thumbprint of 43 base64url characters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a key id (43 characters of base64url)")]
pub struct NotAKid(pub String);

impl Kid {
    /// Parses a thumbprint. Rejects all other texts, so that a `kid` cannot name a file outside the key folder.
    pub fn parse(text: &str) -> Result<Self, NotAKid> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.len() == KID_LENGTH && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAKid(text.to_owned()))
        }
    }

    /// The thumbprint's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Kid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Kid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A key and its dates. The state of the key is computed from the dates and the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The key id.
    pub kid: Kid,
    /// The algorithm the key signs with.
    pub alg: Algorithm,
    /// When the key was created and published.
    pub created_at: Timestamp,
    /// When the key begins to sign.
    pub signs_from: Timestamp,
    /// When the key stops signing: the `signs_from` of its successor. `None` while it has no successor.
    pub signs_until: Option<Timestamp>,
    /// When the key leaves the JWKS. Set if and only if `signs_until` is set. No access token signed by the key expires
    /// later.
    pub published_until: Option<Timestamp>,
    /// When the key was revoked. A revoked key stays revoked even if the clock is set back.
    pub revoked_at: Option<Timestamp>,
}

/// The state of a key in its lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published but not signing yet, so that verifiers know the key before it signs.
    Next,
    /// Published and signing.
    Active,
    /// No longer signing. Published until the last access token it signed has expired.
    Retiring,
    /// No longer published. Kept only to verify the issuer's own signed refresh tokens.
    Retired,
    /// Revoked: removed from the JWKS immediately and permanently.
    Revoked,
}

impl KeyState {
    /// The name of the state, as `keys list` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Key {
    /// The state of the key at `now`.
    pub fn state(&self, now: Timestamp) -> KeyState {
        let passed = |date: Option<Timestamp>| date.is_some_and(|date| date <= now);
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if now < self.signs_from {
            KeyState::Next
        } else if !passed(self.signs_until) {
            KeyState::Active
        } else if !passed(self.published_until) {
            KeyState::Retiring
        } else {
            KeyState::Retired
        }
    }

    /// Whether the key is in the JWKS at `now`.
    pub fn is_published(&self, now: Timestamp) -> bool {
        matches!(self.state(now), KeyState::Next | KeyState::Active | KeyState::Retiring)
    }

    /// Whether the key signs at `now`.
    pub fn is_signing(&self, now: Timestamp) -> bool {
        self.state(now) == KeyState::Active
    }

    /// Whether the private half is kept at `now`: from the creation of the key until it stops signing.
    pub fn has_private_half(&self, now: Timestamp) -> bool {
        matches!(self.state(now), KeyState::Next | KeyState::Active)
    }

    /// The key as `keys list --json` shows it.
    pub fn listed(&self, now: Timestamp) -> ListedKey<'_> {
        ListedKey {
            kid: &self.kid,
            alg: self.alg,
            state: self.state(now),
            created_at: self.created_at,
            signs_from: self.signs_from,
            signs_until: self.signs_until,
            published_until: self.published_until,
            revoked_at: self.revoked_at,
        }
    }
}

/// A row of `keys list --json`: the dates, and the state at the time of the listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `Key`")]
pub struct ListedKey<'a> {
    pub kid: &'a Kid,
    pub alg: Algorithm,
    pub state: KeyState,
    pub created_at: Timestamp,
    pub signs_from: Timestamp,
    pub signs_until: Option<Timestamp>,
    pub published_until: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
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

/// The `typ` header of a token (RFC 7519 §5.1), which states the purpose of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Typ {
    /// Any JWT. Every verifier accepts this value.
    #[serde(rename = "JWT")]
    Jwt,
    /// An access token according to RFC 9068 §2.1.
    #[serde(rename = "at+jwt")]
    AtJwt,
    /// A refresh token, which only the issuer accepts.
    #[serde(rename = "refresh+jwt")]
    RefreshJwt,
}

impl Typ {
    /// Every `typ` that the issuer signs.
    pub const ALL: [Self; 3] = [Self::Jwt, Self::AtJwt, Self::RefreshJwt];

    /// The value of the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::AtJwt => "at+jwt",
            Self::RefreshJwt => "refresh+jwt",
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn key() -> Key {
        Key {
            kid: Kid::parse(&"k".repeat(43)).unwrap(),
            alg: Algorithm::Es256,
            created_at: at(0),
            signs_from: at(10),
            signs_until: Some(at(20)),
            published_until: Some(at(30)),
            revoked_at: None,
        }
    }

    #[test]
    fn a_state_begins_at_its_date() {
        let expected = [
            (0, KeyState::Next, true, false, true),
            (9, KeyState::Next, true, false, true),
            (10, KeyState::Active, true, true, true),
            (19, KeyState::Active, true, true, true),
            (20, KeyState::Retiring, true, false, false),
            (29, KeyState::Retiring, true, false, false),
            (30, KeyState::Retired, false, false, false),
        ];
        for (now, state, published, signs, private) in expected {
            let key = key();
            let now = at(now);
            assert_eq!(key.state(now), state);
            assert_eq!(
                (key.is_published(now), key.is_signing(now), key.has_private_half(now)),
                (published, signs, private)
            );
        }
    }

    #[test]
    fn a_revoked_key_stays_revoked_when_the_clock_steps_back() {
        let key = Key { revoked_at: Some(at(15)), ..key() };
        for now in [0, 14, 15, 100] {
            assert_eq!(key.state(at(now)), KeyState::Revoked);
            assert!(!key.is_published(at(now)) && !key.is_signing(at(now)) && !key.has_private_half(at(now)));
        }
    }

    #[test]
    fn only_a_thumbprint_is_a_kid() {
        let valid = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(Kid::parse(valid).unwrap().as_str(), valid);
        for invalid in ["", "short", "../../../../../../etc/passwd..............", &"k".repeat(44), &"é".repeat(22)] {
            assert!(Kid::parse(invalid).is_err(), "{invalid}");
            assert!(serde_json::from_value::<Kid>(invalid.into()).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_listed_key_has_the_documented_members() {
        let json = serde_json::to_string(&Key { signs_until: None, published_until: None, ..key() }.listed(at(12)));
        let expected = format!(
            r#"{{"kid":"{}","alg":"ES256","state":"active","created_at":"1970-01-01T00:00:00Z","signs_from":"1970-01-01T00:00:10Z","signs_until":null,"published_until":null,"revoked_at":null}}"#,
            "k".repeat(43)
        );
        assert_eq!(json.unwrap(), expected);
    }

    #[test]
    fn the_serialised_typ_equals_the_signed_typ() {
        for typ in Typ::ALL {
            assert_eq!(serde_json::to_value(typ).unwrap(), typ.name());
        }
    }
}
