//! The URLs to which requests may be sent, the addresses to which they may lead, and their form in error messages.

use std::fmt;

use url::{Host, Url};

use super::public_address::is_public;
use crate::domain::public_url::is_loopback;

/// The addresses to which a connection may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any address. The operator chose the host.
    Any,
    /// Addresses of the public internet. Another server chose the host, and must not send a request with a secret to a
    /// service of this host or its network.
    Public,
}

/// A URL to which requests may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    reach: Reach,
}

impl Endpoint {
    /// An endpoint that the operator chose.
    pub fn configured(url: Url) -> Self {
        Self { url, reach: Reach::Any }
    }

    /// Parses and checks a URL in a document that the server of `source` published. It must be `https`, and must not
    /// lead to this host or a private network, unless `source` itself does: its own scheme, host and port are allowed,
    /// and if `source` is a loopback URL, every loopback URL.
    ///
    /// # Errors
    /// What is wrong with the URL, as the end of a sentence.
    pub fn published(text: &str, source: &Url) -> Result<Self, &'static str> {
        let url = parse_endpoint(text)?;
        if url.origin() == source.origin() || (is_loopback(&url) && is_loopback(source)) {
            return Ok(Self { url, reach: Reach::Any });
        }
        if url.scheme() != "https" {
            return Err("must begin with https:// (http:// is allowed only if the issuer is a loopback URL too)");
        }
        if !may_be_public(&url) {
            return Err("must not name this host or a private network");
        }
        Ok(Self { url, reach: Reach::Public })
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The addresses to which a connection may be made.
    pub fn reach(&self) -> Reach {
        self.reach
    }
}

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

/// Whether the host of the URL is a public address, or a name other than those of this host. The addresses of a name
/// are checked when it is resolved.
pub(super) fn may_be_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name != "localhost" && !name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        None => false,
    }
}

/// Formats a URL for error messages: origin and path, without the query, which may contain secrets.
pub struct DisplayUrl<'a>(pub &'a Url);

impl fmt::Display for DisplayUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.origin().ascii_serialization(), self.0.path())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
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

    /// The addresses that a URL may have if the server of `source` names it.
    fn reach(text: &str, source: &str) -> Result<Reach, &'static str> {
        Endpoint::published(text, &Url::parse(source).unwrap()).map(|endpoint| endpoint.reach())
    }

    #[test]
    fn a_published_url_must_not_lead_into_the_private_network() {
        let issuer = "https://op.example/realm";
        for url in [
            "http://127.0.0.1:9000/",
            "https://127.0.0.1:9000/",
            "https://localhost/t",
            "https://LOCALHOST./t",
            "https://op.localhost/t",
            "https://127.1/t",
            "https://0x7f000001/t",
            "https://2130706433/t",
            "https://0.0.0.0/t",
            "https://10.0.0.1/t",
            "https://172.16.0.1/t",
            "https://192.168.0.1/t",
            "https://100.64.0.1/t",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/t",
            "https://[::]/t",
            "https://[::ffff:127.0.0.1]/t",
            "https://[::ffff:a00:1]/t",
            "https://[64:ff9b::7f00:1]/t",
            "https://[fd00:ec2::254]/t",
            "https://[fe80::1]/t",
            "http://op.example/t",
            "http://op.example:443/t",
            "ftp://op.example/t",
        ] {
            assert!(reach(url, issuer).is_err(), "{url}");
        }
        for url in ["https://keys.example/jwks", "https://op.example:8443/t", "https://1.1.1.1/t", "https://e.com./t"] {
            assert_eq!(reach(url, issuer), Ok(Reach::Public), "{url}");
        }
        assert_eq!(reach("https://op.example:443/t", issuer), Ok(Reach::Any), "the issuer's own origin");
    }

    #[test]
    fn a_private_issuer_may_name_itself_and_a_loopback_issuer_every_loopback_url() {
        for (url, issuer, expected) in [
            ("https://10.0.0.1/t", "https://10.0.0.1/realm", Some(Reach::Any)),
            ("https://10.0.0.2/t", "https://10.0.0.1/realm", None),
            ("https://10.0.0.1:9000/t", "https://10.0.0.1/realm", None),
            ("http://127.0.0.1:9000/t", "http://localhost:8000", Some(Reach::Any)),
            ("https://localhost:9000/t", "http://127.0.0.1:8000", Some(Reach::Any)),
            ("http://[::1]:9000/t", "https://localhost:8000", Some(Reach::Any)),
            ("https://10.0.0.1/t", "http://127.0.0.1:8000", None),
            ("https://op.example/t", "http://127.0.0.1:8000", Some(Reach::Public)),
        ] {
            assert_eq!(reach(url, issuer).ok(), expected, "{url} {issuer}");
        }
    }
}
