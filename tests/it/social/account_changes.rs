//! Linking and unlinking change how an account is opened, so they need more than a token.

use std::time::Duration;

use countersign::domain::social::ProviderName;
use countersign::issuer::users::{UserChange, find};
use countersign::issuer::{Denied, OperatorRule};
use reqwest::Method;
use serde_json::{Value, json};

use super::SocialFixture;
use super::browser::Browser;
use crate::support::{PASSWORD, ServerResponse, wait_until};

const MINUTES_5: Duration = Duration::from_mins(5);

/// Renews the token in the cookie, so that it is valid but its sign-in is not recent.
async fn wait_and_renew(fixture: &SocialFixture, browser: &Browser) {
    fixture.server.clock.advance(MINUTES_5);
    fixture.post(browser, "/renew_token", &json!({})).await.is(200);
}

async fn unlink(fixture: &SocialFixture, browser: &Browser, current_password: Option<&str>) -> ServerResponse {
    let mut body = json!({"provider": "corp"});
    if let Some(password) = current_password {
        body["current_password"] = password.into();
    }
    fixture.post(browser, "/social/unlink/", &body).await
}

fn assert_refused(response: &ServerResponse, expected: &str) {
    assert!(response.is(403).json()["status"].as_str().unwrap().contains(expected), "{response:#?}");
}

async fn make_superuser(fixture: &SocialFixture) {
    fixture.server.change("anna", UserChange::SetRights { is_staff: false, is_superuser: true }).await;
}

#[tokio::test]
async fn linking_and_unlinking_need_a_proof() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    wait_and_renew(&fixture, &browser).await;
    assert_refused(&fixture.post(&browser, "/corp/", &Value::Null).await, "current_password");
    let wrong = json!({"current_password": "wrong"});
    assert_refused(&fixture.post(&browser, "/corp/", &wrong).await, "the current password is wrong");
    let page = browser.request(Method::POST, &fixture.url("/corp/")).header("origin", &fixture.server.url);
    let page = fixture.page(&browser, page).await;
    assert!(page.is(403).text.contains("current password") && !page.text.contains("action=\"/corp/"), "{page:#?}");

    for body in [json!({"current_password": PASSWORD}).to_string(), "current_password=correct+horse+battery".to_owned()]
    {
        let media = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let request = browser.request(Method::POST, &fixture.url("/corp/")).header("origin", &fixture.server.url);
        let start = browser.send(request.header("content-type", media).body(body)).await;
        start.is(303);
        let callback = fixture.sign_in_at_provider(&browser, &start, "ann").await;
        browser.get(&callback).await.is(302);
    }
    assert_eq!(fixture.count()[1], 1);

    assert_refused(&unlink(&fixture, &browser, None).await, "current_password");
    assert_refused(&unlink(&fixture, &browser, Some("wrong")).await, "the current password is wrong");
    assert_eq!(fixture.count()[1], 1);
    unlink(&fixture, &browser, Some(PASSWORD)).await.is(200);
    assert_eq!(fixture.count()[1], 0);
}

#[tokio::test]
async fn bare_changes_links_and_unlinks_with_a_token_alone() {
    let Some(fixture) = SocialFixture::with("accounts.bare_changes = true").await else { return };
    fixture.server.register("anna").await;
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    wait_and_renew(&fixture, &browser).await;
    fixture.link(&browser, "corp", "ann").await.is(302);
    unlink(&fixture, &browser, None).await.is(200);
}

#[tokio::test]
async fn a_superuser_neither_links_nor_unlinks() {
    for bare in ["", "accounts.bare_changes = true"] {
        let Some(fixture) = SocialFixture::with(bare).await else { return };
        fixture.server.register("anna").await;
        let browser = Browser::new();
        fixture.sign_in_with_password(&browser, "anna").await;
        fixture.link(&browser, "corp", "ann").await.is(302);
        let start = fixture.post(&browser, "/github/", &Value::Null).await;
        make_superuser(&fixture).await;
        for body in [json!({}), json!({"current_password": PASSWORD})] {
            assert_refused(&fixture.post(&browser, "/github/", &body).await, "admin zone");
        }
        for password in [None, Some(PASSWORD)] {
            assert_refused(&unlink(&fixture, &browser, password).await, "admin zone");
        }
        // The link was started before the user became a superuser.
        let callback = fixture.sign_in_at_provider(&browser, &start, "ann").await;
        assert_refused(&browser.get(&callback).await, "admin zone");
        assert_eq!(fixture.count()[1], 1, "{bare}");
        let token = fixture.sign_in(&Browser::new(), "corp", "ann").await;
        assert_eq!(fixture.name(&token), "anna", "a link from before stays");
    }
}

#[tokio::test]
async fn the_address_of_a_superuser_opens_no_account() {
    for provider in ["corp", "google", "github"] {
        let Some(fixture) = SocialFixture::with_anna().await else { return };
        fixture.database().execute("UPDATE users SET email_verified = 1", []).unwrap();
        make_superuser(&fixture).await;
        fixture.provider.set_user("ann", &json!({"email": "anna@example.com", "email_verified": true})).await;
        let token = fixture.sign_in(&Browser::new(), provider, "ann").await;
        assert_eq!(fixture.name(&token), "ann", "{provider}");
        assert_eq!(fixture.count()[..2], [2, 1], "{provider}");
    }
}

#[tokio::test]
async fn operators_unlink_the_accounts_of_a_superuser() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    fixture.link(&browser, "corp", "ann").await.is(302);
    fixture.link(&browser, "github", "ann").await.is(302);
    make_superuser(&fixture).await;
    let corp = ProviderName::parse("corp").unwrap();
    fixture.server.change("anna", UserChange::Unlink(Some(corp.clone()))).await;
    assert_eq!(fixture.count()[1], 1);
    fixture.server.change("anna", UserChange::Unlink(None)).await;
    assert_eq!(fixture.count()[1], 0);
    let anna = find(&fixture.server.issuer, "anna").await.unwrap().unwrap();
    for provider in [Some(corp), None] {
        let denied = UserChange::Unlink(provider).run(&anna, &fixture.server.issuer).await;
        assert!(matches!(denied, Err(Denied::Rule(OperatorRule::NotLinked))), "{denied:?}");
    }
    wait_until("the notices are sent", async || fixture.server.notices().len() == 5).await;
}
