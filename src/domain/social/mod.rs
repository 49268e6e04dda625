//! Sign-in with a provider: the identity that the provider reports, the user that this identity signs in, and the user
//! name of a new user.
//!
//! The decisions are pure functions. The top-level module `social` verifies that the identity comes from the provider.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::{SessionId, Subject, UserId};
use super::secret::SecretText;
use super::time::Timestamp;
use super::user::Email;

pub mod link_decision;
pub mod provider_options;
pub mod username;

/// The maximum length of a provider name in characters.
pub const PROVIDER_NAME_MAX: usize = 32;
/// The maximum length of a provider's user id in characters (OpenID Connect Core 1.0 §2).
pub const SOCIAL_ID_MAX: usize = 255;
/// How long a user may take to sign in with the provider.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);

/// A provider name, which is also a path segment of its routes: 1 to [`PROVIDER_NAME_MAX`] characters of `a-z`, `0-9`
/// and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderName(String);

/// The text is not a provider name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a provider name must have 1 to {PROVIDER_NAME_MAX} characters of a-z, 0-9 and -")]
pub struct NotAProviderName;

impl ProviderName {
    /// Parses and checks a name.
    pub fn parse(text: &str) -> Result<Self, NotAProviderName> {
        let is_allowed = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if is_allowed && (1..=PROVIDER_NAME_MAX).contains(&text.len()) {
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

/// The tokens with which the issuer calls a provider on behalf of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialTokens {
    /// The access token.
    pub access: SecretText,
    /// The refresh token. `None` if the provider issued none.
    pub refresh: Option<SecretText>,
    /// When the access token expires. `None` if the provider did not state it.
    pub expires_at: Option<Timestamp>,
}

/// The identity of a user at a provider. All values are verified to come from the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialIdentity {
    /// The provider.
    pub provider: ProviderName,
    /// The provider's issuer, to which the social id belongs (OpenID Connect Core 1.0 §5.7). For a provider without an
    /// issuer of its own: the origin of its token endpoint.
    pub issuer: String,
    /// The provider's id of the user: 1 to [`SOCIAL_ID_MAX`] characters. The provider never assigns it to another user.
    pub social_id: String,
    /// The user name at the provider, unchecked.
    pub username: Option<String>,
    /// The e-mail address.
    pub email: Option<Email>,
    /// Whether the provider states that the user owns the address.
    pub email_verified: bool,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// The tokens that the provider issued in this sign-in.
    pub tokens: SocialTokens,
}

/// A sign-in whose callback has not arrived yet. The browser stores it in a sealed cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInAttempt {
    /// The provider to which the browser was redirected.
    pub provider: ProviderName,
    /// The `state` that the callback must contain, so that a page of another origin cannot complete a sign-in
    /// (RFC 6749 §10.12).
    pub state: SecretText,
    /// The `nonce` that the ID token must contain (OpenID Connect Core 1.0 §3.1.2.1).
    pub nonce: SecretText,
    /// The PKCE verifier (RFC 7636 §4.1).
    pub verifier: SecretText,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// The purpose of the attempt.
    pub purpose: AttemptPurpose,
}

/// The purpose of a redirect to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptPurpose {
    /// To sign in.
    SignIn,
    /// To link an account at the provider to the signed-in user.
    Link {
        /// The user.
        sub: Subject,
        /// The session of the request, which must still be live at the callback.
        session: SessionId,
    },
}

impl SignInAttempt {
    /// Whether the callback is still accepted at `now`. An attempt with a start in the future is rejected.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.started_at <= now && now < self.started_at + ATTEMPT_LIFETIME
    }
}

/// A stored token of a provider, sealed and bound to its account.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToken(pub Vec<u8>);

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedToken({} bytes)", self.0.len())
    }
}

/// An account at a provider that is linked to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialAccount {
    /// The provider.
    pub provider: ProviderName,
    /// See [`SocialIdentity::social_id`].
    pub social_id: String,
    /// See [`SocialIdentity::issuer`]. `None` if the issuer is not known yet.
    pub issuer: Option<String>,
    /// The linked user.
    pub user: UserId,
    /// The provider's access token. `None` after it was deleted.
    pub access: Option<SealedToken>,
    /// The provider's refresh token. `None` if the provider issued none.
    pub refresh: Option<SealedToken>,
    /// When the access token expires. `None` if the provider did not state it.
    pub expires_at: Option<Timestamp>,
    /// When the account was linked.
    pub linked_at: Timestamp,
    /// The last sign-in with this account. `None` if there was none.
    pub last_login: Option<Timestamp>,
}

impl SocialAccount {
    /// Whether the account belongs to the provider's current issuer. If the account's issuer is not known yet, it does.
    /// At a different issuer, the same social id may belong to another user.
    pub fn is_of(&self, issuer: &str) -> bool {
        self.issuer.as_deref().is_none_or(|linked| linked == issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_name_is_a_path_segment() {
        for valid in ["google", "a", "work-2", &"a".repeat(32)] {
            assert_eq!(ProviderName::parse(valid).map(|name| name.to_string()).as_deref(), Ok(valid));
        }
        for invalid in ["", "Google", "a b", "a/b", "é", &"a".repeat(33)] {
            assert_eq!(ProviderName::parse(invalid), Err(NotAProviderName), "{invalid}");
        }
        assert!(serde_json::from_str::<ProviderName>("\"../up\"").is_err());
    }

    pub(super) fn identity(email_verified: bool) -> SocialIdentity {
        SocialIdentity {
            provider: ProviderName("google".to_owned()),
            issuer: "https://accounts.google.com".to_owned(),
            social_id: "1".to_owned(),
            username: None,
            email: Email::parse("ann@example.com").ok(),
            email_verified,
            first_name: String::new(),
            last_name: String::new(),
            tokens: SocialTokens { access: SecretText::new("hush".to_owned()), refresh: None, expires_at: None },
        }
    }

    #[test]
    fn a_provider_id_belongs_to_one_issuer() {
        let account = |issuer: Option<&str>| SocialAccount {
            provider: ProviderName("corp".to_owned()),
            social_id: "1".to_owned(),
            issuer: issuer.map(str::to_owned),
            user: UserId(1),
            access: None,
            refresh: None,
            expires_at: None,
            linked_at: Timestamp::from_unix(0),
            last_login: None,
        };
        for (linked, current, same) in [
            (Some("https://a.example"), "https://a.example", true),
            (Some("https://a.example"), "https://b.example", false),
            (Some("https://a.example"), "https://a.example/", false),
            (None, "https://b.example", true),
        ] {
            assert_eq!(account(linked).is_of(current), same, "{linked:?} {current}");
        }
    }

    #[test]
    fn a_sign_in_attempt_expires() {
        let started_at = Timestamp::from_unix(1000);
        let secret = || SecretText::new("x".to_owned());
        let provider = ProviderName("google".to_owned());
        let state = secret();
        let nonce = secret();
        let verifier = secret();
        let attempt = SignInAttempt { provider, state, nonce, verifier, started_at, purpose: AttemptPurpose::SignIn };
        for (now, live) in [(999, false), (1000, true), (1599, true), (1600, false)] {
            assert_eq!(attempt.is_live(Timestamp::from_unix(now)), live, "{now}");
        }
    }
}
