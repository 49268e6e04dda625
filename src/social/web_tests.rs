//! Tests of the HTTP client: providers that are down, slow or send invalid responses, and secrets that errors must not
//! contain.

use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use url::Url;

use super::testing::{ACCESS_TOKEN, TestReply, TestServer, http_response, name, secret};
use super::*;

const LIMITS: WebLimits = WebLimits { connect: Duration::from_secs(30), total: Duration::from_secs(30), body: 1000 };
/// The timeout for providers that never respond.
const SOON: Duration = Duration::from_millis(300);

async fn fetched(limits: WebLimits, url: &str) -> Result<serde_json::Map<String, serde_json::Value>, ProviderError> {
    let web = WebClient::new(limits).unwrap();
    let provider = name("corp");
    let step = ProviderStep { provider: &provider, operation: "fetching the user" };
    let url = Url::parse(url).unwrap();
    let result = web.fetch_object(step, &url, Some(&secret(ACCESS_TOKEN)), &[]).await;
    if let Err(error) = &result {
        for shown in [error.to_string(), format!("{error:?}")] {
            for hidden in [ACCESS_TOKEN, "proof", "from-the-body"] {
                assert!(!shown.contains(hidden), "{shown}");
            }
        }
    }
    result
}

/// The result of a request that gets this reply.
async fn fetch_result(reply: TestReply) -> Result<(), ProviderError> {
    let server = TestServer::start().await;
    let total = if matches!(reply, TestReply::Stall(_)) { SOON } else { LIMITS.total };
    server.reply_with("/me", reply);
    let result = fetched(WebLimits { total, ..LIMITS }, &format!("{}/me?proof=1", server.url)).await;
    assert_eq!(server.requests("/me").len(), 1);
    result.map(|_| ())
}

fn raw(text: &str) -> TestReply {
    TestReply::Raw(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_request_names_its_user_agent_and_reads_the_response() {
    let server = TestServer::start().await;
    server.reply_with_json("/me", json!({"id": 7}));
    let object = fetched(LIMITS, &format!("{}/me?proof=1", server.url)).await.unwrap();
    assert_eq!(object["id"], 7);
    let head = server.requests("/me")[0].head.to_lowercase();
    let host = server.url.trim_start_matches("http://");
    assert!(head.starts_with("get /me?proof=1 http/1.1\r\n"), "{head}");
    for line in [
        format!("\r\nhost: {host}"),
        format!("\r\nauthorization: bearer {ACCESS_TOKEN}"),
        "\r\nuser-agent: countersign/".to_owned(),
        "\r\naccept: application/json".to_owned(),
    ] {
        assert!(head.contains(&line), "{line}: {head}");
    }
    assert!(!head.contains("accept-encoding"), "{head}");
}

#[tokio::test]
async fn a_response_may_end_by_close_or_chunks() {
    assert_eq!(fetch_result(raw("HTTP/1.1 200 OK\r\n\r\n{\"id\":7}")).await, Ok(()));
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"i\r\n5\r\nd\":7}\r\n0\r\n\r\n";
    assert_eq!(fetch_result(raw(chunks)).await, Ok(()));
}

#[tokio::test]
async fn transient_and_permanent_errors_are_distinguished() {
    let big = format!("{{\"a\":\"{}\"}}", "a".repeat(LIMITS.body));
    let chunks = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{big}\r\n0\r\n\r\n", big.len());
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "x-more: and more\r\n".repeat(100_000));
    let unreachable: &[(&str, TestReply, &str)] = &[
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
        ("a closed connection", TestReply::Raw(Vec::new()), ""),
        ("closed in the body", raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"from-the-body"), ""),
        ("no HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), ""),
        ("an endless head", raw(&endless), ""),
        ("a broken server", TestReply::Json(503, json!({"error": "from-the-body"})), "responded with 503"),
        ("too many requests", TestReply::Json(429, json!({})), "responded with 429"),
    ];
    for (what, reply, expected) in unreachable {
        let error = fetch_result(reply.clone()).await.expect_err(what);
        let ProviderError::Unreachable(message) = &error else { panic!("{what}: {error:?}") };
        assert!(message.starts_with("corp: fetching the user: http://127.0.0.1:"), "{what}: {message}");
        assert!(message.contains(expected), "{what}: {message}");
    }
    let location = "location: https://elsewhere.example/\r\n";
    let no_object = "did not return a JSON object";
    let invalid: &[(&str, TestReply, &str)] = &[
        ("a big body", TestReply::Raw(http_response(200, "", big.as_bytes())), "more than 1000 bytes"),
        ("a big body in chunks", raw(&chunks), "more than 1000 bytes"),
        ("a redirect", TestReply::Raw(http_response(302, location, b"{}")), "redirects are not followed"),
        ("no JSON", TestReply::Raw(http_response(200, "", b"<html>from-the-body")), no_object),
        ("no object", TestReply::Json(200, json!([1])), no_object),
        ("a duplicate member", TestReply::Raw(http_response(200, "", br#"{"id":1,"id":2}"#)), no_object),
        ("a compressed body", TestReply::Raw(http_response(200, "content-encoding: gzip\r\n", b"\x1f\x8b")), no_object),
    ];
    for (what, reply, expected) in invalid {
        let error = fetch_result(reply.clone()).await.expect_err(what);
        let ProviderError::InvalidResponse(message) = &error else { panic!("{what}: {error:?}") };
        assert!(message.starts_with("corp: fetching the user: http://127.0.0.1:"), "{what}: {message}");
        assert!(message.contains(expected), "{what}: {message}");
    }
}

#[tokio::test]
async fn only_the_code_of_a_provider_refusal_is_reported() {
    for (status, object, code) in [
        (400, json!({"error": "invalid_grant", "error_description": "from-the-body"}), "invalid_grant"),
        (200, json!({"error": "bad_verification_code"}), "bad_verification_code"),
        (400, json!({"error": {"message": "from-the-body", "type": "OAuthException", "code": 190}}), "OAuthException"),
        (401, json!({"message": "Bad credentials from-the-body"}), "http_401"),
        (403, json!([]), "http_403"),
        (400, json!({"error": "<script>from-the-body"}), "unspecified"),
        (400, json!({"error": "a".repeat(65)}), "unspecified"),
        (400, json!({"error": 7}), "unspecified"),
    ] {
        let message = format!("corp: fetching the user: the provider refused the request: {code}");
        assert_eq!(
            fetch_result(TestReply::Json(status, object.clone())).await,
            Err(ProviderError::Refused(message)),
            "{object}"
        );
    }
    assert_eq!(fetch_result(TestReply::Json(200, json!({"error": null}))).await, Ok(()));
}

#[tokio::test]
async fn a_refused_connection_and_a_stalled_tls_handshake_are_distinct_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let error = fetched(WebLimits { connect: SOON, ..LIMITS }, &format!("https://{address}/me")).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Unreachable(message) if message.contains("no connection within 300ms")),
        "{error}"
    );
    // Bound, so that no other process can bind it, but not listening.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = closed.local_addr().unwrap();
    for scheme in ["http", "https"] {
        let error = fetched(LIMITS, &format!("{scheme}://{address}/me")).await.unwrap_err();
        assert!(matches!(&error, ProviderError::Unreachable(message) if message.contains("connecting: ")), "{error}");
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
    assert!(error.to_string().contains("TLS handshake: invalid peer certificate"), "{error}");
    task.await.unwrap();
}

#[tokio::test]
async fn plain_http_is_allowed_only_on_loopback() {
    for url in ["http://192.0.2.1/me", "http://localhost.example/me", "ftp://127.0.0.1/me"] {
        let error = fetched(LIMITS, url).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidResponse(message) if message.contains("neither https nor")),
            "{error}"
        );
    }
}

#[test]
fn invalid_endpoint_urls_are_rejected() {
    for valid in ["https://e.com/t?x=1", "http://localhost:9/t", "http://[::1]/t", "http://127.0.0.1/"] {
        assert!(web::endpoint(valid).is_ok(), "{valid}");
    }
    for invalid in ["", "e.com/t", "http://e.com/t", "https://me:pw@e.com/t", "https://e.com/t#x", "data:text/plain,x"]
    {
        assert!(web::endpoint(invalid).is_err(), "{invalid}");
    }
}
