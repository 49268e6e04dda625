//! Checks of every request head, independent of the route. Heads that a proxy in front and this server could interpret
//! differently are rejected (request smuggling). A valid request needs no allocation.

use std::net::Ipv6Addr;

use axum::http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Request, StatusCode, Version};
use axum::response::Response;

use crate::http::reply;

/// Returns the error response for an invalid head. The connection closes after it. `None` if the head is valid.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<Response> {
    if !has_one_host(request.headers(), request.version()) {
        let message = "missing or invalid Host header; send exactly one valid Host header";
        return Some(with_connection_close(reply::error(StatusCode::BAD_REQUEST, "wrong_host", message)));
    }
    if !has_known_coding(request.headers()) {
        let message = "unsupported transfer coding; send the body without one or with Transfer-Encoding: chunked only";
        return Some(with_connection_close(reply::error(
            StatusCode::NOT_IMPLEMENTED,
            "unknown_transfer_coding",
            message,
        )));
    }
    None
}

fn with_connection_close(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether the body has no transfer coding or only `chunked` (RFC 9112 §6.1). hyper checks only that `chunked` is the
/// last coding. With another coding before it, the handler would receive compressed data as the body.
fn has_known_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Whether there is exactly one `Host` header with a valid value (RFC 9112 §3.2). HTTP/1.0 may omit it. Two headers are
/// rejected, because a proxy in front may have used the other one to route the request.
fn has_one_host(headers: &HeaderMap, version: Version) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// Whether the text is a host name or an address, with or without a port (RFC 3986 §3.2.2). The host must not be empty,
/// as in every http URL.
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
        for host in ["x", "id.example.org", "id.example.org:8443", "127.0.0.1:8080", "[::1]", "[::ffff:192.0.2.1]:1"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a_b-c.~", "x:", "xn--bcher-kva.example", "a%2db", "EXAMPLE.ORG.", "!$&'()*+;="] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for text in ["", ":80", " ", "a b", "a/b", "a?b", "a#b", "user@a", "a:b", "a:1:2", "a:-1", "a:+1", "\\"] {
            assert!(!is_host(text.as_bytes()), "{text}");
        }
        for text in ["::1", "[::1", "[]", "[x]", "[::1]x", "[::1]]", "[::1]:x", "a[::1]", "a%2", "a%zz", "a\"", "<a>"] {
            assert!(!is_host(text.as_bytes()), "{text}");
        }
        assert!(!is_host("bücher.example".as_bytes()), "a host must be ASCII");
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
