//! Checks URLs from the settings.

use url::Url;

use super::error::SocialError;
use super::web::endpoint;

/// Checks a configured URL. `provider` and `name` identify the setting in the error.
pub(super) fn parse(provider: &str, name: &str, text: &str) -> Result<Url, SocialError> {
    endpoint(text).map_err(|what| SocialError::InvalidResponse(format!("{provider}: {name} {what}")))
}

/// Checks the configured URL, or the default one if none is configured.
pub(super) fn or_default(provider: &str, name: &str, url: Option<&str>, default: &str) -> Result<Url, SocialError> {
    parse(provider, name, url.unwrap_or(default))
}
