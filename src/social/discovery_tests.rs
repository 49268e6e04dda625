//! Tests of the discovery document: its issuer, how often it is fetched, and providers that replace Google.

use std::time::Duration;

use serde_json::{Value, json};

use super::testing::{ACCESS_TOKEN, TestOpenId, attempt, callback, known, options};
use super::*;
use crate::crypto::testing::NOW;
use crate::fetch::testing::TestReply;

#[tokio::test]
async fn a_discovery_document_must_name_the_exact_issuer() {
    for (name, value, expected) in [
        (
            "issuer",
            json!("https://evil.example"),
            "the document is of the issuer \"https://evil.example\", the setting",
        ),
        ("issuer", Value::Null, "the document names no issuer"),
        ("token_endpoint", json!("http://evil.example/t"), "token_endpoint must begin with https"),
        ("jwks_uri", Value::Null, "jwks_uri is missing"),
    ] {
        let op = TestOpenId::start().await;
        op.set_discovery_document(&[(name, value)]);
        let error = op.provider().authorize_url(&attempt("corp")).await.unwrap_err().to_string();
        assert!(error.starts_with("corp: fetching the discovery document: ") && error.contains(expected), "{error}");
        assert!(
            op.provider().identify(&callback(), &attempt("corp"), NOW).await.is_err()
                && op.server.requests("/token").is_empty(),
            "no code is sent"
        );
    }
    let op = TestOpenId::start().await;
    op.set_discovery_document(&[("issuer", json!(format!("{}/", op.server.url)))]);
    let with_slash = op.provider().identify(&callback(), &attempt("corp"), NOW).await;
    assert!(matches!(with_slash, Err(ProviderError::Untrusted(_))), "{with_slash:?}");
}

#[tokio::test]
async fn an_issuer_that_differs_by_a_slash_is_reported_with_the_setting() {
    let op = TestOpenId::start().await;
    op.set_discovery_document(&[("issuer", json!(format!("{}/", op.server.url)))]);
    let error = op.provider().authorize_url(&attempt("corp")).await.unwrap_err().to_string();
    let url = &op.server.url;
    assert!(error.ends_with(&format!("the document is of the issuer \"{url}/\", the setting is {url:?}")), "{error}");
}

#[tokio::test]
async fn a_url_that_leads_into_the_private_network_gets_no_code() {
    for (name, url) in [("token_endpoint", "https://10.0.0.1/t"), ("jwks_uri", "https://169.254.169.254/k")] {
        let op = TestOpenId::start().await;
        op.set_discovery_document(&[(name, json!(url))]);
        let error = op.provider().identify(&callback(), &attempt("corp"), NOW).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidResponse(message) if message.contains("a private network")),
            "{error}"
        );
        assert!(op.server.requests("/token").is_empty(), "{name}");
    }
}

#[tokio::test]
async fn concurrent_discovery_fetches_share_one_request_and_failures_are_cached() {
    let op = TestOpenId::start().await;
    let requests = || op.server.requests("/.well-known/openid-configuration").len();
    let begun = attempt("corp");
    let all = async || {
        let [one, two, three] = [(); 3].map(|()| Box::pin(op.provider().authorize_url(&begun)));
        <[_; 3]>::from(tokio::join!(one, two, three))
    };
    op.server.reply_with("/.well-known/openid-configuration", TestReply::Json(503, json!({})));
    let failed = all().await;
    assert!(failed.iter().all(|url| matches!(url, Err(ProviderError::Unreachable(_)))), "{failed:?}");
    assert_eq!(requests(), 1, "all waiting callers get the same error");
    op.set_discovery_document(&[]);
    op.clock.advance(Duration::from_secs(4));
    assert!(all().await.iter().all(Result::is_err));
    assert_eq!(requests(), 1, "the failure is cached");
    op.clock.advance(Duration::from_secs(1));
    assert!(all().await.iter().all(Result::is_ok));
    assert_eq!(requests(), 2, "one request for all callers");
    // A later failure does not affect a cached document.
    op.server.reply_with("/.well-known/openid-configuration", TestReply::Json(503, json!({})));
    op.clock.advance(Duration::from_mins(59));
    assert!(all().await.iter().all(Result::is_ok));
    op.clock.advance(Duration::from_mins(1));
    assert!(all().await.iter().all(Result::is_err));
    assert_eq!(requests(), 3);
}

#[tokio::test]
async fn a_configured_google_issuer_is_discovered() {
    let op = TestOpenId::start().await;
    let mut options = options(&op.clock);
    options.google = Some(KnownProvider { issuer: Some(op.server.url.clone()), ..known() });
    let providers = Providers::new(options).unwrap();
    let google = providers.find("google").unwrap();
    let url = google.authorize_url(&attempt("google")).await.unwrap();
    assert!(url.starts_with(&format!("{}/authorize?", op.server.url)) && url.contains("access_type=offline"), "{url}");
    assert_eq!(google.identify(&callback(), &attempt("google"), NOW).await.unwrap().social_id, "ann-1");
    // Userinfo alone is no proof. It names the user of an access token, but not the client the token was issued for.
    op.clock.advance(Duration::from_hours(1));
    op.set_discovery_document(&[("userinfo_endpoint", json!(format!("{}/userinfo", op.server.url)))]);
    op.server.reply_with_json("/userinfo", json!({"sub": "ann-1", "email": "ann@example.com", "email_verified": true}));
    op.server.reply_with_json("/token", json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer"}));
    let error = google.identify(&callback(), &attempt("google"), NOW).await.unwrap_err();
    assert_eq!(
        error,
        ProviderError::InvalidResponse("google: verifying the ID token: the response has no ID token".to_owned())
    );
    assert!(op.server.requests("/userinfo").is_empty());
}
