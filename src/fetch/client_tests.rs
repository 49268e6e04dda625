//! Tests of the HTTP client: servers that are down, slow or send invalid responses, and secrets that errors must not
//! contain.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};

use super::client::{FetchError, FetchLimits, FetchOptions, HttpClient};
use super::endpoint::Reach;
use super::testing::{TestReply, TestServer, http_response};

const LIMITS: FetchLimits =
    FetchLimits { connect: Duration::from_secs(30), total: Duration::from_secs(30), body: 1000 };
/// The timeout for servers that never respond.
const SOON: Duration = Duration::from_millis(300);
/// A header value that must not appear in any error.
const TOKEN: &str = "at-1-hunter2";

fn client(limits: FetchLimits) -> HttpClient {
    HttpClient::new(&FetchOptions { limits, ..FetchOptions::default() }).unwrap()
}

async fn fetched(limits: FetchLimits, url: &str) -> Result<Vec<u8>, FetchError> {
    let request = Request::get(url).header("authorization", format!("Bearer {TOKEN}")).body(Vec::new()).unwrap();
    let result = client(limits).send(request, Reach::Any).await;
    if let Err(error) = &result {
        for shown in [error.to_string(), format!("{error:?}")] {
            for hidden in [TOKEN, "proof", "from-the-body"] {
                assert!(!shown.contains(hidden), "{shown}");
            }
        }
    }
    result.map(|response| response.into_body().to_vec())
}

/// The result of a request that gets this reply.
async fn fetch_result(reply: TestReply) -> Result<Vec<u8>, FetchError> {
    let server = TestServer::start().await;
    let total = if matches!(reply, TestReply::Stall(_)) { SOON } else { LIMITS.total };
    server.reply_with("/me", reply);
    let result = fetched(FetchLimits { total, ..LIMITS }, &format!("{}/me?proof=1", server.url)).await;
    assert_eq!(server.requests("/me").len(), 1);
    result
}

fn raw(text: &str) -> TestReply {
    TestReply::Raw(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_request_names_its_host_and_user_agent() {
    let server = TestServer::start().await;
    server.reply_with_json("/me", json!({"id": 7}));
    let body = fetched(LIMITS, &format!("{}/me?proof=1", server.url)).await.unwrap();
    assert_eq!(body, br#"{"id":7}"#);
    let head = server.requests("/me")[0].head.to_lowercase();
    let host = server.url.trim_start_matches("http://");
    assert!(head.starts_with("get /me?proof=1 http/1.1\r\n"), "{head}");
    for line in [
        format!("\r\nhost: {host}"),
        format!("\r\nauthorization: bearer {TOKEN}"),
        "\r\nuser-agent: countersign/".to_owned(),
        "\r\nconnection: close".to_owned(),
    ] {
        assert!(head.contains(&line), "{line}: {head}");
    }
    for absent in ["accept-encoding", "content-length", "cookie", "referer"] {
        assert!(!head.contains(absent), "{head}");
    }
}

#[tokio::test]
async fn a_response_may_end_by_close_or_chunks() {
    assert_eq!(fetch_result(raw("HTTP/1.1 200 OK\r\n\r\n{\"id\":7}")).await, Ok(br#"{"id":7}"#.to_vec()));
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"i\r\n5\r\nd\":7}\r\n0\r\n\r\n";
    assert_eq!(fetch_result(raw(chunks)).await, Ok(br#"{"id":7}"#.to_vec()));
}

/// A response whose head has a few bytes more than `length`.
fn response_with_head_of(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nx-more: {}\r\ncontent-length: 2\r\n\r\n{{}}", "a".repeat(length))
}

#[tokio::test]
async fn a_response_head_may_have_60_kb() {
    assert_eq!(fetch_result(raw(&response_with_head_of(60_000))).await, Ok(b"{}".to_vec()));
}

#[tokio::test]
async fn only_redirects_are_reported_as_redirects() {
    for (status, is_redirect) in [(101, false), (300, true), (303, true), (304, false), (307, true), (308, true)] {
        let reply = raw(&format!("HTTP/1.1 {status} Reason\r\ncontent-length: 0\r\n\r\n"));
        let error = fetch_result(reply).await.unwrap_err();
        let FetchError::Permanent(message) = &error else { panic!("{status}: {error:?}") };
        assert!(message.contains(&format!("/me responded with {status}")), "{message}");
        assert_eq!(message.contains("redirects are not followed"), is_redirect, "{message}");
    }
}

#[tokio::test]
async fn transient_and_permanent_errors_are_distinguished() {
    let big = format!("{{\"a\":\"{}\"}}", "a".repeat(LIMITS.body));
    let chunks = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{big}\r\n0\r\n\r\n", big.len());
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "x-more: and more\r\n".repeat(100_000));
    let big_head = response_with_head_of(66_000);
    let transient: &[(&str, TestReply, &str)] = &[
        ("no response", TestReply::Stall(Vec::new()), "no complete response within 300ms"),
        (
            "half a head",
            TestReply::Stall(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
            "no complete response within 300ms",
        ),
        (
            "half a body",
            TestReply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec()),
            "no complete response within",
        ),
        ("a closed connection", TestReply::Raw(Vec::new()), "/me: connection closed before message completed"),
        (
            "closed in the body",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"from-the-body"),
            "/me: error reading a body from connection",
        ),
        ("no HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "/me: invalid HTTP version parsed"),
        ("an endless head", raw(&endless), "/me: message head is too large"),
        ("a big head", raw(&big_head), "/me: message head is too large"),
        ("a broken server", TestReply::Json(503, json!({"error": "from-the-body"})), "responded with 503"),
        ("too many requests", TestReply::Json(429, json!({})), "responded with 429"),
    ];
    for (what, reply, expected) in transient {
        let error = fetch_result(reply.clone()).await.expect_err(what);
        let FetchError::Transient(message) = &error else { panic!("{what}: {error:?}") };
        assert!(message.starts_with("http://127.0.0.1:"), "{what}: {message}");
        assert!(message.contains(expected), "{what}: {message}");
    }
    let location = "location: https://elsewhere.example/\r\n";
    let permanent: &[(&str, TestReply, &str)] = &[
        ("a big body", TestReply::Raw(http_response(200, "", big.as_bytes())), "more than 1000 bytes"),
        ("a big body in chunks", raw(&chunks), "more than 1000 bytes"),
        ("a redirect", TestReply::Raw(http_response(302, location, b"{}")), "redirects are not followed"),
    ];
    for (what, reply, expected) in permanent {
        let error = fetch_result(reply.clone()).await.expect_err(what);
        let FetchError::Permanent(message) = &error else { panic!("{what}: {error:?}") };
        assert!(message.starts_with("http://127.0.0.1:"), "{what}: {message}");
        assert!(message.contains(expected), "{what}: {message}");
    }
}

#[tokio::test]
async fn an_error_names_the_phase_in_which_a_connection_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let error = fetched(FetchLimits { connect: SOON, ..LIMITS }, &format!("https://{address}/me")).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::Transient(message) if message.contains("no connection within 300ms")),
        "{error}"
    );
    // Bound, so that no other process can bind it, but not listening.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = closed.local_addr().unwrap();
    assert_eq!(
        fetched(LIMITS, "https://foo..example/me").await,
        Err(FetchError::Permanent("https://foo..example/me: invalid host name".to_owned()))
    );
    for scheme in ["http", "https"] {
        let error = fetched(LIMITS, &format!("{scheme}://{address}/me")).await.unwrap_err();
        assert!(
            matches!(&error, FetchError::Transient(message) if message.contains("/me: connecting: Connection refused")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_rejected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    });
    let error = fetched(LIMITS, &format!("https://{address}/me")).await.unwrap_err();
    assert!(error.to_string().contains("/me: TLS handshake: the certificate of the server "), "{error}");
    task.await.unwrap();
}

#[tokio::test]
async fn a_host_that_must_be_public_gets_no_request() {
    let server = TestServer::start().await;
    let url = server.url.replace("127.0.0.1", "localhost");
    let request = Request::get(format!("{url}/me")).body(Vec::new()).unwrap();
    let error = client(LIMITS).send(request, Reach::Public).await.unwrap_err();
    assert!(matches!(&error, FetchError::Permanent(message) if message.contains("which is not public")), "{error}");
    assert!(server.requests("/me").is_empty());
}

#[tokio::test]
async fn plain_http_is_allowed_only_on_loopback() {
    for url in ["http://192.0.2.1/me", "http://localhost.example/me", "ftp://127.0.0.1/me"] {
        let error = fetched(LIMITS, url).await.unwrap_err();
        assert!(matches!(&error, FetchError::Permanent(message) if message.contains("neither https nor")), "{error}");
    }
}
