//! Tests of the well-known providers: the redirects of all three, and the identities from GitHub and Facebook.

use std::time::Duration;

use serde_json::json;
use url::Url;

use super::testing::{ACCESS_TOKEN, CLIENT_SECRET, attempt, callback, known, options, secret};
use super::*;
use crate::clock::Clock;
use crate::crypto::testing::NOW;
use crate::fetch::testing::{TestReply, TestServer};

/// All three providers at their own URLs.
fn default_providers() -> Providers {
    let mut options = options(&Clock::manual(NOW));
    (options.google, options.github, options.facebook) = (Some(known()), Some(known()), Some(known()));
    Providers::new(options).unwrap()
}

/// GitHub and Facebook, simulated by `server`.
fn providers_at(server: &TestServer) -> Providers {
    let mut options = options(&Clock::manual(NOW));
    let at = |path: &str| Some(format!("{}{path}", server.url));
    let simulated = KnownProvider {
        authorize_url: at("/authorize"),
        token_url: at("/token"),
        userinfo_url: at("/user"),
        emails_url: at("/emails"),
        ..known()
    };
    (options.github, options.facebook) = (Some(simulated.clone()), Some(simulated));
    Providers::new(options).unwrap()
}

async fn identify(server: &TestServer, name: &str) -> Result<SocialIdentity, ProviderError> {
    providers_at(server).find(name).unwrap().identify(&callback(), &attempt(name), NOW).await
}

fn set_token_response(server: &TestServer) {
    server.reply_with_json(
        "/token",
        json!({"access_token": ACCESS_TOKEN, "token_type": "bearer", "scope": "user:email"}),
    );
}

#[test]
fn no_provider_is_enabled_by_default() {
    let none = Providers::new(options(&Clock::manual(NOW))).unwrap();
    assert!(none.offered().next().is_none() && none.find("google").is_none());
    let all = default_providers();
    let offered: Vec<_> = all.offered().map(|one| (one.name().as_str(), one.label(), one.can_refresh())).collect();
    assert_eq!(offered, [("google", "Google", true), ("github", "GitHub", true), ("facebook", "Facebook", false)]);
    assert!(!format!("{all:?}").contains(CLIENT_SECRET));
}

#[test]
fn an_invalid_provider_url_is_named() {
    for url in ["http://example.com/t", "example.com", "https://me@example.com"] {
        let mut options = options(&Clock::manual(NOW));
        options.github = Some(KnownProvider { token_url: Some(url.to_owned()), ..known() });
        let error = Providers::new(options).unwrap_err().to_string();
        assert!(error.starts_with("github: token_url "), "{error}");
    }
}

#[tokio::test]
async fn each_provider_redirects_to_its_own_endpoint() {
    let all = default_providers();
    for (name, endpoint, scope, more) in [
        (
            "google",
            "https://accounts.google.com/o/oauth2/v2/auth",
            "openid email profile",
            &["nonce", "access_type"][..],
        ),
        ("github", "https://github.com/login/oauth/authorize", "read:user user:email", &[]),
        ("facebook", "https://www.facebook.com/v26.0/dialog/oauth", "public_profile email", &[]),
    ] {
        let url = Url::parse(&all.find(name).unwrap().authorize_url(&attempt(name)).await.unwrap()).unwrap();
        assert_eq!(url.as_str().split('?').next(), Some(endpoint));
        let pair = |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
        assert_eq!(pair("scope").as_deref(), Some(scope));
        assert_eq!(pair("redirect_uri"), Some(format!("https://id.example.com/auth/{name}/callback/")));
        assert_eq!(pair("code_challenge_method").as_deref(), Some("S256"));
        assert_eq!((pair("state").as_deref(), pair("client_id").as_deref()), (Some("st-1"), Some("us")));
        let mut names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        names.retain(|name| ["nonce", "access_type"].contains(&name.as_str()));
        names.sort_unstable_by_key(|name| name != "nonce");
        assert_eq!(names, more, "{name}");
        assert!(!url.as_str().contains(CLIENT_SECRET) && !url.as_str().contains("dBjftJeZ4CVP"));
    }
}

#[tokio::test]
async fn an_invalid_pkce_verifier_is_rejected() {
    let all = default_providers();
    for verifier in ["", "short", &"a".repeat(129)] {
        let attempt = SignInAttempt { verifier: secret(verifier), ..attempt("github") };
        let error = all.find("github").unwrap().authorize_url(&attempt).await.unwrap_err();
        assert!(matches!(error, ProviderError::Untrusted(_)), "{error}");
    }
}

#[tokio::test]
async fn a_callback_naming_another_issuer_is_rejected() {
    let all = default_providers();
    for name in ["google", "github", "facebook"] {
        let back = Callback { iss: Some("https://evil.example".to_owned()), ..callback() };
        let error = all.find(name).unwrap().identify(&back, &attempt(name), NOW).await.unwrap_err();
        assert!(matches!(&error, ProviderError::Untrusted(message) if message.contains("(iss)")), "{name}: {error}");
    }
}

#[tokio::test]
async fn github_returns_identity_and_verified_address() {
    let server = TestServer::start().await;
    set_token_response(&server);
    server.reply_with_json(
        "/user",
        json!({"id": 583_231, "login": "octocat", "name": "The Octocat", "email": "old@example.com"}),
    );
    server.reply_with_json(
        "/emails",
        json!([{"email": "cat@example.com", "primary": true, "verified": true, "visibility": "private"}]),
    );
    let cat = identify(&server, "github").await.unwrap();
    assert_eq!((cat.social_id.as_str(), cat.username.as_deref()), ("583231", Some("octocat")));
    assert_eq!((cat.email.unwrap().as_str(), cat.email_verified), ("cat@example.com", true));
    for path in ["/user", "/emails"] {
        let head = server.requests(path)[0].head.to_lowercase();
        for line in [
            &format!("authorization: bearer {ACCESS_TOKEN}"),
            "user-agent: countersign/",
            "x-github-api-version: 2022-11-28",
            "accept: application/vnd.github+json",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
    }
    let requests = &server.requests("/token")[0];
    assert!(
        requests.body.contains(&format!("client_secret={CLIENT_SECRET}")) && requests.body.contains("code_verifier=")
    );
    assert!(
        requests.head.to_lowercase().contains("accept: application/json"),
        "without this header GitHub responds with a form"
    );
    server.reply_with("/emails", TestReply::Json(404, json!({"message": "Not Found"})));
    let cat = identify(&server, "github").await.unwrap();
    assert_eq!(
        (cat.email.unwrap().as_str(), cat.email_verified),
        ("old@example.com", false),
        "the scope was not granted"
    );
    server.reply_with("/emails", TestReply::Json(502, json!({})));
    assert!(
        matches!(identify(&server, "github").await, Err(ProviderError::Unreachable(_))),
        "the addresses are unknown"
    );
}

#[tokio::test]
async fn a_github_error_with_status_200_is_a_refusal() {
    let server = TestServer::start().await;
    let refusal =
        json!({"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."});
    server.reply_with_json("/token", refusal);
    let error = identify(&server, "github").await.unwrap_err();
    let message = "github: exchanging the code: the provider refused the request: bad_verification_code";
    assert_eq!(error, ProviderError::Refused(message.to_owned()));
    let tokens = json!({"access_token": "at-2", "token_type": "bearer", "expires_in": 28800, "refresh_token": "rt-2"});
    server.reply_with_json("/token", tokens);
    let renewed = providers_at(&server).find("github").unwrap().refresh(&secret("rt-1"), NOW).await.unwrap();
    assert_eq!(renewed.refresh.as_ref().map(SecretText::expose), Some("rt-2"));
    assert_eq!(renewed.expires_at, Some(NOW + Duration::from_hours(8)));
}

#[tokio::test]
async fn facebook_requests_carry_an_app_secret_proof_and_verify_no_address() {
    let server = TestServer::start().await;
    set_token_response(&server);
    server.reply_with_json("/user", json!({"id": "10158", "name": "Ann Other", "email": "ann@example.com"}));
    let ann = identify(&server, "facebook").await.unwrap();
    assert_eq!((ann.social_id.as_str(), ann.email_verified), ("10158", false));
    assert_eq!((ann.email.unwrap().as_str(), ann.first_name.as_str()), ("ann@example.com", "Ann"));
    let head = &server.requests("/user")[0].head;
    let proof = crate::crypto::app_secret_proof::app_secret_proof(&secret(CLIENT_SECRET), &secret(ACCESS_TOKEN));
    assert!(head.contains("fields=id%2Cname%2Cemail%2Cfirst_name%2Clast_name"), "{head}");
    assert!(head.contains(&format!("appsecret_proof={proof}")), "{head}");
    let line = head.lines().next().unwrap();
    assert!(!line.contains(ACCESS_TOKEN), "the URL must not contain the token: {line}");
    server.reply_with(
        "/user",
        TestReply::Json(400, json!({"error": {"type": "OAuthException", "message": "at-1-hunter2"}})),
    );
    let message = "facebook: fetching the user: the provider refused the request: OAuthException";
    assert_eq!(identify(&server, "facebook").await, Err(ProviderError::Refused(message.to_owned())));
    let none = providers_at(&server).find("facebook").unwrap().refresh(&secret("rt-1"), NOW).await;
    assert_eq!(none, Err(ProviderError::NoToken));
}

#[test]
fn ids_belong_to_the_issuer_or_to_the_origin_of_the_token_endpoint() {
    let elsewhere = || Some("https://elsewhere.example:8443/oauth/token?v=2".to_owned());
    let issuer = || Some("https://op.example/realm".to_owned());
    for (token_url, issuer, [google, github, facebook]) in [
        (None, None, ["https://accounts.google.com", "https://github.com", "https://graph.facebook.com"]),
        (elsewhere(), None, ["https://elsewhere.example:8443"; 3]),
        (None, issuer(), ["https://op.example/realm", "https://github.com", "https://graph.facebook.com"]),
        (
            elsewhere(),
            issuer(),
            ["https://op.example/realm", "https://elsewhere.example:8443", "https://elsewhere.example:8443"],
        ),
    ] {
        let mut options = options(&Clock::manual(NOW));
        let provider = || Some(KnownProvider { token_url: token_url.clone(), issuer: issuer.clone(), ..known() });
        (options.google, options.github, options.facebook) = (provider(), provider(), provider());
        let providers = Providers::new(options).unwrap();
        let found = ["google", "github", "facebook"].map(|name| providers.find(name).unwrap().issuer());
        assert_eq!(found, [google, github, facebook], "{token_url:?} {issuer:?}");
    }
}

/// Routes await these futures, so they must be `Send`. This test only needs to compile.
#[test]
fn provider_futures_are_send() {
    fn assert_send<T: Send>(_: T) {}
    let all = default_providers();
    let attempt = attempt("github");
    let callback = callback();
    let token = secret("rt-1");
    let github = all.find("github").unwrap();
    assert_send(github.authorize_url(&attempt));
    assert_send(github.identify(&callback, &attempt, NOW));
    assert_send(github.refresh(&token, NOW));
}
