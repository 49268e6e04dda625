//! The URLs to which requests may be sent, and their form in error messages.

use std::fmt;

use url::Url;

use crate::domain::public_url::is_loopback;

/// Parses and checks the URL of an endpoint: `https`, or `http` to a loopback host, without a user and a fragment.
///
/// # Errors
/// What is wrong with the URL, as the end of a sentence.
pub fn parse_endpoint(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !is_safe(&url) {
        return Err("must begin with https:// (http:// is allowed only for loopback hosts)");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must contain neither a user nor a fragment (#)");
    }
    Ok(url)
}

/// Whether data sent to the URL is protected in transit: `https`, or `http` to a loopback host.
pub(super) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Formats a URL for error messages: origin and path, without the query, which may contain secrets.
pub struct DisplayUrl<'a>(pub &'a Url);

impl fmt::Display for DisplayUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.origin().ascii_serialization(), self.0.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_endpoint_urls_are_rejected() {
        for valid in ["https://e.com/t?x=1", "http://localhost:9/t", "http://[::1]/t", "http://127.0.0.1/"] {
            assert!(parse_endpoint(valid).is_ok(), "{valid}");
        }
        for invalid in
            ["", "e.com/t", "http://e.com/t", "https://me:pw@e.com/t", "https://e.com/t#x", "data:text/plain,x"]
        {
            assert!(parse_endpoint(invalid).is_err(), "{invalid}");
        }
    }
}
