//! An account at a provider is one issuer's: a name in the settings may come to stand for another.

use std::time::Duration;

use serde_json::{Value, json};

use super::browser::Browser;
use super::{SocialFixture, WELCOME, assert_refused};

const ELSEWHERE: &str = "https://elsewhere.example";
const UNTRUSTED: &str = "not to be trusted";

impl SocialFixture {
    fn issuer_of(&self, provider: &str) -> Option<String> {
        self.query(&format!("SELECT issuer FROM social_accounts WHERE provider = '{provider}'"))
    }

    /// As if every account had been linked while the names in the settings stood for that issuer, or before it was kept.
    fn was_linked_at(&self, issuer: Option<&str>) {
        self.database().execute("UPDATE social_accounts SET issuer = ?1", [issuer]).unwrap();
    }
}

#[tokio::test]
async fn a_provider_id_of_another_issuer_is_rejected() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    for provider in ["corp", "google"] {
        let browser = Browser::new();
        stage.sign_in(&browser, provider, "bert").await;
        assert_eq!(stage.issuer_of(provider).as_ref(), Some(&stage.provider.url), "{provider}");
        stage.was_linked_at(Some(ELSEWHERE));
        let before = stage.count();
        let stranger = Browser::new();
        assert_refused(&stage.finish_callback(&stranger, provider, "bert").await, UNTRUSTED, provider);
        assert_refused(&stage.link(&browser, provider, "bert").await, UNTRUSTED, "linking one's own anew");
        let asked = stage.provider.request_count("token").await;
        assert_refused(&stage.get(&browser, &format!("/{provider}_refresh/")).await, UNTRUSTED, "a refresh");
        assert_eq!(stage.provider.request_count("token").await, asked, "a token of one issuer's is shown to no other");
        assert_eq!((stage.count(), stage.token(&stranger)), (before, None), "{provider}");
        assert_eq!(stage.issuer_of(provider).as_deref(), Some(ELSEWHERE), "{provider}");
        stage.was_linked_at(Some(&stage.provider.url));
        stage.sign_in(&stranger, provider, "bert").await;
    }
}

#[tokio::test]
async fn a_provider_without_openid_has_no_issuer() {
    let Some(stage) = SocialFixture::set().await else { return };
    for provider in ["github", "facebook"] {
        stage.sign_in(&Browser::new(), provider, "anna").await;
        assert_eq!(stage.issuer_of(provider), None);
    }
}

#[tokio::test]
async fn accounts_of_an_older_database_get_their_issuer_at_sign_in() {
    let settings = "server.public_url = 'http://127.0.0.1:9'";
    let Some(SocialFixture { provider, server }) = SocialFixture::with(settings).await else { return };
    let callback = async |stage: &SocialFixture, browser: &Browser, start: &crate::support::ServerResponse| {
        let callback = browser.sign_in_at_provider(start, "http://127.0.0.1:9", "anna").await;
        stage.tick();
        callback.replace("http://127.0.0.1:9", &stage.server.url)
    };
    let stage = SocialFixture { provider, server };
    let browser = Browser::new();
    let start = stage.get(&browser, "/corp/").await;
    let back = callback(&stage, &browser, &start).await;
    assert_eq!(browser.get(&back).await.header("location"), WELCOME);
    let before = stage.count();
    // As the schema's change left those who were there before the issuer was kept.
    stage.database().execute_batch("UPDATE social_accounts SET issuer = NULL").unwrap();

    let SocialFixture { provider, server } = stage;
    let stage = SocialFixture { provider, server: server.restart(Duration::from_secs(5)).await };
    assert_eq!((stage.count(), stage.issuer_of("corp")), (before, None));
    let stranger = Browser::new();
    let start = stage.get(&stranger, "/corp/").await;
    let back = callback(&stage, &stranger, &start).await;
    assert_eq!(stranger.get(&back).await.header("location"), WELCOME);
    assert_eq!(stage.issuer_of("corp").as_ref(), Some(&stage.provider.url), "by a sign-in");
    assert_eq!(stage.count()[..2], before[..2]);
}

#[tokio::test]
async fn linking_again_stores_the_issuer() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    stage.sign_in_with_password(&browser, "anna").await;
    stage.link(&browser, "corp", "ann").await.is(302);
    stage.was_linked_at(None);
    stage.link(&browser, "corp", "ann").await.is(302);
    assert_eq!(stage.issuer_of("corp").as_ref(), Some(&stage.provider.url));
    let accounts = stage.get(&browser, "/social/accounts/").await.is(200).json();
    assert_eq!(accounts["accounts"][0]["issuer"], Value::Null, "nobody needs to be told: {}", json!(accounts));
}
