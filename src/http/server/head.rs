//! What every request's head must be, whatever its route: what two servers in a row might read differently is answered
//! here and goes no further. Costs a good request no memory.

use std::net::Ipv6Addr;

use axum::http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Request, StatusCode, Version};
use axum::response::Response;

use crate::http::reply;

/// The answer to a head that can't be taken, after which the connection ends; None for a good one.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<Response> {
    if !has_one_host(request.headers(), request.version()) {
        let message = "send one Host header, which names a host";
        return Some(closing(reply::error(StatusCode::BAD_REQUEST, "wrong_host", message)));
    }
    if !has_known_coding(request.headers()) {
        let message = "send the body as it is, or by transfer-encoding: chunked alone";
        return Some(closing(reply::error(StatusCode::NOT_IMPLEMENTED, "unknown_transfer_coding", message)));
    }
    None
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether the body comes as it is, or in chunks and in no other coding (RFC 9112 §6.1). hyper looks at the last coding
/// alone, and would take what is compressed for the body.
fn has_known_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Whether there is one `Host`, and a valid one (RFC 9112 §3.2); HTTP/1.0 may do without. Of two, whoever stands before
/// us may have gone by the other.
fn has_one_host(headers: &HeaderMap, version: Version) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// Whether it is a name or an address, with or without a port (RFC 3986 §3.2.2). No http URL has an empty one.
fn is_host(text: &[u8]) -> bool {
    let end = if text.starts_with(b"[") { b']' } else { b':' };
    let at = text.iter().position(|byte| *byte == end).unwrap_or(text.len());
    let (host, rest) = text.split_at(at);
    let (valid, port) = match host {
        [b'[', address @ ..] => (is_ipv6(address), rest.get(1..)),
        name => (is_name(name), Some(rest)),
    };
    valid && port.is_some_and(|port| port.is_empty() || (port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit)))
}

fn is_ipv6(address: &[u8]) -> bool {
    str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

fn is_name(name: &[u8]) -> bool {
    let may_be = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    let mut escapes = name.split(|byte| *byte == b'%').skip(1);
    let is_escape = |text: &[u8]| text.len() >= 2 && text[..2].iter().all(u8::is_ascii_hexdigit);
    !name.is_empty() && name.iter().all(may_be) && escapes.all(is_escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_address_with_an_optional_port() {
        for good in ["x", "id.example.org", "id.example.org:8443", "127.0.0.1:8080", "[::1]", "[::ffff:192.0.2.1]:1"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for good in ["a_b-c.~", "x:", "xn--bcher-kva.example", "a%2db", "EXAMPLE.ORG.", "!$&'()*+;="] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in ["", ":80", " ", "a b", "a/b", "a?b", "a#b", "user@a", "a:b", "a:1:2", "a:-1", "a:+1", "\\"] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
        for bad in ["::1", "[::1", "[]", "[x]", "[::1]x", "[::1]]", "[::1]:x", "a[::1]", "a%2", "a%zz", "a\"", "<a>"] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
        assert!(!is_host("bücher.example".as_bytes()), "it is written in ASCII");
    }

    #[test]
    fn http_1_1_needs_exactly_one_host_header() {
        let headers = |hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_static(host));
            }
            headers
        };
        for (hosts, new, old) in [
            (&[][..], false, true),
            (&["x"], true, true),
            (&[""], false, false),
            (&["x", "x"], false, false),
            (&["x", "y"], false, false),
        ] {
            let accepted = [Version::HTTP_11, Version::HTTP_10].map(|version| has_one_host(&headers(hosts), version));
            assert_eq!(accepted, [new, old], "{hosts:?}");
        }
    }
}
