//! URLs that somebody set, and where they are wrong.

use url::Url;

use super::error::SocialError;
use super::web::endpoint;

/// Checks a URL from the settings: `name` of `provider`.
pub(super) fn set(provider: &str, name: &str, text: &str) -> Result<Url, SocialError> {
    endpoint(text).map_err(|what| SocialError::Nonsense(format!("{provider}: {name} {what}")))
}

/// The one that is set, or else the usual one.
pub(super) fn or_usual(provider: &str, name: &str, url: Option<&str>, usual: &str) -> Result<Url, SocialError> {
    set(provider, name, url.unwrap_or(usual))
}
