//! The public URL, under which callers reach the service. Links, hosts and the default issuer are derived from it,
//! never from a request.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::{Host, Url};

/// The maximum length of a public URL in bytes. It equals the limit of `iss`, because the URL is the default `iss` of
/// every token.
pub const PUBLIC_URL_MAX: usize = 512;

/// An `http` or `https` URL with a host, an optional port and an optional path. It has no user, query, fragment or
/// trailing slash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    text: String,
    url: Url,
}

impl PublicUrl {
    /// The whole URL, such as `https://id.example.com/auth`: host in lower case, no default port, no trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port in the form of an `Origin` header (RFC 6454 §6.2), such as `https://id.example.com`.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The host: a name in ASCII, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The path before every route, such as `/auth`. Empty if the URL has no path.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Whether callers connect over TLS, so that cookies are `Secure`.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether the host is a loopback host: `localhost`, `*.localhost`, `127.0.0.0/8` or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The URL of a route. `route` must begin with a slash.
    pub fn join(&self, route: &str) -> String {
        format!("{}{route}", self.text)
    }
}

/// Whether the host of a URL is a loopback host: `localhost`, `*.localhost`, `127.0.0.0/8` or `[::1]`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicUrl({})", self.text)
    }
}

impl Serialize for PublicUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Why a text is rejected as a public URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPublicUrl {
    /// The text is not a URL, has another scheme or has no host.
    #[error("not a URL that callers can use; write http:// or https:// and a host, as in \"https://id.example.com\"")]
    Malformed,
    /// The URL contains `user:password@`.
    #[error("must not contain a user name or password")]
    User,
    /// The URL contains `?…` or `#…`.
    #[error("must not contain a query (?) or fragment (#)")]
    Query,
    /// The host is `0.0.0.0` or `[::]`, which callers cannot connect to.
    #[error("0.0.0.0 and [::] mean \"every address of this machine\"; write the name or address that callers use")]
    Unspecified,
    /// The URL is longer than [`PUBLIC_URL_MAX`].
    #[error("must have at most 512 bytes, because every token contains it")]
    TooLong,
}

impl FromStr for PublicUrl {
    type Err = NotAPublicUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = parse(text)?;
        match url.host().ok_or(NotAPublicUrl::Malformed)? {
            Host::Ipv4(Ipv4Addr::UNSPECIFIED) | Host::Ipv6(Ipv6Addr::UNSPECIFIED) => Err(NotAPublicUrl::Unspecified),
            _ if url.as_str().len() > PUBLIC_URL_MAX => Err(NotAPublicUrl::TooLong),
            _ => Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), url }),
        }
    }
}

/// Parses a URL strictly. The `url` crate accepts what browsers accept (spaces, tabs, backslashes, missing slashes); in
/// a setting these are probably mistakes.
fn parse(text: &str) -> Result<Url, NotAPublicUrl> {
    let is_invalid = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let (_, rest) = text.split_once("://").ok_or(NotAPublicUrl::Malformed)?;
    if text.contains(is_invalid) || rest.starts_with('/') {
        return Err(NotAPublicUrl::Malformed);
    }
    let url = Url::parse(text).map_err(|_| NotAPublicUrl::Malformed)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(NotAPublicUrl::Malformed);
    }
    if rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
        return Err(NotAPublicUrl::User);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(NotAPublicUrl::Query);
    }
    Ok(url)
}

/// The URL of a server that listens on `address`. For an unspecified address (`0.0.0.0`, `[::]`) the host is
/// `127.0.0.1`.
pub fn local_url(address: std::net::SocketAddr, https: bool) -> String {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    let scheme = if https { "https" } else { "http" };
    format!("{scheme}://{}", std::net::SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_public_url_is_normalised() {
        for (text, normalised) in [
            ("https://id.example.com", "https://id.example.com"),
            ("https://ID.example.com/", "https://id.example.com"),
            ("https://id.example.com:443", "https://id.example.com"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("https://example.com/auth/", "https://example.com/auth"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().map(|url| url.to_string()).as_deref(), Ok(normalised), "{text}");
        }
    }

    #[test]
    fn a_public_url_returns_its_parts() {
        let url: PublicUrl = "https://id.example.com:8443/auth".parse().unwrap();
        assert_eq!(
            (url.origin().as_str(), url.host(), url.path()),
            ("https://id.example.com:8443", "id.example.com", "/auth")
        );
        assert_eq!(url.join("/restore"), "https://id.example.com:8443/auth/restore");
        assert!(url.is_https() && !url.is_loopback());
        let bare: PublicUrl = "http://localhost".parse().unwrap();
        assert_eq!((bare.path(), bare.is_https(), bare.is_loopback()), ("", false, true));
    }

    #[test]
    fn an_unusable_public_url_is_rejected() {
        use NotAPublicUrl::{Malformed, Query, TooLong, Unspecified, User};
        let long = format!("https://id.example.com/{}", "a".repeat(PUBLIC_URL_MAX));
        for (text, why) in [
            ("", Malformed),
            ("id.example.com", Malformed),
            ("localhost:8080", Malformed),
            ("https:id.example.com", Malformed),
            ("https:///id.example.com", Malformed),
            ("ftp://id.example.com", Malformed),
            ("https:// id.example.com", Malformed),
            ("https://id.example.com\n", Malformed),
            ("https:\\\\id.example.com", Malformed),
            ("https://me:secret@id.example.com", User),
            ("https://@id.example.com", User),
            ("https://id.example.com/?a=1", Query),
            ("https://id.example.com/#top", Query),
            ("http://0.0.0.0:8080", Unspecified),
            ("http://[::]:8080", Unspecified),
            (&long, TooLong),
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_on_loopback() {
        for (listen, https, url) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080"),
            ("0.0.0.0:8080", true, "https://127.0.0.1:8080"),
            ("[::]:80", false, "http://127.0.0.1:80"),
            ("[::1]:9000", false, "http://[::1]:9000"),
        ] {
            assert_eq!(local_url(listen.parse().unwrap(), https), url);
        }
    }
}
