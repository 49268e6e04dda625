//! Request smuggling, path traversal and oversized requests.

use std::fmt::Write as _;

use serde_json::json;

use super::raw::{send_raw, statuses};
use crate::support::{PASSWORD, TestServer};

/// Sends raw bytes from a blocking thread.
async fn send(server: &TestServer, bytes: impl Into<Vec<u8>>) -> String {
    let url = server.url.clone();
    let bytes = bytes.into();
    tokio::task::spawn_blocking(move || send_raw(&url, &bytes)).await.unwrap()
}

/// The status of the first response, in any version of HTTP.
fn first_status(received: &str) -> Option<&str> {
    received.split(' ').nth(1)
}

/// A request that is hidden behind the body of another request. If the server handled it, the received text would
/// contain `uptime`.
const SMUGGLED: &str = "GET /liveliness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Returns requests for which two servers may disagree where the body ends.
fn ambiguous(path: &str) -> Vec<(&'static str, String)> {
    let post = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    let length = SMUGGLED.len();
    vec![
        (
            "a length, then chunks",
            format!("{post}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunks, then a length",
            format!("{post}transfer-encoding: chunked\r\ncontent-length: {length}\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        ("chunks alone", format!("{post}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}")),
        ("two lengths", format!("{post}content-length: 0\r\ncontent-length: {length}\r\n\r\n{SMUGGLED}")),
        ("two lengths in one header", format!("{post}content-length: 0, {length}\r\n\r\n{SMUGGLED}")),
        ("a signed length", format!("{post}content-length: +0\r\n\r\n{SMUGGLED}")),
        ("a negative length", format!("{post}content-length: -1\r\n\r\n{SMUGGLED}")),
        ("a length in hex", format!("{post}content-length: 0x0\r\n\r\n{SMUGGLED}")),
        ("a length that overflows", format!("{post}content-length: 99999999999999999999999\r\n\r\n{SMUGGLED}")),
        ("an unknown coding", format!("{post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}")),
        (
            "chunked, but not as the last coding",
            format!("{post}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        ("a vertical tab before chunked", format!("{post}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n{SMUGGLED}")),
        ("a space before the colon", format!("{post}transfer-encoding : chunked\r\n\r\n0\r\n\r\n{SMUGGLED}")),
        ("a folded line", format!("{post}x: y\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}")),
        ("a negative chunk size", format!("{post}transfer-encoding: chunked\r\n\r\n-1\r\n\r\n{SMUGGLED}")),
        (
            "a chunk size that overflows",
            format!("{post}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunks in HTTP/1.0",
            format!("{post}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}")
                .replace("HTTP/1.1\r\nhost: x\r\ncontent-type", "HTTP/1.0\r\nhost: x\r\ncontent-type"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn request_smuggling_is_rejected() {
    let server = TestServer::start().await;
    for path in ["/auth", "/.well-known/jwks.json", "/nowhere"] {
        for (case, request) in ambiguous(path) {
            let received = send(&server, request).await;
            assert!(!received.contains("uptime"), "{case} at {path}: {received}");
            let statuses = statuses(&received);
            assert!(statuses.len() <= 1 && statuses.iter().all(|status| *status < 500), "{case} at {path}: {received}");
        }
    }
    // A correctly delimited second request is handled.
    let two = format!("POST /auth HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n{SMUGGLED}");
    let received = send(&server, two).await;
    assert!(received.contains("uptime") && statuses(&received).len() == 2, "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_head_is_rejected() {
    let server = TestServer::start().await;
    let rows: [(&str, &[u8]); 12] = [
        ("a NUL in a value", b"GET /liveliness HTTP/1.1\r\nhost: x\r\nx: \0\r\n\r\n"),
        ("a bare CR in a value", b"GET /liveliness HTTP/1.1\r\nhost: x\r\nx: a\rb: c\r\n\r\n"),
        ("a name with a space", b"GET /liveliness HTTP/1.1\r\nhost: x\r\nx y: z\r\n\r\n"),
        ("a line without a colon", b"GET /liveliness HTTP/1.1\r\nhost: x\r\nxyz\r\n\r\n"),
        ("no name", b"GET /liveliness HTTP/1.1\r\nhost: x\r\n: z\r\n\r\n"),
        ("a NUL in the path", b"GET /live\0liness HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("a space in the path", b"GET /live liness HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("an unknown version", b"GET /liveliness HTTP/9.9\r\nhost: x\r\n\r\n"),
        ("HTTP/2 prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        ("not HTTP", b"\r\n\r\nhello there\r\n\r\n"),
        ("a method with a NUL", b"G\0T /liveliness HTTP/1.1\r\nhost: x\r\n\r\n"),
    ];
    for (case, bytes) in rows {
        let received = send(&server, bytes).await;
        assert!(!received.contains("uptime"), "{case}: {received}");
        assert!(
            statuses(&received).iter().all(|status| (400..500).contains(status) || *status == 505),
            "{case}: {received}"
        );
    }
    server.get("/liveliness").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_needs_exactly_one_host() {
    let server = TestServer::start().await;
    for path in ["/.well-known/jwks.json", "/liveliness", "/nowhere"] {
        let request =
            |version: &str, hosts: &str| format!("GET {path} HTTP/{version}\r\n{hosts}x: y\r\n\r\n{SMUGGLED}");
        for (case, hosts) in [
            ("none", ""),
            ("two", "host: x\r\nhost: evil.example\r\n"),
            ("the same twice", "Host: x\r\nhost: x\r\n"),
            ("an empty one", "host:\r\n"),
            ("only white space", "host: \t \r\n"),
            ("two in one header", "host: x, evil.example\r\n"),
            ("a path", "host: x/evil.example\r\n"),
            ("a user", "host: evil.example@x\r\n"),
            ("an invalid port", "host: x:evil\r\n"),
            ("a truncated address", "host: [::1\r\n"),
            ("not ASCII", "host: ev\u{ef}l.example\r\n"),
        ] {
            let received = send(&server, request("1.1", hosts)).await;
            assert_eq!(statuses(&received), [400], "{case} at {path}: {received}");
            assert!(
                received.contains(r#""code":"wrong_host""#) && !received.contains("evil"),
                "{case} at {path}: {received}"
            );
        }
        let two = send(&server, request("1.0", "host: x\r\nhost: y\r\n")).await;
        assert_eq!(first_status(&two), Some("400"), "{path}: {two}");
        let none = send(&server, request("1.0", "")).await;
        assert_eq!(first_status(&none), Some(if path == "/nowhere" { "404" } else { "200" }), "{path}: {none}");
    }
    for host in ["x", "id.example.org:443", "[::1]:8080", "127.0.0.1"] {
        let request = format!("GET /liveliness HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert!(send(&server, request).await.contains("uptime"), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsupported_transfer_coding_is_rejected() {
    let server = TestServer::start().await;
    let chunked = "2\r\n{}\r\n0\r\n\r\n";
    for path in ["/auth", "/.well-known/jwks.json", "/nowhere"] {
        for codings in [
            "gzip, chunked",
            "GZIP,Chunked",
            "identity, chunked",
            "chunked, chunked",
            "xchunked, chunked",
            ", chunked",
            "gzip\r\ntransfer-encoding: chunked",
            "chunked\r\ntransfer-encoding: chunked",
        ] {
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
            let response =
                send(&server, format!("{head}transfer-encoding: {codings}\r\n\r\n{chunked}{SMUGGLED}")).await;
            assert_eq!(statuses(&response), [501], "{codings:?} at {path}: {response}");
            assert!(response.contains(r#""code":"unknown_transfer_coding""#), "{codings:?} at {path}: {response}");
        }
    }
    for coding in ["chunked", "Chunked", "CHUNKED \t"] {
        let head = "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        let response = send(&server, format!("{head}transfer-encoding: {coding}\r\n\r\n{chunked}")).await;
        assert_eq!(statuses(&response), [400], "{coding}: {response}");
        assert!(response.contains("username is required"), "the body was not read: {response}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn path_traversal_reaches_no_route_or_file() {
    let server = TestServer::start().await;
    for path in [
        "//auth",
        "/./auth",
        "/x/../auth",
        "/%2e/auth",
        "/x/%2e%2e/auth",
        "/%61uth",
        "/auth%2f",
        "/auth%00",
        "/auth;x=y",
        "/AUTH",
        "/auth//",
        "\\auth",
        "/auth%5c",
        "/auth.json",
        "/%c0%afauth",
        "/api//login/",
        "/api/%2fme/",
        "/api/me/..",
        "/../keys/secret",
        "/%2e%2e/%2e%2e/keys/secret",
        "/..%2fkeys%2fsecret",
        "/keys/ring.json",
        "/data/countersign.db",
        "/.git/config",
        "/countersign.toml",
        "/etc/passwd",
        "//evil.example/auth",
        "/api-doc/../../keys/ring.json",
    ] {
        for method in ["GET", "POST"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            let received = send(&server, request).await;
            let statuses = statuses(&received);
            assert!(matches!(statuses[..], [400 | 404 | 405]), "{method} {path}: {received}");
            assert!(
                !received.contains("evil.example") && !received.contains("location:"),
                "{method} {path}: {received}"
            );
        }
    }
    // The request target in absolute form contains another host, which the server ignores.
    let absolute = "GET http://evil.example/.well-known/openid-configuration HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    let received = send(&server, absolute).await;
    assert!(!received.contains("evil.example") && received.contains(&server.url), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_requests_are_rejected_and_not_buffered() {
    let server = TestServer::with_anna().await;
    let request_with = |more: &str| format!("GET /liveliness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
    let mut header_lines = String::new();
    for number in 0..500 {
        let _ = write!(header_lines, "x-{number}: y\r\n");
    }
    let rows = [
        ("a long value", request_with(&format!("x: {}\r\n", "y".repeat(100_000)))),
        ("a long name", request_with(&format!("{}: y\r\n", "x".repeat(100_000)))),
        ("many headers", request_with(&header_lines)),
        ("a long path", format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "a".repeat(100_000))),
        (
            "a long query",
            format!("GET /liveliness?{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "a".repeat(100_000)),
        ),
        ("a long method", format!("{} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "A".repeat(100_000))),
    ];
    for (case, request) in rows {
        let response = send(&server, request).await;
        let received_statuses = statuses(&response);
        assert!(matches!(received_statuses[..], [] | [400 | 404 | 414 | 431]), "{case}: {response}");
    }
    let mut many_fields = String::new();
    for number in 0..8000 {
        let _ = write!(many_fields, "a{number}=1&");
    }
    let deep = format!("{{\"username\":{}", "[".repeat(60_000));
    let long = json!({"username": "a".repeat(60_000), "password": "b"}).to_string();
    let name = json!({"a".repeat(60_000): 1}).to_string();
    for (case, kind, body) in [
        ("many fields", "application/x-www-form-urlencoded", many_fields),
        ("deep JSON", "application/json", deep),
        ("a long text", "application/json", long),
        ("a long name", "application/json", name),
        ("a body above the limit", "application/json", " ".repeat(65_537)),
        ("a form above the limit", "application/x-www-form-urlencoded", "a".repeat(65_537)),
        ("parts without an end", "multipart/form-data; boundary=x", "--x\r\n".repeat(10_000)),
        ("a boundary that matches every byte", "multipart/form-data; boundary=-", "-".repeat(60_000)),
    ] {
        for path in ["/auth", "/signin", "/restore", "/api/login/", "/api/token/", "/api/token/verify/"] {
            let length = body.len();
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\n");
            let response = send(&server, format!("{head}content-length: {length}\r\n\r\n{body}")).await;
            // The client may receive no response if the server rejects the request while the client is still sending.
            let received_statuses = statuses(&response);
            assert!(received_statuses.iter().all(|status| (400..500).contains(status)), "{case} at {path}: {response}");
        }
    }
    server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await.is(200);
}
