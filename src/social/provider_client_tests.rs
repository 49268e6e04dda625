//! Tests of requests to providers: the headers, the error codes, and secrets that errors must not contain. The tests of
//! `fetch` cover the transport.

use serde_json::json;
use url::Url;

use super::testing::{ACCESS_TOKEN, name, secret};
use super::*;
use crate::fetch::client::FetchOptions;
use crate::fetch::endpoint::Endpoint;
use crate::fetch::testing::{TestReply, TestServer, http_response};

async fn fetched(url: &str) -> Result<serde_json::Map<String, serde_json::Value>, ProviderError> {
    let web = ProviderClient::new(&FetchOptions::default()).unwrap();
    let provider = name("corp");
    let step = ProviderStep { provider: &provider, operation: "fetching the user" };
    let url = Endpoint::configured(Url::parse(url).unwrap());
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
    server.reply_with("/me", reply);
    let result = fetched(&format!("{}/me?proof=1", server.url)).await;
    assert_eq!(server.requests("/me").len(), 1);
    result.map(|_| ())
}

#[tokio::test]
async fn a_request_has_the_access_token_and_accepts_json() {
    let server = TestServer::start().await;
    server.reply_with_json("/me", json!({"id": 7}));
    let object = fetched(&format!("{}/me?proof=1", server.url)).await.unwrap();
    assert_eq!(object["id"], 7);
    let head = server.requests("/me")[0].head.to_lowercase();
    for line in [format!("\r\nauthorization: bearer {ACCESS_TOKEN}"), "\r\naccept: application/json".to_owned()] {
        assert!(head.contains(&line), "{line}: {head}");
    }
}

#[tokio::test]
async fn an_error_names_the_provider_and_the_step() {
    let prefix = "corp: fetching the user: http://127.0.0.1:";
    for status in [429, 503] {
        let error = fetch_result(TestReply::Json(status, json!({"error": "from-the-body"}))).await.unwrap_err();
        let ProviderError::Unreachable(message) = &error else { panic!("{status}: {error:?}") };
        assert!(message.starts_with(prefix) && message.contains(&format!("responded with {status}")), "{message}");
    }
    let location = "location: https://elsewhere.example/\r\n";
    let no_object = "did not return a JSON object";
    let invalid: &[(&str, TestReply, &str)] = &[
        ("a redirect", TestReply::Raw(http_response(302, location, b"{}")), "redirects are not followed"),
        ("no JSON", TestReply::Raw(http_response(200, "", b"<html>from-the-body")), no_object),
        ("no object", TestReply::Json(200, json!([1])), no_object),
        ("a duplicate member", TestReply::Raw(http_response(200, "", br#"{"id":1,"id":2}"#)), no_object),
        ("a compressed body", TestReply::Raw(http_response(200, "content-encoding: gzip\r\n", b"\x1f\x8b")), no_object),
    ];
    for (what, reply, expected) in invalid {
        let error = fetch_result(reply.clone()).await.expect_err(what);
        let ProviderError::InvalidResponse(message) = &error else { panic!("{what}: {error:?}") };
        assert!(message.starts_with(prefix) && message.contains(expected), "{what}: {message}");
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
        (400, json!({"error": {"code": 190}}), "unspecified"),
        (400, json!({"error": 7}), "http_400"),
        (400, json!({"error": ""}), "http_400"),
    ] {
        let message = format!("corp: fetching the user: the provider refused the request: {code}");
        assert_eq!(
            fetch_result(TestReply::Json(status, object.clone())).await,
            Err(ProviderError::Refused(message)),
            "{object}"
        );
    }
    for none in [json!(null), json!(""), json!(" "), json!(false), json!(0), json!([]), json!({})] {
        assert_eq!(fetch_result(TestReply::Json(200, json!({"error": none.clone()}))).await, Ok(()), "{none}");
    }
}
