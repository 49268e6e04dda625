//! Concurrent and repeated provider requests.

use countersign::domain::social::ProviderName;
use countersign::issuer::authenticate::Authenticate;
use countersign::issuer::social::SocialError;
use countersign::issuer::social::refresh::RefreshProvider;
use countersign::issuer::users::UserChange;
use countersign::issuer::{Caller, Refusal, Unauthenticated};
use reqwest::Method;
use serde_json::json;

use super::browser::Browser;
use super::{SocialFixture, assert_refused};

#[tokio::test]
async fn concurrent_first_sign_ins_create_one_user() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for (round, providers) in
        [["corp", "corp"], ["github", "github"], ["corp", "google"], ["github", "public"]].iter().enumerate()
    {
        let login = format!("anna-{round}");
        let browsers = [Browser::new(), Browser::new()];
        let one = fixture.callback(&browsers[0], providers[0], &login).await;
        let other = fixture.callback(&browsers[1], providers[1], &login).await;
        let [users, accounts, sessions] = fixture.count();
        let (one, other) = tokio::join!(browsers[0].get(&one), browsers[1].get(&other));
        assert_eq!((one.status, other.status), (302, 302), "{providers:?}: {one:#?} {other:#?}");
        // Both providers have verified the same address, so both accounts belong to one user.
        let new_accounts = if providers[0] == providers[1] { 1 } else { 2 };
        assert_eq!(fixture.count(), [users + 1, accounts + new_accounts, sessions + 2], "{providers:?}");
        let names = browsers.map(|browser| fixture.name(&fixture.token(&browser).unwrap()));
        assert_eq!(names, [login.clone(), login], "{providers:?}");
    }
}

#[tokio::test]
async fn of_two_concurrent_links_to_one_provider_one_succeeds() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let one = Browser::new();
    let other = Browser::new();
    let mut callbacks = Vec::new();
    for (browser, login) in [(&one, "ann"), (&other, "annie")] {
        fixture.sign_in_with_password(browser, "anna").await;
        let start = fixture.post(browser, "/corp/", &json!(null)).await;
        callbacks.push(fixture.sign_in_at_provider(browser, &start, login).await);
    }
    let (first, second) = tokio::join!(one.get(&callbacks[0]), other.get(&callbacks[1]));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!((statuses, fixture.count()), ([302, 409], [1, 1, 2]));
}

#[tokio::test]
async fn of_two_concurrent_unlinks_one_sign_in_method_remains() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    fixture.sign_in(&browser, "corp", "anna").await;
    fixture.link(&browser, "github", "anna").await.is(302);
    let unlink =
        async |provider: &str| fixture.post(&browser, "/social/unlink/", &json!({"provider": provider})).await.status;
    let (one, other) = tokio::join!(unlink("corp"), unlink("github"));
    let mut statuses = [one, other];
    statuses.sort_unstable();
    assert_eq!((statuses, fixture.count()), ([200, 409], [1, 1, 1]));
}

/// The server reads the session, calls the provider, and then writes the new token. A sign-out during the call removes
/// the access token, and the refresh must not store it again.
#[tokio::test]
async fn a_refresh_does_not_undo_a_sign_out() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let issuer = &fixture.server.issuer;
    let refresh = || RefreshProvider {
        provider: ProviderName::parse("corp").unwrap(),
        from: Caller { address: std::net::IpAddr::from([127, 0, 0, 1]) },
    };
    let stored_tokens = || fixture.query::<i64>("SELECT count(access_token) FROM social_accounts");
    for sign_out_path in ["/social_logout/", ""] {
        let browser = Browser::new();
        let token = fixture.sign_in(&browser, "corp", "anna").await;
        let caller = Authenticate { token: Some(&token) }.run(issuer).await.unwrap();
        refresh().run(&caller, issuer).await.unwrap();
        let before = stored_tokens();
        if sign_out_path.is_empty() {
            fixture.server.change("anna", UserChange::Disable).await;
        } else {
            fixture.get(&browser, sign_out_path).await.is(302);
            assert_eq!((before, stored_tokens()), (1, 0));
        }
        let before = stored_tokens();
        let lines = fixture.query::<i64>("SELECT count(*) FROM audit");
        let refused = refresh().run(&caller, issuer).await;
        assert!(
            matches!(refused, Err(SocialError::Refused(Refusal::NotSignedIn(Unauthenticated::SessionEnded)))),
            "{sign_out_path}: {refused:?}"
        );
        assert_eq!(
            (stored_tokens(), fixture.query::<i64>("SELECT count(*) FROM audit")),
            (before, lines),
            "{sign_out_path}"
        );
    }
}

#[tokio::test]
async fn deleting_a_user_deletes_the_provider_tokens() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let token = fixture.sign_in(&browser, "corp", "anna").await;
    fixture.server.change("anna", UserChange::Delete).await;
    assert_eq!(fixture.count(), [0, 0, 0]);
    assert!(!fixture.server.accepts(&token).await);
    let again = fixture.sign_in(&Browser::new(), "corp", "anna").await;
    let [before, after] = [&token, &again].map(|token| crate::support::token::claims(token)["sub"].clone());
    assert_ne!(before, after, "the new sign-in must create another user");
}

#[tokio::test]
async fn guessed_codes_are_limited_without_calling_the_provider() {
    let Some(fixture) = SocialFixture::with("throttle.sign_in_per_caller = '3/5m'").await else { return };
    let from = async |browser: &Browser, address: &str, url: &str| {
        browser.send(browser.request(Method::GET, url).header("x-forwarded-for", address)).await
    };
    fixture.provider.set_fault("callback:other-code").await;
    for _ in 0..3 {
        let browser = Browser::new();
        let callback = fixture.callback(&browser, "corp", "anna").await;
        assert_refused(&from(&browser, "203.0.113.7", &callback).await, "the provider rejected the request", "a guess");
    }
    let token_requests = fixture.provider.request_count("token").await;
    let browser = Browser::new();
    let callback = fixture.callback(&browser, "corp", "anna").await;
    let stopped = from(&browser, "203.0.113.7", &callback).await;
    assert!(!stopped.is(429).header("retry-after").is_empty(), "{stopped:#?}");
    assert_eq!((fixture.provider.request_count("token").await, fixture.count()), (token_requests, [0, 0, 0]));
    // Callers at other addresses are not limited.
    fixture.provider.set_fault("").await;
    let browser = Browser::new();
    let callback = fixture.callback(&browser, "corp", "anna").await;
    assert_eq!(from(&browser, "203.0.113.8", &callback).await.status, 302);
}

#[tokio::test]
async fn account_creation_by_providers_is_rate_limited() {
    let Some(fixture) = SocialFixture::with("throttle.register_per_caller = '2/1m'").await else { return };
    for (login, status) in [("anna", 302), ("bert", 302), ("carl", 429), ("anna", 302)] {
        assert_eq!(fixture.finish_callback(&Browser::new(), "corp", login).await.status, status, "{login}");
    }
    assert_eq!(fixture.count(), [2, 2, 3]);
}
