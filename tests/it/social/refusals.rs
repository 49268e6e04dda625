//! A provider that lies, talks nonsense or is gone: each row is one way to, what the caller is told, and nothing is made.

use super::browser::Browser;
use super::{SocialFixture, assert_refused};
use crate::support::TestServer;

const UNTRUSTED: &str = "not to be trusted";
const NONSENSE: &str = "makes no sense";
const UNREACHABLE: &str = "can't be reached";
const REFUSED: &str = "the provider refused";
const NO_TOKEN: &str = "No access token provided";
const NO_CODE: &str = "without a code";
const NOT_BEGUN: &str = "not begun in this browser";

/// Each fault of the provider's is refused in these words, by the same server, and leaves nothing behind.
async fn table(provider: &str, rows: &[(&str, &str)]) {
    let Some(stage) = SocialFixture::set().await else { return };
    for (fault, words) in rows {
        stage.provider.fault(fault).await;
        let browser = Browser::new();
        let answer = stage.finish_callback(&browser, provider, "anna").await;
        assert_refused(&answer, words, &format!("{provider}, {fault}"));
        assert_eq!(stage.count(), [0, 0, 0], "{provider}, {fault}");
        // A callback uses up the attempt it belongs to, and no other.
        let left = usize::from(*words == NOT_BEGUN);
        assert_eq!(browser.cookies(&stage.server.url).len(), left, "{provider}, {fault}");
    }
    assert_eq!(stage.provider.followed_redirects().await, 0, "no redirect is followed");
    // It was the fault each time, and nothing is left of it.
    stage.provider.fault("").await;
    stage.sign_in(&Browser::new(), provider, "anna").await;
    assert_eq!(stage.count(), [1, 1, 1]);
}

/// As [`table`], each row on a server of its own: what was fetched before doesn't help.
async fn fresh_table(provider: &str, rows: &[(&str, &str)]) {
    let Some(mut stage) = SocialFixture::set().await else { return };
    for (fault, words) in rows {
        stage.provider.fault(fault).await;
        let browser = Browser::new();
        let start = browser.get(&stage.url(&format!("/{provider}/"))).await;
        let what = format!("{provider}, {fault}");
        if start.status == 302 {
            let callback = stage.sign_in_at_provider(&browser, &start, "anna").await;
            assert_refused(&browser.get(&callback).await, words, &what);
        } else {
            assert_refused(&start, words, &what);
        }
        assert_eq!(stage.count(), [0, 0, 0], "{what}");
        stage.provider.fault("").await;
        // Once it is well again, so is the sign-in, with no restart. Keys are asked for again after half a minute.
        stage.server.clock.advance(std::time::Duration::from_secs(31));
        stage.sign_in(&browser, provider, "anna").await;
        stage.server = TestServer::with(&stage.provider.settings()).await;
    }
    assert_eq!(stage.provider.followed_redirects().await, 0, "no redirect is followed");
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
    ("id_token:no-sub", NONSENSE),
    ("id_token:empty-sub", NONSENSE),
    ("id_token:long-sub", NONSENSE),
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
    ("id_token:number", NONSENSE),
];

const ANSWERS: &[(&str, &str)] = &[
    ("token:html", NONSENSE),
    ("token:empty", NONSENSE),
    ("token:list", NONSENSE),
    ("token:null", NONSENSE),
    ("token:deep", NONSENSE),
    ("token:huge", NONSENSE),
    ("token:huge-text", NONSENSE),
    ("token:redirect", NONSENSE),
    ("token:broken", UNREACHABLE),
    ("token:refused", REFUSED),
    ("token:refused-oddly", REFUSED),
    ("token:close", UNREACHABLE),
    ("token:half", UNREACHABLE),
    ("token:no-access-token", NO_TOKEN),
    ("userinfo:html", NONSENSE),
    ("userinfo:empty", NONSENSE),
    ("userinfo:list", NONSENSE),
    ("userinfo:null", NONSENSE),
    ("userinfo:deep", NONSENSE),
    ("userinfo:huge", NONSENSE),
    ("userinfo:redirect", NONSENSE),
    ("userinfo:broken", UNREACHABLE),
    ("userinfo:close", UNREACHABLE),
    ("userinfo:half", UNREACHABLE),
];

#[tokio::test]
async fn only_the_valid_id_token_is_accepted() {
    table("corp", ID_TOKENS).await;
}

#[tokio::test]
async fn google_responses_are_verified_like_others() {
    table("google", ID_TOKENS).await;
}

#[tokio::test]
async fn any_openid_provider_response_is_handled() {
    let own = [
        ("id_token:missing", NONSENSE),
        ("userinfo:other-sub", UNTRUSTED),
        ("userinfo:no-sub", NONSENSE),
        ("userinfo:odd-types", NONSENSE),
        ("userinfo:refused", REFUSED),
        ("callback:iss", UNTRUSTED),
        ("callback:no-iss", UNTRUSTED),
        ("callback:no-code", NO_CODE),
        ("callback:no-state", NOT_BEGUN),
        ("callback:other-state", NOT_BEGUN),
        ("callback:other-code", REFUSED),
    ];
    table("corp", &[ANSWERS, &own].concat()).await;
}

#[tokio::test]
async fn any_github_response_is_handled() {
    let own = [
        ("userinfo:no-id", NONSENSE),
        ("userinfo:odd-types", NONSENSE),
        ("callback:no-code", NO_CODE),
        ("callback:no-state", NOT_BEGUN),
        ("callback:other-state", NOT_BEGUN),
        ("callback:other-code", REFUSED),
    ];
    table("github", &[ANSWERS, &own].concat()).await;
}

#[tokio::test]
async fn any_facebook_response_is_handled() {
    let own = [
        ("userinfo:no-id", NONSENSE),
        ("userinfo:odd-types", NONSENSE),
        ("callback:other-state", NOT_BEGUN),
        ("callback:other-code", REFUSED),
    ];
    table("facebook", &[ANSWERS, &own].concat()).await;
}

#[tokio::test]
async fn an_invalid_or_missing_discovery_document_is_rejected() {
    let rows = [
        ("discovery:issuer", UNTRUSTED),
        ("discovery:slash", UNTRUSTED),
        ("discovery:plain-http", NONSENSE),
        ("discovery:no-token-endpoint", NONSENSE),
        ("discovery:no-jwks", NONSENSE),
        ("discovery:html", NONSENSE),
        ("discovery:empty", NONSENSE),
        ("discovery:list", NONSENSE),
        ("discovery:deep", NONSENSE),
        ("discovery:huge", NONSENSE),
        ("discovery:redirect", NONSENSE),
        ("discovery:broken", UNREACHABLE),
        ("discovery:close", UNREACHABLE),
        ("discovery:half", UNREACHABLE),
    ];
    fresh_table("corp", &rows).await;
}

#[tokio::test]
async fn invalid_or_missing_provider_keys_are_rejected() {
    let rows = [
        ("jwks:no-keys", UNTRUSTED),
        ("jwks:html", NONSENSE),
        ("jwks:empty", NONSENSE),
        ("jwks:list", NONSENSE),
        ("jwks:huge", NONSENSE),
        ("jwks:redirect", NONSENSE),
        ("jwks:broken", UNREACHABLE),
        ("jwks:close", UNREACHABLE),
    ];
    fresh_table("corp", &rows).await;
}

/// One provider for all, for each waits as long as the server does.
#[tokio::test]
async fn a_silent_provider_times_out_slow() {
    let Some(stage) = SocialFixture::set().await else { return };
    let silent = async |provider: &str, place: &str| {
        let browser = Browser::new();
        let callback = stage.callback(&browser, provider, "anna").await;
        stage.provider.fault(&format!("{place}:silent")).await;
        assert_refused(&browser.get(&callback).await, UNREACHABLE, place);
        stage.provider.fault("").await;
    };
    silent("corp", "token").await;
    assert_eq!(stage.count(), [0, 0, 0]);
}

#[tokio::test]
async fn an_unreachable_provider_is_reported() {
    let Some(mut stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let callback = stage.callback(&browser, "google", "anna").await;
    stage.provider.end();
    assert_refused(&browser.get(&callback).await, UNREACHABLE, "the callback");
    assert_refused(&stage.get(&browser, "/corp/").await, UNREACHABLE, "the way there, which is described there");
    assert_eq!(stage.count(), [0, 0, 0]);
}

/// A GitHub account whose addresses can't be had, or make no sense, is one without an address.
#[tokio::test]
async fn invalid_github_addresses_are_ignored() {
    let Some(stage) = SocialFixture::set().await else { return };
    stage.provider.fault("emails:none").await;
    stage.sign_in(&Browser::new(), "github", "anna").await;
    assert_eq!(stage.query::<i64>("SELECT count(*) FROM users WHERE email IS NULL"), 1);
}
