//! Bodies with a content encoding or in another character set: the server rejects them instead of misreading them. The
//! labels `us-ascii` and `iso-8859-1` are accepted, because some clients send them by default. The
//! body is read as UTF-8.

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, ServerResponse, TestServer};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Routes of every dialect: path, media type, a body that the route parses, and a part of the response if the body is
/// rejected.
const ROUTES: &[(&str, &str, &str, &str)] = &[
    ("/auth", JSON, r#"{"username":"x","password":"x"}"#, r#""code":"wrong_content_"#),
    ("/signin", JSON, r#"{"username":"x","password":"x"}"#, r#""status":415,"error":{"message":"unsupported content "#),
    (
        "/restore",
        JSON,
        r#"{"restoring_email":"x@example.com"}"#,
        r#""status":415,"error":{"message":"unsupported content "#,
    ),
    (
        "/restore",
        FORM,
        "restoring_password=x&restoring_token=x",
        r#""status":415,"error":{"message":"unsupported content "#,
    ),
    ("/social/unlink/", FORM, "provider=google", r#"{"status":"unsupported content "#),
    ("/api/login/", JSON, r#"{"email":"x@example.com","password":"x"}"#, r#"{"detail":""#),
    ("/api/login/", FORM, "email=x@example.com&password=x", r#"{"detail":""#),
    ("/api/token/", JSON, r#"{"username":"x","password":"x"}"#, r#"{"detail":""#),
    ("/api/token/verify/", FORM, "token=x", r#"{"detail":""#),
];

async fn response_to(server: &TestServer, path: &str, kind: &str, coding: Option<&str>, body: &str) -> ServerResponse {
    post_body(server, "", (path, kind, body), coding).await
}

async fn post_body(
    server: &TestServer,
    token: &str,
    request: (&str, &str, &str),
    coding: Option<&str>,
) -> ServerResponse {
    let (path, kind, body) = request;
    let request =
        server.request(Method::POST, path).header("content-type", kind).bearer_auth(token).body(body.to_owned());
    ServerResponse::send(coding.into_iter().fold(request, |request, coding| request.header("content-encoding", coding)))
        .await
}

#[tokio::test]
async fn a_body_in_another_charset_is_rejected_on_every_route() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    for (path, kind, body, expected) in ROUTES {
        for charset in [
            "charset=utf-16",
            "charset=UTF-16LE",
            "Charset=\"utf-16\"",
            "CHARSET = windows-1252",
            "charset=",
            "x; charset=utf-7",
            "charset=utf-8; charset=utf-16",
        ] {
            let response = post_body(&server, &token, (path, &format!("{kind}; {charset}"), body), None).await;
            assert!(response.is(415).text.contains(expected), "{path} {charset}: {response:#?}");
        }
        for charset in ["charset=utf-8", "charset=\"UTF-8\"", "Charset=utf8 ", "charset=ISO-8859-1", "boundary=x", ""] {
            let response = post_body(&server, &token, (path, &format!("{kind};{charset}"), body), None).await;
            assert!(response.status != 415 && response.status < 500, "{path} {charset}: {response:#?}");
        }
    }
    let refused = response_to(&server, "/auth", "application/json; charset=utf-16", None, "{}").await;
    assert!(
        refused.refuses(415, "wrong_content_type").text.contains("in UTF-8"),
        "the message does not name the accepted format: {refused:#?}"
    );
}

#[tokio::test]
async fn a_compressed_body_is_rejected_on_every_route() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    for (path, kind, body, expected) in ROUTES {
        for coding in ["gzip", "GZIP", "br", "deflate, identity", "identity,x", "x"] {
            let response = post_body(&server, &token, (path, kind, body), Some(coding)).await;
            assert!(response.is(415).text.contains(expected), "{path} {coding}: {response:#?}");
        }
        for coding in ["identity", "Identity", ""] {
            let response = post_body(&server, &token, (path, kind, body), Some(coding)).await;
            assert!(response.status != 415 && response.status < 500, "{path} {coding}: {response:#?}");
        }
    }
    let refused = response_to(&server, "/auth", JSON, Some("gzip"), "\x1f").await;
    let refusal = refused.refuses(415, "wrong_content_encoding");
    assert!(
        refusal.text.contains("without Content-Encoding"),
        "the message does not name the accepted format: {refused:#?}"
    );
    // Without a body the content encoding does not matter.
    response_to(&server, "/auth", JSON, Some("gzip"), "").await.refuses(400, "invalid_field");
}

#[tokio::test]
async fn a_utf8_password_is_unchanged_by_content_type_parameters() {
    let server = TestServer::with_anna().await;
    let credentials = json!({"username": "anna", "password": PASSWORD}).to_string();
    response_to(&server, "/auth", "application/json;charset=\"UTF-8\"; x=y", Some("identity"), &credentials)
        .await
        .is(200);
}
