//! Sign-in at providers: where browsers are sent, and who came back from there.
//!
//! It owns the talk with providers, and the proof that what they say is their word and meant for us. It must not decide
//! whom that opens an account to, keep anything but what a provider publishes, or know how a browser is bound to its
//! attempt: that is for the use cases and the routes.

mod error;
mod options;

pub use error::SocialError;
pub use options::{KnownProvider, OidcProvider, SocialOptions, WebLimits};

use crate::domain::secret::SecretText;
use crate::domain::social::{ProviderName, SignInAttempt, SocialIdentity, SocialTokens};
use crate::domain::time::Timestamp;

/// What a browser brings back from a provider, besides the state, which is checked before (RFC 6749 §4.1.2).
#[derive(Clone, Debug)]
pub struct Callback {
    /// What is changed for tokens.
    pub code: SecretText,
    /// Who the browser says it comes from (RFC 9207 §2).
    pub iss: Option<String>,
}

/// The providers that are offered.
#[derive(Debug)]
pub struct Providers {
    all: Vec<Provider>,
}

/// One provider.
#[derive(Debug)]
pub struct Provider {
    name: ProviderName,
    label: String,
}

impl Providers {
    /// Reads the options; talks to nobody yet.
    pub fn new(_options: SocialOptions) -> Result<Self, SocialError> {
        Ok(Self { all: Vec::new() })
    }

    /// The provider of that name.
    pub fn find(&self, name: &str) -> Option<&Provider> {
        self.offered().find(|provider| provider.name.as_str() == name)
    }

    /// All providers, in the order in which people are shown them.
    pub fn offered(&self) -> impl Iterator<Item = &Provider> {
        self.all.iter()
    }
}

impl Provider {
    /// Its name, which is also the path it is offered under.
    pub fn name(&self) -> &ProviderName {
        &self.name
    }

    /// Its name for people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether its access tokens can be renewed.
    pub fn can_refresh(&self) -> bool {
        false
    }

    /// Where to send the browser (RFC 6749 §4.1.1).
    #[expect(clippy::unused_async, reason = "a provider that describes itself is asked first")]
    pub async fn authorize_url(&self, _attempt: &SignInAttempt) -> Result<String, SocialError> {
        Err(SocialError::NoToken)
    }

    /// Who came back: changes the code for tokens, and takes the provider's word for who they are of, once it is proven.
    #[expect(clippy::unused_async, reason = "the provider is asked")]
    pub async fn identify(
        &self,
        _callback: &Callback,
        _attempt: &SignInAttempt,
        _now: Timestamp,
    ) -> Result<SocialIdentity, SocialError> {
        Err(SocialError::NoToken)
    }

    /// A new access token for a refresh token (RFC 6749 §6).
    #[expect(clippy::unused_async, reason = "the provider is asked")]
    pub async fn refresh(&self, _token: &SecretText, _now: Timestamp) -> Result<SocialTokens, SocialError> {
        Err(SocialError::NoToken)
    }
}
