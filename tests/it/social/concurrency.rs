//! What many do at once, or too often.

use countersign::domain::social::ProviderName;
use countersign::issuer::authenticate::Authenticate;
use countersign::issuer::social::refresh::RefreshProvider;
use countersign::issuer::users::UserChange;
use countersign::issuer::{Caller, Refusal, Unauthenticated};
use reqwest::Method;
use serde_json::json;

use super::browser::Browser;
use super::{SocialFixture, assert_refused};

#[tokio::test]
async fn concurrent_first_sign_ins_create_one_user() {
    let Some(stage) = SocialFixture::set().await else { return };
    for (round, providers) in
        [["corp", "corp"], ["github", "github"], ["corp", "google"], ["github", "public"]].iter().enumerate()
    {
        let login = format!("anna-{round}");
        let browsers = [Browser::new(), Browser::new()];
        let one = stage.callback(&browsers[0], providers[0], &login).await;
        let other = stage.callback(&browsers[1], providers[1], &login).await;
        let [users, accounts, sessions] = stage.count();
        let (one, other) = tokio::join!(browsers[0].get(&one), browsers[1].get(&other));
        assert_eq!((one.status, other.status), (302, 302), "{providers:?}: {one:#?} {other:#?}");
        // The same address, which both providers have verified, is the same person.
        let made = if providers[0] == providers[1] { 1 } else { 2 };
        assert_eq!(stage.count(), [users + 1, accounts + made, sessions + 2], "{providers:?}");
        let names = browsers.map(|browser| stage.name(&stage.token(&browser).unwrap()));
        assert_eq!(names, [login.clone(), login], "{providers:?}");
    }
}

#[tokio::test]
async fn of_two_concurrent_links_to_one_provider_one_succeeds() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let one = Browser::new();
    let other = Browser::new();
    let mut callbacks = Vec::new();
    for (browser, login) in [(&one, "ann"), (&other, "annie")] {
        stage.sign_in_with_password(browser, "anna").await;
        let start = stage.post(browser, "/corp/", &json!(null)).await;
        callbacks.push(stage.sign_in_at_provider(browser, &start, login).await);
    }
    let (first, second) = tokio::join!(one.get(&callbacks[0]), other.get(&callbacks[1]));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!((statuses, stage.count()), ([302, 409], [1, 1, 2]));
}

#[tokio::test]
async fn of_two_concurrent_unlinks_one_sign_in_method_remains() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    stage.sign_in(&browser, "corp", "anna").await;
    stage.link(&browser, "github", "anna").await.is(302);
    let unlink =
        async |provider: &str| stage.post(&browser, "/social/unlink/", &json!({"provider": provider})).await.status;
    let (one, other) = tokio::join!(unlink("corp"), unlink("github"));
    let mut statuses = [one, other];
    statuses.sort_unstable();
    assert_eq!((statuses, stage.count()), ([200, 409], [1, 1, 1]));
}

/// The provider is asked between the look and the write; whoever signs out meanwhile had its access token forgotten.
#[tokio::test]
async fn a_refresh_does_not_undo_a_sign_out() {
    let Some(stage) = SocialFixture::set().await else { return };
    let issuer = &stage.server.issuer;
    let refresh = || RefreshProvider {
        provider: ProviderName::parse("corp").unwrap(),
        from: Caller { address: std::net::IpAddr::from([127, 0, 0, 1]) },
    };
    let kept = || stage.query::<i64>("SELECT count(access_token) FROM social_accounts");
    for leave in ["/social_logout/", ""] {
        let browser = Browser::new();
        let token = stage.sign_in(&browser, "corp", "anna").await;
        let who = Authenticate { token: Some(&token) }.run(issuer).await.unwrap();
        refresh().run(&who, issuer).await.unwrap();
        let before = kept();
        if leave.is_empty() {
            stage.server.change("anna", UserChange::Disable).await;
        } else {
            stage.get(&browser, leave).await.is(302);
            assert_eq!((before, kept()), (1, 0));
        }
        let before = kept();
        let lines = stage.query::<i64>("SELECT count(*) FROM audit");
        let refused = refresh().run(&who, issuer).await;
        assert!(matches!(refused, Err(Refusal::NotSignedIn(Unauthenticated::SessionEnded))), "{leave}: {refused:?}");
        assert_eq!((kept(), stage.query::<i64>("SELECT count(*) FROM audit")), (before, lines), "{leave}");
    }
}

#[tokio::test]
async fn deleting_a_user_deletes_the_provider_tokens() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let token = stage.sign_in(&browser, "corp", "anna").await;
    stage.server.change("anna", UserChange::Delete).await;
    assert_eq!(stage.count(), [0, 0, 0]);
    assert!(!stage.server.opens(&token).await);
    let again = stage.sign_in(&Browser::new(), "corp", "anna").await;
    let [before, after] = [&token, &again].map(|token| crate::support::token::claims(token)["sub"].clone());
    assert_ne!(before, after, "another account");
}

#[tokio::test]
async fn guessed_codes_are_limited_without_calling_the_provider() {
    let Some(stage) = SocialFixture::with("throttle.sign_in_per_caller = '3/5m'").await else { return };
    let from = async |browser: &Browser, address: &str, url: &str| {
        browser.send(browser.request(Method::GET, url).header("x-forwarded-for", address)).await
    };
    stage.provider.fault("callback:other-code").await;
    for _ in 0..3 {
        let browser = Browser::new();
        let callback = stage.callback(&browser, "corp", "anna").await;
        assert_refused(&from(&browser, "203.0.113.7", &callback).await, "the provider refused", "a guess");
    }
    let asked = stage.provider.request_count("token").await;
    let browser = Browser::new();
    let callback = stage.callback(&browser, "corp", "anna").await;
    let stopped = from(&browser, "203.0.113.7", &callback).await;
    assert!(!stopped.is(429).header("retry-after").is_empty(), "{stopped:#?}");
    assert_eq!((stage.provider.request_count("token").await, stage.count()), (asked, [0, 0, 0]));
    // Others go in and out as ever.
    stage.provider.fault("").await;
    let browser = Browser::new();
    let callback = stage.callback(&browser, "corp", "anna").await;
    assert_eq!(from(&browser, "203.0.113.8", &callback).await.status, 302);
}

#[tokio::test]
async fn account_creation_by_providers_is_rate_limited() {
    let Some(stage) = SocialFixture::with("throttle.register_per_caller = '2/1m'").await else { return };
    for (login, status) in [("anna", 302), ("bert", 302), ("carl", 429), ("anna", 302)] {
        assert_eq!(stage.finish_callback(&Browser::new(), "corp", login).await.status, status, "{login}");
    }
    assert_eq!(stage.count(), [2, 2, 3]);
}
