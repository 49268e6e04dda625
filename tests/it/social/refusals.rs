//! A faulty or unreachable provider: each row is one fault and the error that the caller gets. No account is created.

use super::browser::Browser;
use super::{SocialFixture, assert_refused};
use crate::support::TestServer;

const UNTRUSTED: &str = "could not be verified";
const INVALID: &str = "invalid response";
const UNREACHABLE: &str = "cannot be reached";
const REFUSED: &str = "the provider rejected the request";
const NO_TOKEN: &str = "No access token provided";
const NO_CODE: &str = "no authorization code";
const NOT_STARTED: &str = "not started in this browser";

/// Asserts that one server rejects each fault with this error and stores nothing.
async fn assert_faults_rejected(provider: &str, rows: &[(&str, &str)]) {
    let Some(fixture) = SocialFixture::start().await else { return };
    for (fault, expected) in rows {
        fixture.provider.set_fault(fault).await;
        let browser = Browser::new();
        let response = fixture.finish_callback(&browser, provider, "anna").await;
        assert_refused(&response, expected, &format!("{provider}, {fault}"));
        assert_eq!(fixture.count(), [0, 0, 0], "{provider}, {fault}");
        // A callback consumes its own attempt only.
        let remaining = usize::from(*expected == NOT_STARTED);
        assert_eq!(browser.cookies(&fixture.server.url).len(), remaining, "{provider}, {fault}");
    }
    assert_eq!(fixture.provider.followed_redirects().await, 0, "a redirect was followed");
    // After the faults the same server accepts a sign-in.
    fixture.provider.set_fault("").await;
    fixture.sign_in(&Browser::new(), provider, "anna").await;
    assert_eq!(fixture.count(), [1, 1, 1]);
}

/// As [`assert_faults_rejected`], with a new server for each row, so that no cached document hides the fault.
async fn assert_faults_rejected_by_new_servers(provider: &str, rows: &[(&str, &str)]) {
    let Some(mut fixture) = SocialFixture::start().await else { return };
    for (fault, expected) in rows {
        fixture.provider.set_fault(fault).await;
        let browser = Browser::new();
        let start = browser.get(&fixture.url(&format!("/{provider}/"))).await;
        let what = format!("{provider}, {fault}");
        if start.status == 302 {
            let callback = fixture.sign_in_at_provider(&browser, &start, "anna").await;
            assert_refused(&browser.get(&callback).await, expected, &what);
        } else {
            assert_refused(&start, expected, &what);
        }
        assert_eq!(fixture.count(), [0, 0, 0], "{what}");
        fixture.provider.set_fault("").await;
        // Once the provider works again, sign-in works without a restart. The server fetches the JWKS again after 30 s.
        fixture.server.clock.advance(std::time::Duration::from_secs(31));
        fixture.sign_in(&browser, provider, "anna").await;
        fixture.server = TestServer::with(&fixture.provider.settings()).await;
    }
    assert_eq!(fixture.provider.followed_redirects().await, 0, "a redirect was followed");
}

const ID_TOKENS: &[(&str, &str)] = &[
    ("id_token:iss", UNTRUSTED),
    ("id_token:aud", UNTRUSTED),
    ("id_token:aud-extra", UNTRUSTED),
    ("id_token:aud-none", UNTRUSTED),
    ("id_token:azp", UNTRUSTED),
    ("id_token:nonce", UNTRUSTED),
    ("id_token:no-nonce", UNTRUSTED),
    ("id_token:expired", UNTRUSTED),
    ("id_token:no-exp", UNTRUSTED),
    ("id_token:no-iat", UNTRUSTED),
    ("id_token:from-the-future", UNTRUSTED),
    ("id_token:no-sub", INVALID),
    ("id_token:empty-sub", INVALID),
    ("id_token:long-sub", INVALID),
    ("id_token:alg-none", UNTRUSTED),
    ("id_token:hs256-public", UNTRUSTED),
    ("id_token:hs256-secret", UNTRUSTED),
    ("id_token:other-key", UNTRUSTED),
    ("id_token:unknown-kid", UNTRUSTED),
    ("id_token:jwk", UNTRUSTED),
    ("id_token:jku", UNTRUSTED),
    ("id_token:crit", UNTRUSTED),
    ("id_token:changed", UNTRUSTED),
    ("id_token:garbage", UNTRUSTED),
    ("id_token:number", INVALID),
];

const RESPONSES: &[(&str, &str)] = &[
    ("token:html", INVALID),
    ("token:empty", INVALID),
    ("token:list", INVALID),
    ("token:null", INVALID),
    ("token:deep", INVALID),
    ("token:huge", INVALID),
    ("token:huge-text", INVALID),
    ("token:redirect", INVALID),
    ("token:broken", UNREACHABLE),
    ("token:refused", REFUSED),
    ("token:refused-oddly", REFUSED),
    ("token:close", UNREACHABLE),
    ("token:half", UNREACHABLE),
    ("token:no-access-token", NO_TOKEN),
    ("userinfo:html", INVALID),
    ("userinfo:empty", INVALID),
    ("userinfo:list", INVALID),
    ("userinfo:null", INVALID),
    ("userinfo:deep", INVALID),
    ("userinfo:huge", INVALID),
    ("userinfo:redirect", INVALID),
    ("userinfo:broken", UNREACHABLE),
    ("userinfo:close", UNREACHABLE),
    ("userinfo:half", UNREACHABLE),
];

#[tokio::test]
async fn only_the_valid_id_token_is_accepted() {
    assert_faults_rejected("corp", ID_TOKENS).await;
}

#[tokio::test]
async fn google_responses_are_verified_like_others() {
    assert_faults_rejected("google", ID_TOKENS).await;
}

#[tokio::test]
async fn every_invalid_openid_response_is_rejected() {
    let specific = [
        ("id_token:missing", INVALID),
        ("userinfo:other-sub", UNTRUSTED),
        ("userinfo:no-sub", INVALID),
        ("userinfo:odd-types", INVALID),
        ("userinfo:refused", REFUSED),
        ("callback:iss", UNTRUSTED),
        ("callback:no-iss", UNTRUSTED),
        ("callback:no-code", NO_CODE),
        ("callback:no-state", NOT_STARTED),
        ("callback:other-state", NOT_STARTED),
        ("callback:other-code", REFUSED),
    ];
    assert_faults_rejected("corp", &[RESPONSES, &specific].concat()).await;
}

#[tokio::test]
async fn every_invalid_github_response_is_rejected() {
    let specific = [
        ("userinfo:no-id", INVALID),
        ("userinfo:odd-types", INVALID),
        ("callback:no-code", NO_CODE),
        ("callback:no-state", NOT_STARTED),
        ("callback:other-state", NOT_STARTED),
        ("callback:other-code", REFUSED),
    ];
    assert_faults_rejected("github", &[RESPONSES, &specific].concat()).await;
}

#[tokio::test]
async fn every_invalid_facebook_response_is_rejected() {
    let specific = [
        ("userinfo:no-id", INVALID),
        ("userinfo:odd-types", INVALID),
        ("callback:other-state", NOT_STARTED),
        ("callback:other-code", REFUSED),
    ];
    assert_faults_rejected("facebook", &[RESPONSES, &specific].concat()).await;
}

#[tokio::test]
async fn an_invalid_or_missing_discovery_document_is_rejected() {
    let rows = [
        ("discovery:issuer", UNTRUSTED),
        ("discovery:slash", UNTRUSTED),
        ("discovery:plain-http", INVALID),
        ("discovery:no-token-endpoint", INVALID),
        ("discovery:no-jwks", INVALID),
        ("discovery:html", INVALID),
        ("discovery:empty", INVALID),
        ("discovery:list", INVALID),
        ("discovery:deep", INVALID),
        ("discovery:huge", INVALID),
        ("discovery:redirect", INVALID),
        ("discovery:broken", UNREACHABLE),
        ("discovery:close", UNREACHABLE),
        ("discovery:half", UNREACHABLE),
    ];
    assert_faults_rejected_by_new_servers("corp", &rows).await;
}

#[tokio::test]
async fn invalid_or_missing_provider_keys_are_rejected() {
    let rows = [
        ("jwks:no-keys", UNTRUSTED),
        ("jwks:html", INVALID),
        ("jwks:empty", INVALID),
        ("jwks:list", INVALID),
        ("jwks:huge", INVALID),
        ("jwks:redirect", INVALID),
        ("jwks:broken", UNREACHABLE),
        ("jwks:close", UNREACHABLE),
    ];
    assert_faults_rejected_by_new_servers("corp", &rows).await;
}

/// One fixture for all requests, because each request waits for the server's whole timeout.
#[tokio::test]
async fn a_silent_provider_times_out_slow() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let silent = async |provider: &str, route: &str| {
        let browser = Browser::new();
        let callback = fixture.callback(&browser, provider, "anna").await;
        fixture.provider.set_fault(&format!("{route}:silent")).await;
        assert_refused(&browser.get(&callback).await, UNREACHABLE, route);
        fixture.provider.set_fault("").await;
    };
    silent("corp", "token").await;
    assert_eq!(fixture.count(), [0, 0, 0]);
}

#[tokio::test]
async fn an_unreachable_provider_is_reported() {
    let Some(mut fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let callback = fixture.callback(&browser, "google", "anna").await;
    fixture.provider.stop();
    assert_refused(&browser.get(&callback).await, UNREACHABLE, "the callback");
    assert_refused(
        &fixture.get(&browser, "/corp/").await,
        UNREACHABLE,
        "the start, which needs the discovery document",
    );
    assert_eq!(fixture.count(), [0, 0, 0]);
}

/// If the addresses of a GitHub account are unavailable or invalid, the user has no address.
#[tokio::test]
async fn invalid_github_addresses_are_ignored() {
    let Some(fixture) = SocialFixture::start().await else { return };
    fixture.provider.set_fault("emails:none").await;
    fixture.sign_in(&Browser::new(), "github", "anna").await;
    assert_eq!(fixture.query::<i64>("SELECT count(*) FROM users WHERE email IS NULL"), 1);
}
