//! A key with its dates, and the states that follow from the dates and the time. It changes no date.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::algorithm::Algorithm;
use super::super::time::Timestamp;
use super::kid::Kid;

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
    fn a_listed_key_has_the_documented_members() {
        let json = serde_json::to_string(&Key { signs_until: None, published_until: None, ..key() }.listed(at(12)));
        let expected = format!(
            r#"{{"kid":"{}","alg":"ES256","state":"active","created_at":"1970-01-01T00:00:00Z","signs_from":"1970-01-01T00:00:10Z","signs_until":null,"published_until":null,"revoked_at":null}}"#,
            "k".repeat(43)
        );
        assert_eq!(json.unwrap(), expected);
    }
}
