//! A provider account belongs to one issuer, even if the provider's name in the settings later refers to another
//! issuer.

use std::time::Duration;

use serde_json::{Value, json};

use super::browser::Browser;
use super::{SocialFixture, WELCOME, assert_refused};

const ELSEWHERE: &str = "https://elsewhere.example";
const UNTRUSTED: &str = "could not be verified";

impl SocialFixture {
    fn issuer_of(&self, provider: &str) -> Option<String> {
        self.query(&format!("SELECT issuer FROM social_accounts WHERE provider = '{provider}'"))
    }

    /// Rewrites all links as if they had been created at this issuer, or before the issuer was stored (`None`).
    fn set_link_issuer(&self, issuer: Option<&str>) {
        self.database().execute("UPDATE social_accounts SET issuer = ?1", [issuer]).unwrap();
    }
}

#[tokio::test]
async fn a_provider_id_of_another_issuer_is_rejected() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    for provider in ["corp", "google", "github", "facebook"] {
        let browser = Browser::new();
        fixture.sign_in(&browser, provider, "bert").await;
        assert_eq!(fixture.issuer_of(provider).as_ref(), Some(&fixture.provider.url), "{provider}");
        fixture.set_link_issuer(Some(ELSEWHERE));
        let before = fixture.count();
        let new_browser = Browser::new();
        assert_refused(&fixture.finish_callback(&new_browser, provider, "bert").await, UNTRUSTED, provider);
        assert_refused(&fixture.link(&browser, provider, "bert").await, UNTRUSTED, "linking the same account again");
        let token_requests = fixture.provider.request_count("token").await;
        // Facebook issues no refresh tokens.
        if provider != "facebook" {
            assert_refused(&fixture.get(&browser, &format!("/{provider}_refresh/")).await, UNTRUSTED, "a refresh");
        }
        assert_eq!(fixture.provider.request_count("token").await, token_requests, "a token was sent to another issuer");
        assert_eq!((fixture.count(), fixture.token(&new_browser)), (before, None), "{provider}");
        assert_eq!(fixture.issuer_of(provider).as_deref(), Some(ELSEWHERE), "{provider}");
        fixture.set_link_issuer(Some(&fixture.provider.url));
        fixture.sign_in(&new_browser, provider, "bert").await;
    }
}

#[tokio::test]
async fn ids_of_a_provider_without_openid_belong_to_the_origin_of_its_token_url() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for provider in ["github", "facebook"] {
        fixture.sign_in(&Browser::new(), provider, "anna").await;
        assert_eq!(fixture.issuer_of(provider).as_ref(), Some(&fixture.provider.url), "{provider}");
        // Links of earlier builds have no issuer.
        fixture.set_link_issuer(None);
        fixture.sign_in(&Browser::new(), provider, "anna").await;
        assert_eq!(fixture.issuer_of(provider).as_ref(), Some(&fixture.provider.url), "a sign-in stores the issuer");
    }
}

#[tokio::test]
async fn accounts_of_an_older_database_get_their_issuer_at_sign_in() {
    let settings = "server.public_url = 'http://127.0.0.1:9'";
    let Some(SocialFixture { provider, server }) = SocialFixture::with(settings).await else { return };
    let callback = async |fixture: &SocialFixture, browser: &Browser, start: &crate::support::ServerResponse| {
        let callback = browser.sign_in_at_provider(start, "http://127.0.0.1:9", "anna").await;
        fixture.sync_clock();
        callback.replace("http://127.0.0.1:9", &fixture.server.url)
    };
    let fixture = SocialFixture { provider, server };
    let browser = Browser::new();
    let start = fixture.get(&browser, "/corp/").await;
    let back = callback(&fixture, &browser, &start).await;
    assert_eq!(browser.get(&back).await.header("location"), WELCOME);
    let before = fixture.count();
    // The schema migration leaves the issuer of existing links empty.
    fixture.database().execute_batch("UPDATE social_accounts SET issuer = NULL").unwrap();

    let SocialFixture { provider, server } = fixture;
    let fixture = SocialFixture { provider, server: server.restart(Duration::from_secs(5)).await };
    assert_eq!((fixture.count(), fixture.issuer_of("corp")), (before, None));
    let new_browser = Browser::new();
    let start = fixture.get(&new_browser, "/corp/").await;
    let back = callback(&fixture, &new_browser, &start).await;
    assert_eq!(new_browser.get(&back).await.header("location"), WELCOME);
    assert_eq!(fixture.issuer_of("corp").as_ref(), Some(&fixture.provider.url), "a sign-in stores the issuer");
    assert_eq!(fixture.count()[..2], before[..2]);
}

#[tokio::test]
async fn linking_again_stores_the_issuer() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    fixture.link(&browser, "corp", "ann").await.is(302);
    fixture.set_link_issuer(None);
    fixture.link(&browser, "corp", "ann").await.is(302);
    assert_eq!(fixture.issuer_of("corp").as_ref(), Some(&fixture.provider.url));
    let accounts = fixture.get(&browser, "/social/accounts/").await.is(200).json();
    assert_eq!(accounts["accounts"][0]["issuer"], Value::Null, "the issuer is not returned: {}", json!(accounts));
}
