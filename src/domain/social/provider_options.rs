//! The options of a provider. The configuration reads them, and the client of the provider uses them.

use super::super::secret::SecretText;

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
    pub fn issuer_or(&self, default: &str) -> Option<String> {
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
