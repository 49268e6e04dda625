//! The address of the caller: the peer of the connection, or the address that trusted proxies forwarded.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use crate::domain::network::Network;
use crate::http::context::{Http, HttpOptions};
use crate::issuer::Caller;

impl FromRequestParts<Http> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Infallible> {
        Ok(Self { address: of(&parts.extensions, &parts.headers, &http.options) })
    }
}

/// Returns the address of the caller.
pub fn of(extensions: &Extensions, headers: &HeaderMap, options: &HttpOptions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    // A test that calls the router directly has no connection. All its requests come from one caller.
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    behind_proxies(peer, headers, &options.trusted_proxies)
}

/// Reads `X-Forwarded-For` from right to left while the previous hop is a trusted proxy. Entries written by the client
/// are further left and are ignored. An entry that is not an address ends the search.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut caller = peer;
    // A client may send any bytes. They must not hide the entries that proxies append to the same line.
    for hop in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        if !is_trusted(caller) {
            break;
        }
        let Some(address) = str::from_utf8(hop.trim_ascii()).ok().and_then(parse_hop) else { break };
        caller = address;
    }
    caller
}

/// Parses an address. Some proxies add a port or write an IPv6 address in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().or_else(|_| hop.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.ok().or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn caller(peer: &str, forwarded: &[&str]) -> String {
        caller_of_bytes(peer, &forwarded.iter().map(|line| line.as_bytes()).collect::<Vec<_>>())
    }

    fn caller_of_bytes(peer: &str, forwarded: &[&[u8]]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network.parse().expect("valid network"));
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line).expect("valid header value"));
        }
        behind_proxies(peer.parse().expect("valid address"), &headers, &trusted).to_string()
    }

    #[test]
    fn forwarded_headers_are_read_only_from_trusted_proxies() {
        assert_eq!(caller("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
        assert_eq!(caller("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(caller("::1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(caller("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn forwarded_entries_written_by_the_client_are_ignored() {
        assert_eq!(caller("10.0.0.1", &["1.1.1.1, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(caller("10.0.0.1", &["1.1.1.1", "198.51.100.1, 10.0.0.7"]), "198.51.100.1");
        assert_eq!(caller("10.0.0.1", &["1.1.1.1, nonsense, 10.0.0.7"]), "10.0.0.7");
        assert_eq!(caller("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
    }

    #[test]
    fn bytes_further_left_do_not_hide_the_caller() {
        for left in
            [&b"\xe9"[..], b"\xff\xfe\x80", b"caf\xe9 ", b"\t", b"\x80,1.1.1.1,\xc3", "\u{e9}".as_bytes(), b",,"]
        {
            let same_line = [left, b", 198.51.100.7"].concat();
            assert_eq!(caller_of_bytes("10.0.0.1", &[&same_line]), "198.51.100.7", "{left:?}");
            assert_eq!(caller_of_bytes("10.0.0.1", &[left, b"198.51.100.7, 10.0.0.7"]), "198.51.100.7", "{left:?}");
            assert_eq!(caller_of_bytes("10.0.0.1", &[b"1.1.1.1", left, b"10.0.0.7"]), "10.0.0.7", "{left:?}");
        }
    }
}
