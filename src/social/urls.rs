//! Checks URLs from the settings.

use url::Url;

use super::error::ProviderError;
use crate::fetch::endpoint::parse_endpoint;

/// Checks a configured URL. `provider` and `name` identify the setting in the error.
pub(super) fn parse(provider: &str, name: &str, text: &str) -> Result<Url, ProviderError> {
    parse_endpoint(text).map_err(|what| ProviderError::InvalidResponse(format!("{provider}: {name} {what}")))
}

/// Checks the configured URL, or the default one if none is configured.
pub(super) fn or_default(provider: &str, name: &str, url: Option<&str>, default: &str) -> Result<Url, ProviderError> {
    parse(provider, name, url.unwrap_or(default))
}

/// Returns the issuer of a provider without an issuer of its own: the origin of its token endpoint. A user id from
/// another origin may belong to another user.
pub(super) fn id_issuer(token: &Url) -> String {
    token.origin().ascii_serialization()
}
