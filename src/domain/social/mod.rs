//! Sign-in at somebody else's: what a provider says of a person, which account of ours that opens, and what name a new
//! one gets. The decisions are pure; who said so was checked elsewhere.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::{SessionId, Subject, UserId};
use super::secret::SecretText;
use super::time::Timestamp;
use super::user::{Email, User};

mod username;

pub use username::usernames;

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
    /// The provider's issuer, where it has one: whose id for the person it is (OpenID Connect Core 1.0 §5.7).
    pub issuer: Option<String>,
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
    pub purpose: AttemptPurpose,
}

/// What a person goes to a provider for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptPurpose {
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

/// A provider's token as it is kept: sealed, for this account alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToken(pub Vec<u8>);

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedToken({} bytes)", self.0.len())
    }
}

/// A person's account at a provider, and whose account here it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialAccount {
    /// Where.
    pub provider: ProviderName,
    /// See [`SocialIdentity::social_id`].
    pub social_id: String,
    /// See [`SocialIdentity::issuer`]. None, too, where it is not known yet.
    pub issuer: Option<String>,
    /// Whose.
    pub user: UserId,
    /// The provider's access token; None once it was forgotten.
    pub access: Option<SealedToken>,
    /// The provider's refresh token; None where it gave none.
    pub refresh: Option<SealedToken>,
    /// When the access token ends, as far as the provider said.
    pub expires_at: Option<Timestamp>,
    /// Since when it opens the account.
    pub linked_at: Timestamp,
    /// When it last did.
    pub last_login: Option<Timestamp>,
}

impl SocialAccount {
    /// Whether it is one of this issuer's, as far as is known. The same id of another issuer's is another person.
    pub fn is_of(&self, issuer: Option<&str>) -> bool {
        self.issuer.as_deref().zip(issuer).is_none_or(|(linked, now)| linked == now)
    }
}

/// What the store knows of somebody who comes from a provider.
#[derive(Clone, Copy, Debug)]
pub struct IdentityMatches<'a> {
    /// Whose account this account at the provider opens.
    pub linked: Option<&'a User>,
    /// Who has the address that the provider tells.
    pub by_email: Option<&'a User>,
    /// Whether that user has an account of the same provider already.
    pub has_one: bool,
    /// Whether anybody has the address, as an address or as a name.
    pub address_claimed: bool,
}

/// What follows when somebody comes from a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDecision {
    /// The linked account is opened.
    Linked,
    /// The account with the same address is opened, and linked from now on.
    ByEmail,
    /// An account is made.
    New {
        /// Whether it gets the address, as a verified one.
        with_email: bool,
    },
    /// The account is disabled: nothing is opened or made.
    Disabled,
}

/// Decides. An address links accounts only where both sides have verified it: who wrote another's address into either
/// of them must not get into the other. A disabled user does not come in again as a new one.
pub fn decide_link(identity: &SocialIdentity, known: IdentityMatches<'_>) -> LinkDecision {
    if let Some(user) = known.linked {
        return if user.is_active { LinkDecision::Linked } else { LinkDecision::Disabled };
    }
    match known.by_email.filter(|user| identity.email_verified && user.email_verified) {
        Some(user) if !user.is_active => LinkDecision::Disabled,
        Some(_) if !known.has_one => LinkDecision::ByEmail,
        _ => LinkDecision::New {
            with_email: identity.email.is_some() && identity.email_verified && !known.address_claimed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::user::Username;
    use super::*;

    #[test]
    fn a_provider_name_is_a_path_segment() {
        for good in ["google", "a", "work-2", &"a".repeat(32)] {
            assert_eq!(ProviderName::parse(good).map(|name| name.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "Google", "a b", "a/b", "é", &"a".repeat(33)] {
            assert_eq!(ProviderName::parse(bad), Err(NotAProviderName), "{bad}");
        }
        assert!(serde_json::from_str::<ProviderName>("\"../up\"").is_err());
    }

    pub(super) fn identity(email_verified: bool) -> SocialIdentity {
        SocialIdentity {
            provider: ProviderName("google".to_owned()),
            issuer: None,
            social_id: "1".to_owned(),
            username: None,
            email: Email::parse("ann@example.com").ok(),
            email_verified,
            first_name: String::new(),
            last_name: String::new(),
            tokens: SocialTokens { access: SecretText::new("hush".to_owned()), refresh: None, expires_at: None },
        }
    }

    fn user(email_verified: bool, is_active: bool) -> User {
        User {
            id: UserId(1),
            sub: Subject(uuid::Uuid::nil()),
            username: Username::from_stored("ann".to_owned()),
            email: Email::parse("ann@example.com").ok(),
            email_verified,
            first_name: String::new(),
            last_name: String::new(),
            password: None,
            must_change_password: false,
            is_active,
            is_staff: false,
            is_superuser: false,
            claims: super::super::claims::Claims::default(),
            date_joined: Timestamp::from_unix(0),
            last_login: None,
        }
    }

    const NOBODY: IdentityMatches<'static> =
        IdentityMatches { linked: None, by_email: None, has_one: false, address_claimed: false };

    #[test]
    fn a_linked_account_signs_in_whatever_the_address() {
        let active = user(false, true);
        let disabled = user(true, false);
        let other = user(true, true);
        for verified in [false, true] {
            let known = IdentityMatches { by_email: Some(&other), address_claimed: true, ..NOBODY };
            assert_eq!(
                decide_link(&identity(verified), IdentityMatches { linked: Some(&active), ..known }),
                LinkDecision::Linked
            );
            assert_eq!(
                decide_link(&identity(verified), IdentityMatches { linked: Some(&disabled), ..known }),
                LinkDecision::Disabled
            );
        }
    }

    #[test]
    fn an_address_links_only_if_both_sides_verified_it() {
        let without = LinkDecision::New { with_email: false };
        for (theirs, ours, active, has_one, expected) in [
            (true, true, true, false, LinkDecision::ByEmail),
            (true, true, true, true, without),
            (true, true, false, false, LinkDecision::Disabled),
            (true, true, false, true, LinkDecision::Disabled),
            (true, false, true, false, without),
            (true, false, false, false, without),
            (false, true, true, false, without),
            (false, true, false, false, without),
            (false, false, true, false, without),
        ] {
            let found = user(ours, active);
            let known = IdentityMatches { by_email: Some(&found), has_one, address_claimed: true, ..NOBODY };
            let told = format!("theirs {theirs}, ours {ours}, active {active}, has one {has_one}");
            assert_eq!(decide_link(&identity(theirs), known), expected, "{told}");
        }
    }

    #[test]
    fn a_new_account_gets_only_a_verified_unused_address() {
        let with_email = |identity: &SocialIdentity, address_claimed| {
            decide_link(identity, IdentityMatches { address_claimed, ..NOBODY })
                == LinkDecision::New { with_email: true }
        };
        assert!(with_email(&identity(true), false));
        assert!(!with_email(&identity(true), true), "somebody has it as a name");
        assert!(!with_email(&identity(false), false));
        assert!(!with_email(&SocialIdentity { email: None, ..identity(true) }, false));
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
        for (linked, now, same) in [
            (Some("https://a.example"), Some("https://a.example"), true),
            (Some("https://a.example"), Some("https://b.example"), false),
            (Some("https://a.example"), Some("https://a.example/"), false),
            (None, Some("https://b.example"), true),
            (Some("https://a.example"), None, true),
            (None, None, true),
        ] {
            assert_eq!(account(linked).is_of(now), same, "{linked:?} {now:?}");
        }
    }

    #[test]
    fn a_sign_in_attempt_expires() {
        let begun_at = Timestamp::from_unix(1000);
        let secret = || SecretText::new("x".to_owned());
        let provider = ProviderName("google".to_owned());
        let state = secret();
        let nonce = secret();
        let verifier = secret();
        let attempt = SignInAttempt { provider, state, nonce, verifier, begun_at, purpose: AttemptPurpose::SignIn };
        for (now, live) in [(999, false), (1000, true), (1599, true), (1600, false)] {
            assert_eq!(attempt.is_live(Timestamp::from_unix(now)), live, "{now}");
        }
    }
}
