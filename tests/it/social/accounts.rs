//! Whose account is opened: linking by address and by hand, unlinking, what a signed-in user may know, and leaving.

use countersign::issuer::users::UserChange;
use reqwest::Method;
use serde_json::{Value, json};

use super::browser::{Browser, location};
use super::{SocialFixture, WELCOME, assert_refused};
use crate::support::token::claims;

/// As an operator would: says that a user's address is proven, or not.
fn set_email_verified(stage: &SocialFixture, name: &str, proven: bool) {
    let changed = stage
        .database()
        .execute("UPDATE users SET email_verified = ?1 WHERE username = ?2", rusqlite::params![proven, name]);
    assert_eq!(changed, Ok(1));
}

async fn audit(stage: &SocialFixture, action: &str) -> Vec<String> {
    let lines = stage.server.audit().await.into_iter();
    lines.filter(|(found, _)| found == action).map(|(_, detail)| detail).collect()
}

#[tokio::test]
async fn an_address_links_only_where_both_sides_verified_it_slow() {
    for (theirs, ours) in [(true, true), (true, false), (false, true), (false, false)] {
        for provider in ["corp", "google", "github"] {
            let Some(stage) = SocialFixture::with_anna().await else { return };
            let told = format!("{provider}: theirs {theirs}, ours {ours}");
            let linked = theirs && ours;
            set_email_verified(&stage, "anna", ours);
            stage.provider.person("ann", &json!({"email": "Anna@Example.com", "email_verified": theirs})).await;
            let token = stage.sign_in(&Browser::new(), provider, "ann").await;
            assert_eq!(stage.name(&token), if linked { "anna" } else { "ann" }, "{told}");
            assert_eq!(stage.count()[..2], if linked { [1, 1] } else { [2, 1] }, "{told}");
            let addresses = "SELECT count(*) FROM users WHERE email IS NOT NULL";
            assert_eq!(stage.query::<i64>(addresses), 1, "{told}: an address is one user's");
            assert_eq!(audit(&stage, "social_linked").await.len(), 1, "{told}");
            // Later the provider may say what it likes: who is linked stays who they were.
            stage.provider.person("ann", &json!({"email": "changed@example.com", "email_verified": true})).await;
            let again = stage.sign_in(&Browser::new(), provider, "ann").await;
            assert_eq!(claims(&again)["sub"], claims(&token)["sub"], "{told}");
        }
    }
}

#[tokio::test]
async fn a_facebook_address_links_no_account() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    set_email_verified(&stage, "anna", true);
    stage.sign_in(&Browser::new(), "facebook", "anna").await;
    assert_eq!(stage.count(), [2, 1, 1]);
}

#[tokio::test]
async fn only_a_boolean_email_verified_is_accepted() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    set_email_verified(&stage, "anna", true);
    for odd in [json!("false"), json!(0), json!(null), json!([]), json!("yes")] {
        stage.provider.person("anna", &json!({"email_verified": odd})).await;
        let answer = stage.finish_callback(&Browser::new(), "corp", "anna").await;
        assert!(matches!(answer.status, 302 | 400), "{answer:#?}");
        let linked: i64 =
            stage.query("SELECT count(*) FROM social_accounts JOIN users ON id = user_id WHERE username = 'anna'");
        assert_eq!(linked, 0, "{odd}");
    }
}

#[tokio::test]
async fn a_disabled_user_cannot_sign_in_by_any_api() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    set_email_verified(&stage, "anna", true);
    stage.sign_in(&Browser::new(), "corp", "anna").await;
    let before = stage.count();
    stage.server.change("anna", UserChange::Disable).await;
    // Neither by the account that is linked, nor by another whose address would link it.
    for provider in ["corp", "google"] {
        let browser = Browser::new();
        let answer = stage.finish_callback(&browser, provider, "anna").await;
        assert!(answer.is(403).json()["status"].as_str().unwrap().contains("disabled"), "{answer:#?}");
        assert_eq!((stage.token(&browser), stage.count()), (None, before), "{provider}");
    }
}

#[tokio::test]
async fn a_signed_in_user_links_and_unlinks() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    stage.sign_in_with_password(&browser, "anna").await;
    let own = stage.token(&browser);
    for provider in ["corp", "github"] {
        let answer = stage.link(&browser, provider, "ann").await;
        assert_eq!(location(&answer), WELCOME);
        assert_eq!(stage.token(&browser), own, "linking opens no session");
    }
    assert_eq!(stage.count(), [1, 2, 1]);
    let accounts = stage.get(&browser, "/social/accounts/").await.is(200).json();
    let names = accounts["accounts"].as_array().unwrap().iter().map(|one| one["provider"].clone()).collect::<Vec<_>>();
    assert_eq!(names, ["corp", "github"]);
    let token = stage.sign_in(&Browser::new(), "corp", "ann").await;
    assert_eq!(stage.name(&token), "anna");

    for (provider, status) in [("corp", 200), ("corp", 404), ("google", 404)] {
        let answer = stage.post(&browser, "/social/unlink/", &json!({"provider": provider})).await;
        assert_eq!(answer.status, status, "{answer:#?}");
    }
    assert_eq!(stage.count()[1], 1);
    // What opened the account yesterday opens another one now.
    let token = stage.sign_in(&Browser::new(), "corp", "ann").await;
    assert_ne!(stage.name(&token), "anna");
    assert_eq!(audit(&stage, "social_unlinked").await.len(), 1);
}

#[tokio::test]
async fn a_provider_account_belongs_to_one_user_and_a_user_has_one_per_provider() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let bert = stage.sign_in(&Browser::new(), "corp", "bert").await;
    let browser = Browser::new();
    stage.sign_in_with_password(&browser, "anna").await;
    let taken = stage.link(&browser, "corp", "bert").await;
    assert!(taken.is(409).json()["status"].as_str().unwrap().contains("another account here"), "{taken:#?}");
    stage.link(&browser, "corp", "ann").await.is(302);
    stage.link(&browser, "corp", "ann").await.is(302);
    let second = stage.link(&browser, "corp", "ann-2").await;
    assert!(second.is(409).json()["status"].as_str().unwrap().contains("unlink it first"), "{second:#?}");
    assert_eq!(stage.count()[..2], [2, 2]);
    assert_eq!(claims(&stage.sign_in(&Browser::new(), "corp", "bert").await)["sub"], claims(&bert)["sub"]);
}

#[tokio::test]
async fn the_last_sign_in_method_cannot_be_unlinked() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    stage.sign_in(&browser, "corp", "anna").await;
    let unlink = json!({"provider": "corp"});
    let answer = stage.post(&browser, "/social/unlink/", &unlink).await;
    assert!(answer.is(409).json()["status"].as_str().unwrap().contains("set a password first"), "{answer:#?}");
    stage.link(&browser, "github", "anna").await.is(302);
    stage.post(&browser, "/social/unlink/", &unlink).await.is(200);
    let last = stage.post(&browser, "/social/unlink/", &json!({"provider": "github"})).await;
    last.is(409);
    assert_eq!(stage.count()[..2], [1, 1]);

    // What opens nothing today is no way in: a provider that is no longer offered, an issuer that has made way.
    let database = stage.database();
    for (provider, issuer) in [("gone", None), ("corp", Some("https://elsewhere.example"))] {
        let row = "INSERT INTO social_accounts (provider, social_id, user_id, linked_at, issuer)
                   SELECT ?1, 'x', user_id, linked_at, ?2 FROM social_accounts WHERE provider = 'github'";
        assert_eq!(database.execute(row, (provider, issuer)), Ok(1));
        stage.post(&browser, "/social/unlink/", &json!({"provider": "github"})).await.is(409);
    }
    // They may go, for another stays.
    for provider in ["gone", "corp"] {
        stage.post(&browser, "/social/unlink/", &json!({"provider": provider})).await.is(200);
    }
    assert_eq!(stage.count()[..2], [1, 1]);
}

/// A link that says "begin again" would sign in, and make a second account of whoever wanted another way in to theirs.
#[tokio::test]
async fn a_failed_link_does_not_redirect_to_sign_in() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    stage.sign_in_with_password(&browser, "anna").await;
    let post = |origin: &str| browser.request(Method::POST, &stage.url("/corp/")).header("origin", origin);
    let get = |url: &str| browser.request(Method::GET, url);
    let [form, sign_in, back] = ["method=\"post\" action=\"/corp/\"", "href=\"/corp/\"", "href=\"/welcome?from=here\""];

    let start = browser.send(post(&stage.server.url)).await;
    let callback = browser.decline_at_provider(&start, &stage.server.url).await;
    let declined = stage.page(&browser, get(&callback)).await;
    assert!(declined.is(400).text.contains(form) && !declined.text.contains(sign_in), "{declined:#?}");
    assert_eq!(declined.header("referrer-policy"), "strict-origin", "else the form has no origin");
    // What the page's form does, in a browser that shows where it comes from.
    browser.send(post(&stage.server.url)).await.is(303);
    let again = stage.page(&browser, get(&callback)).await;
    assert!(again.is(400).text.contains(back) && !again.text.contains(sign_in), "{again:#?}");

    stage.sign_in(&Browser::new(), "corp", "bert").await;
    let start = browser.send(post(&stage.server.url)).await;
    let callback = stage.sign_in_at_provider(&browser, &start, "bert").await;
    let taken = stage.page(&browser, get(&callback)).await;
    assert!(taken.is(409).text.contains(back) && !taken.text.contains(sign_in), "{taken:#?}");

    stage.provider.fault("discovery:broken").await;
    stage.server.clock.advance(std::time::Duration::from_hours(1));
    let down = stage.page(&browser, post(&stage.server.url)).await;
    assert!(down.is(400).text.contains(form), "people get a page on the way there, too: {down:#?}");
    let foreign = stage.page(&browser, post("https://evil.example.com")).await;
    assert!(foreign.is(403).text.contains(back) && !foreign.text.contains("<form"), "{foreign:#?}");
    browser.keep(&stage.server.url, std::collections::BTreeMap::new());
    let nobody = stage.page(&browser, post(&stage.server.url)).await;
    assert!(nobody.is(401).text.contains("href=\"/social/\""), "{nobody:#?}");
    assert_eq!(stage.count()[..2], [2, 1]);
}

#[tokio::test]
async fn a_link_attempt_ends_with_its_session() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    stage.sign_in_with_password(&browser, "anna").await;
    let start = stage.post(&browser, "/corp/", &Value::Null).await;
    assert_eq!(start.status, 303);
    let callback = browser.sign_in_at_provider(&start, &stage.server.url, "ann").await;
    stage.get(&browser, "/social_logout/").await.is(302);
    assert_eq!(browser.get(&callback).await.status, 401);
    assert_eq!(stage.count()[..2], [1, 0]);
    assert_eq!(stage.provider.request_count("token").await, 0, "the provider isn't even asked");
}

/// Somebody who registered with another's address, before its owner came, keeps no door in.
#[tokio::test]
async fn verifying_an_address_ends_earlier_sessions() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let attacker = Browser::new();
    stage.sign_in_with_password(&attacker, "anna").await;
    stage.link(&attacker, "corp", "mallory").await.is(302);
    stage.server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    crate::support::settle("the mail", async || !stage.server.mails().is_empty()).await;
    let code = stage.server.mails()[0].code().to_owned();
    stage.server.post("/reset_password", &json!({"reset_code": code})).await.is(200);
    assert_eq!(stage.count()[1], 0, "the account that was linked before");
    let token = stage.sign_in(&Browser::new(), "corp", "mallory").await;
    assert_ne!(stage.name(&token), "anna");
    let owner = stage.sign_in(&Browser::new(), "google", "anna").await;
    assert_eq!(stage.name(&owner), "anna", "proven on both sides now");
}

#[tokio::test]
async fn a_providers_token_is_refreshed_where_it_can_be() {
    let Some(stage) = SocialFixture::set().await else { return };
    for provider in ["google", "github", "corp"] {
        let browser = Browser::new();
        let path = format!("/{provider}_refresh/");
        let stranger = stage.get(&browser, &path).await;
        assert_eq!(stranger.is(401).json(), json!({"status": ""}), "{provider}");
        stage.sign_in(&browser, provider, "anna").await;
        let held =
            async |what: &str| stage.get(&browser, &format!("/social/{what}/")).await.is(200).json()[what].clone();
        let before = held("token").await;
        for method in [Method::GET, Method::POST] {
            let request = browser.request(method, &stage.url(&path)).header("origin", &stage.server.url);
            assert_eq!(browser.send(request).await.is(200).json(), json!({"status": "refreshed"}), "{provider}");
        }
        assert_ne!(held("token").await, before, "{provider}");
        // One that is not given anew is kept.
        let kept = held("refresh_token").await;
        stage.provider.fault("token:no-refresh-token").await;
        stage.get(&browser, &path).await.is(200);
        assert_eq!(held("refresh_token").await, kept, "{provider}");
        for (fault, words) in [
            ("token:no-access-token", "No access token provided"),
            ("token:refused", "the provider refused"),
            ("token:broken", "can't be reached"),
            ("token:html", "makes no sense"),
            ("token:huge", "makes no sense"),
            ("token:close", "can't be reached"),
        ] {
            let before = held("token").await;
            stage.provider.fault(fault).await;
            assert_refused(&stage.get(&browser, &path).await, words, &format!("{provider}, {fault}"));
            assert_eq!(
                (held("token").await, held("refresh_token").await),
                (before, kept.clone()),
                "{provider}, {fault}"
            );
        }
        stage.provider.fault("").await;
    }
}

/// A token that the resource servers of another dialect see neither shows nor renews what a provider gave.
#[tokio::test]
async fn a_token_of_another_dialect_refreshes_no_provider_token() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    stage.sign_in_with_password(&browser, "anna").await;
    stage.link(&browser, "corp", "anna").await.is(302);
    let body = json!({"username": "anna", "password": crate::support::PASSWORD});
    let short = stage.server.post("/api/token/", &body).await.is(200).json()["access"].as_str().unwrap().to_owned();
    let asked = stage.provider.request_count("token").await;
    for method in [Method::GET, Method::POST] {
        let request = stage.server.request(method, "/corp_refresh/").bearer_auth(&short);
        assert_eq!(crate::support::ServerResponse::send(request).await.is(401).json(), json!({"status": ""}));
    }
    assert_eq!(stage.provider.request_count("token").await, asked);
}

#[tokio::test]
async fn without_a_refresh_token_nothing_is_refreshed() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    stage.provider.fault("token:no-refresh-token").await;
    stage.sign_in(&browser, "google", "anna").await;
    assert_eq!(stage.get(&browser, "/google_refresh/").await.is(404).json(), json!({"status": ""}));
    assert_eq!(stage.get(&browser, "/social/refresh_token/").await.is(404).json()["status"], 404);
    assert_eq!(stage.get(&browser, "/facebook_refresh/").await.status, 404);
    let by_password = Browser::new();
    stage.sign_in_with_password(&by_password, "anna").await;
    assert_eq!(stage.get(&by_password, "/google_refresh/").await.is(404).json(), json!({"status": ""}));
    for path in ["/social/token/", "/social/refresh_token/"] {
        assert_eq!(stage.get(&by_password, path).await.is(404).json()["status"], 404);
        assert_eq!(stage.get(&Browser::new(), path).await.is(401).json()["status"], 401);
    }
    assert_eq!(stage.get(&by_password, "/social/provider/").await.is(200).json(), json!({"provider": false}));
    assert_eq!(stage.get(&Browser::new(), "/social/provider/").await.status, 401);
}

#[tokio::test]
async fn sign_out_ends_the_session_and_removes_only_the_access_token() {
    let Some(stage) = SocialFixture::set().await else { return };
    for method in [Method::GET, Method::POST] {
        let browser = Browser::new();
        let token = stage.sign_in(&browser, "corp", "anna").await;
        let request = browser.request(method, &stage.url("/social_logout/")).header("origin", &stage.server.url);
        let answer = browser.send(request).await;
        assert_eq!((answer.status, answer.header("location")), (302, "/bye"));
        assert_eq!(stage.token(&browser), None);
        assert!(!stage.server.opens(&token).await);
        let kept = "SELECT (access_token IS NULL) * 10 + (refresh_token IS NOT NULL) FROM social_accounts";
        assert_eq!(stage.query::<i64>(kept), 11);
        let again = stage.get(&browser, "/social_logout/").await;
        assert_eq!((again.status, again.header("location")), (302, "/bye"), "nobody is signed in any more");
    }
}
