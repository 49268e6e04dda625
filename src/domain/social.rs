//! Sign-in at somebody else's: what a provider says of a person, which account of ours that opens, and what name a new
//! one gets. The decisions are pure; who said so was checked elsewhere.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::{SessionId, Subject};
use super::secret::SecretText;
use super::time::Timestamp;
use super::user::Email;

/// The greatest number of characters in a provider's name.
pub const PROVIDER_NAME_MAX: usize = 32;
/// The greatest number of characters in a provider's id for a person (OpenID Connect Core 1.0 §2).
pub const SOCIAL_ID_MAX: usize = 255;
/// How long a person may take at the provider.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);

/// A provider's name, which is also the path it is offered under: 1 to [`PROVIDER_NAME_MAX`] of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderName(String);

/// The text can't name a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a provider's name is 1 to {PROVIDER_NAME_MAX} of a-z, 0-9 and -")]
pub struct NotAProviderName;

impl ProviderName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, NotAProviderName> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if plain && (1..=PROVIDER_NAME_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAProviderName)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ProviderName {
    type Err = NotAProviderName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ProviderName {
    type Error = NotAProviderName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ProviderName> for String {
    fn from(name: ProviderName) -> Self {
        name.0
    }
}

/// What a provider gave us to ask it things in a person's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialTokens {
    /// The access token.
    pub access: SecretText,
    /// What the access token is renewed with; None where the provider gives none, or none again.
    pub refresh: Option<SecretText>,
    /// When the access token ends, as far as the provider said.
    pub expires_at: Option<Timestamp>,
}

/// What a provider says of the person who signed in there, all of it checked to be the provider's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialIdentity {
    /// Who says it.
    pub provider: ProviderName,
    /// The provider's id for the person: 1 to [`SOCIAL_ID_MAX`] characters, never given to another.
    pub social_id: String,
    /// The name the person has there, unchecked.
    pub username: Option<String>,
    /// The person's address.
    pub email: Option<Email>,
    /// Whether the provider says that the address was proven to be the person's.
    pub email_verified: bool,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// What the provider gave us with it.
    pub tokens: SocialTokens,
}

/// A sign-in that was begun and has not come back yet. The browser keeps it, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInAttempt {
    /// Where the browser was sent.
    pub provider: ProviderName,
    /// What the provider must send back, so that no other page can finish it (RFC 6749 §10.12).
    pub state: SecretText,
    /// What the ID token must hold (OpenID Connect Core 1.0 §3.1.2.1).
    pub nonce: SecretText,
    /// The PKCE verifier (RFC 7636 §4.1).
    pub verifier: SecretText,
    /// When.
    pub begun_at: Timestamp,
    /// What for.
    pub purpose: Purpose,
}

/// What a person goes to a provider for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To sign in.
    SignIn,
    /// To have another way in to the account they are signed in to.
    Link {
        /// Whose account.
        sub: Subject,
        /// The session it was asked for in, which must still live when they come back.
        session: SessionId,
    },
}

impl SignInAttempt {
    /// Whether the person may still come back with it. One that begins in the future is none of ours.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.begun_at <= now && now < self.begun_at + ATTEMPT_LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_name_is_a_path_segment() {
        for good in ["google", "a", "work-2", &"a".repeat(32)] {
            assert_eq!(ProviderName::parse(good).map(|name| name.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "Google", "a b", "a/b", "é", &"a".repeat(33)] {
            assert_eq!(ProviderName::parse(bad), Err(NotAProviderName), "{bad}");
        }
        assert!(serde_json::from_str::<ProviderName>("\"../up\"").is_err());
    }
}
