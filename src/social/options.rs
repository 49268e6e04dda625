//! The options of the providers. `app` fills them from the settings.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::public_url::PublicUrl;
use crate::domain::secret::SecretText;
use crate::domain::social::ProviderName;
use crate::fetch::client::FetchLimits;

/// The providers, and the common options of requests to them.
#[derive(Clone, Debug)]
pub struct SocialOptions {
    /// The base of the callback URLs `<public_url>/<name>/callback/`.
    pub public_url: PublicUrl,
    /// The tolerated difference between a provider's clock and the local clock.
    pub leeway: Duration,
    /// The clock that measures the age of cached documents.
    pub clock: Clock,
    /// The limits of a request to a provider.
    pub limits: FetchLimits,
    /// Google. `None`: not configured.
    pub google: Option<KnownProvider>,
    /// GitHub. `None`: not configured.
    pub github: Option<KnownProvider>,
    /// Facebook. `None`: not configured.
    pub facebook: Option<KnownProvider>,
    /// Other OpenID Connect providers, with their names.
    pub oidc: Vec<(ProviderName, OidcProvider)>,
}

/// A well-known provider. For a URL that is `None`, the provider's published URL is used. For Google with an `issuer`
/// and without a `jwks_url`, the discovery document of the issuer is used instead.
#[derive(Clone, Debug)]
pub struct KnownProvider {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: SecretText,
    /// The authorization endpoint (RFC 6749 §3.1).
    pub authorize_url: Option<String>,
    /// The token endpoint (RFC 6749 §3.2).
    pub token_url: Option<String>,
    /// The endpoint that returns the user.
    pub userinfo_url: Option<String>,
    /// The endpoint that lists the user's e-mail addresses and whether they are verified. Only used for GitHub.
    pub emails_url: Option<String>,
    /// The `iss` of ID tokens and callbacks. `None`: the published one, except if GitHub or Facebook have an
    /// `authorize_url`; then `iss` is not checked.
    pub issuer: Option<String>,
    /// The URL of the JWKS. Only used for Google.
    pub jwks_url: Option<String>,
}

impl KnownProvider {
    /// Returns the configured issuer, or the default one. `None` if `authorize_url` is configured without an issuer,
    /// because the default issuer does not belong to that URL.
    pub(super) fn issuer_or(&self, default: &str) -> Option<String> {
        self.issuer.clone().or_else(|| self.authorize_url.is_none().then(|| default.to_owned()))
    }
}

/// A provider with a discovery document (OpenID Connect Discovery 1.0 §4).
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// The issuer URL.
    pub issuer: String,
    /// The client id.
    pub client_id: String,
    /// The client secret. `None` for a public client, which uses only PKCE.
    pub client_secret: Option<SecretText>,
    /// The requested scopes. `openid` is always added.
    pub scopes: Vec<String>,
}
