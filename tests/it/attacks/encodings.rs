//! Bodies that say they are compressed, or in another character set: none is read as what it is not.

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, ServerResponse, TestServer};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Routes of every dialect, with a body that each of them reads, and what its answer holds where it is refused.
const ROUTES: &[(&str, &str, &str, &str)] = &[
    ("/auth", JSON, r#"{"username":"x","password":"x"}"#, r#""code":"wrong_content_"#),
    ("/signin", JSON, r#"{"username":"x","password":"x"}"#, r#""status":415,"error":{"message":"send "#),
    ("/restore", JSON, r#"{"restoring_email":"x@example.com"}"#, r#""status":415,"error":{"message":"send "#),
    ("/restore", FORM, "restoring_password=x&restoring_token=x", r#""status":415,"error":{"message":"send "#),
    ("/social/unlink/", FORM, "provider=google", r#"{"status":"send "#),
    ("/api/login/", JSON, r#"{"email":"x@example.com","password":"x"}"#, r#"{"detail":""#),
    ("/api/login/", FORM, "email=x@example.com&password=x", r#"{"detail":""#),
    ("/api/token/", JSON, r#"{"username":"x","password":"x"}"#, r#"{"detail":""#),
    ("/api/token/verify/", FORM, "token=x", r#"{"detail":""#),
];

async fn response_to(server: &TestServer, path: &str, kind: &str, coding: Option<&str>, body: &str) -> ServerResponse {
    posted(server, "", (path, kind, body), coding).await
}

async fn posted(server: &TestServer, token: &str, what: (&str, &str, &str), coding: Option<&str>) -> ServerResponse {
    let (path, kind, body) = what;
    let request =
        server.request(Method::POST, path).header("content-type", kind).bearer_auth(token).body(body.to_owned());
    ServerResponse::send(coding.into_iter().fold(request, |request, coding| request.header("content-encoding", coding)))
        .await
}

#[tokio::test]
async fn a_body_in_another_charset_is_rejected_on_every_route() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    for (path, kind, body, words) in ROUTES {
        for charset in [
            "charset=utf-16",
            "charset=UTF-16LE",
            "Charset=\"utf-16\"",
            "CHARSET = windows-1252",
            "charset=",
            "x; charset=utf-7",
            "charset=utf-8; charset=utf-16",
        ] {
            let answer = posted(&server, &token, (path, &format!("{kind}; {charset}"), body), None).await;
            assert!(answer.is(415).text.contains(words), "{path} {charset}: {answer:#?}");
        }
        for charset in ["charset=utf-8", "charset=\"UTF-8\"", "Charset=utf8 ", "charset=ISO-8859-1", "boundary=x", ""] {
            let answer = posted(&server, &token, (path, &format!("{kind};{charset}"), body), None).await;
            assert!(answer.status != 415 && answer.status < 500, "{path} {charset}: {answer:#?}");
        }
    }
    let refused = response_to(&server, "/auth", "application/json; charset=utf-16", None, "{}").await;
    assert!(refused.refuses(415, "wrong_content_type").text.contains("in UTF-8"), "it says what to send: {refused:#?}");
}

#[tokio::test]
async fn a_compressed_body_is_rejected_on_every_route() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    for (path, kind, body, words) in ROUTES {
        for coding in ["gzip", "GZIP", "br", "deflate, identity", "identity,x", "x"] {
            let answer = posted(&server, &token, (path, kind, body), Some(coding)).await;
            assert!(answer.is(415).text.contains(words), "{path} {coding}: {answer:#?}");
        }
        for coding in ["identity", "Identity", ""] {
            let answer = posted(&server, &token, (path, kind, body), Some(coding)).await;
            assert!(answer.status != 415 && answer.status < 500, "{path} {coding}: {answer:#?}");
        }
    }
    let refused = response_to(&server, "/auth", JSON, Some("gzip"), "\x1f").await;
    let words = refused.refuses(415, "wrong_content_encoding");
    assert!(words.text.contains("without a content-encoding"), "it says what to send: {refused:#?}");
    // Where there is no body, none is in a coding.
    response_to(&server, "/auth", JSON, Some("gzip"), "").await.refuses(400, "invalid_field");
}

#[tokio::test]
async fn a_utf8_password_is_unchanged_by_content_type_parameters() {
    let server = TestServer::with_anna().await;
    let right = json!({"username": "anna", "password": PASSWORD}).to_string();
    response_to(&server, "/auth", "application/json;charset=\"UTF-8\"; x=y", Some("identity"), &right).await.is(200);
}
