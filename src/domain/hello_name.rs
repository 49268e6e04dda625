//! The name with which the server introduces itself to a mail server.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use url::Host;

use super::public_url::PublicUrl;

/// The maximum length of a domain name in bytes (RFC 5321 §4.5.3.1.2).
const NAME_MAX: usize = 255;

/// The argument of EHLO (RFC 5321 §4.1.1.1): a domain name in ASCII, or an address literal (RFC 5321 §4.1.3) such as
/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloName(String);

impl HelloName {
    /// Parses a domain name, in Unicode or ASCII, or an address with or without brackets.
    ///
    /// # Errors
    /// What is wrong with the text, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let problem = "must be a host name or an address without port, such as \"id.example.com\" or \"192.0.2.1\"";
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = match inner {
            Some(inner) if inner.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:")) => &inner[5..],
            Some(inner) => inner,
            None => text,
        };
        match (address.parse().map(Self::literal), inner) {
            (Ok(literal), _) => Ok(literal),
            (Err(_), Some(_)) => Err(problem),
            (Err(_), None) => Self::name(text).ok_or(problem),
        }
    }

    /// The host of the public URL, or `[127.0.0.1]` if that host is neither an address nor a name that is valid in SMTP.
    pub fn of(public_url: &PublicUrl) -> Self {
        Self::parse(public_url.host()).unwrap_or_else(|_| Self::literal(Ipv4Addr::LOCALHOST.into()))
    }

    fn literal(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[IPv6:{address}]"),
        })
    }

    /// A domain name in ASCII. `url` would decode `%`, and reads `1.2` and `0x7f` as IPv4 addresses.
    fn name(text: &str) -> Option<Self> {
        if text.contains('%') {
            return None;
        }
        let Ok(Host::Domain(name)) = Host::parse(text) else { return None };
        let name = name.strip_suffix('.').unwrap_or(&name);
        let is_label = |label: &str| {
            let edges = [label.as_bytes().first(), label.as_bytes().last()];
            edges.into_iter().all(|edge| edge.is_some_and(u8::is_ascii_alphanumeric))
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        (name.len() <= NAME_MAX && name.split('.').all(is_label)).then(|| Self(name.to_owned()))
    }
}

impl fmt::Display for HelloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_the_public_url_is_the_name_or_an_address_literal() {
        for (url, expected) in [
            ("https://id.example.org", "id.example.org"),
            ("https://ID.Example.org:8443/auth/x", "id.example.org"),
            ("https://id.example.org.", "id.example.org"),
            ("https://m\u{fc}nchen.example", "xn--mnchen-3ya.example"),
            ("https://XN--MNCHEN-3YA.example:444", "xn--mnchen-3ya.example"),
            ("http://localhost:8080", "localhost"),
            ("http://127.0.0.1:8080", "[127.0.0.1]"),
            ("http://192.0.2.7/auth", "[192.0.2.7]"),
            ("http://[::1]:8080/x", "[IPv6:::1]"),
            ("https://[2001:DB8::0:1]", "[IPv6:2001:db8::1]"),
            ("http://auth_server:8080", "[127.0.0.1]"),
        ] {
            assert_eq!(HelloName::of(&url.parse().unwrap()).to_string(), expected, "{url}");
        }
    }

    #[test]
    fn a_configured_name_is_a_domain_or_an_address() {
        for (text, expected) in [
            ("relay.example.org", "relay.example.org"),
            ("Relay", "relay"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("192.0.2.1", "[192.0.2.1]"),
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("2001:db8::1", "[IPv6:2001:db8::1]"),
            ("[2001:db8::1]", "[IPv6:2001:db8::1]"),
            ("[ipv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(HelloName::parse(text).unwrap().to_string(), expected, "{text}");
        }
        let long = format!("{}.example", "a.".repeat(130));
        for invalid in [
            "",
            ".",
            "a..b",
            "id.example.org:25",
            "https://id.example.org",
            "id.example.org/x",
            "a b",
            "a\r\nQUIT",
            "my_host",
            "-a.example",
            "a-.example",
            "%61.example",
            "1.2",
            "0x7f.1",
            "[]",
            "[id.example.org]",
            "[1.2.3.4",
            "me@example.org",
            "[IPv6:1.2.3.4.5]",
            long.as_str(),
        ] {
            assert!(HelloName::parse(invalid).is_err(), "{invalid}");
        }
    }
}
