//! What the providers are made from: values, read from settings elsewhere.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::public_url::PublicUrl;
use crate::domain::secret::SecretText;
use crate::domain::social::ProviderName;

/// Which providers there are, and how they are talked to.
#[derive(Clone, Debug)]
pub struct SocialOptions {
    /// Where browsers come back: `<public_url>/<name>/callback/`.
    pub public_url: PublicUrl,
    /// By how much the clocks of providers may differ from ours.
    pub leeway: Duration,
    /// Tells how old what was fetched is.
    pub clock: Clock,
    /// How long a provider may take, and how much it may say.
    pub limits: WebLimits,
    /// Google; None: not offered.
    pub google: Option<KnownProvider>,
    /// GitHub; None: not offered.
    pub github: Option<KnownProvider>,
    /// Facebook; None: not offered.
    pub facebook: Option<KnownProvider>,
    /// Providers that describe themselves, each under a name of its own.
    pub oidc: Vec<(ProviderName, OidcProvider)>,
}

/// A well-known provider. URLs that are not set are the provider's own.
#[derive(Clone, Debug)]
pub struct KnownProvider {
    /// Who we are to it.
    pub client_id: String,
    /// How we prove it.
    pub client_secret: SecretText,
    /// Where browsers are sent (RFC 6749 §3.1).
    pub authorize_url: Option<String>,
    /// Where codes are changed for tokens (RFC 6749 §3.2).
    pub token_url: Option<String>,
    /// Where it says who signed in.
    pub userinfo_url: Option<String>,
    /// Where it lists e-mail addresses and whether they are verified.
    pub emails_url: Option<String>,
    /// The `iss` of its ID tokens, and of its callbacks.
    pub issuer: Option<String>,
    /// Where its keys are.
    pub jwks_url: Option<String>,
}

impl KnownProvider {
    /// The `iss` that is set, or the usual one, unless browsers are sent elsewhere than usual.
    pub(super) fn issuer_or(&self, usual: &str) -> Option<String> {
        self.issuer.clone().or_else(|| self.authorize_url.is_none().then(|| usual.to_owned()))
    }
}

/// A provider that describes itself (OpenID Connect Discovery 1.0 §4).
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// Its issuer URL.
    pub issuer: String,
    /// Who we are to it.
    pub client_id: String,
    /// How we prove it; None for a public client (PKCE alone).
    pub client_secret: Option<SecretText>,
    /// What is asked for; `openid` is asked for in any case.
    pub scopes: Vec<String>,
}

/// How long a provider may take, and how much it may say.
#[derive(Clone, Copy, Debug)]
pub struct WebLimits {
    /// The longest a connection may take to stand, TLS included.
    pub connect: Duration,
    /// The longest one request may take, from connecting to the answer's last byte.
    pub total: Duration,
    /// The greatest size of an answer's body in bytes.
    pub body: usize,
}

impl Default for WebLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), total: Duration::from_secs(10), body: 256 * 1024 }
    }
}
