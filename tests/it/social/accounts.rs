//! To which user a sign-in with a provider leads: linking by address and by request, unlinking, token access and
//! sign-out.

use countersign::issuer::users::UserChange;
use reqwest::Method;
use serde_json::{Value, json};

use super::browser::{Browser, location};
use super::{SocialFixture, WELCOME, assert_refused};
use crate::support::token::claims;

/// Marks the address of a user as verified or unverified in the database.
fn set_email_verified(fixture: &SocialFixture, name: &str, is_verified: bool) {
    let changed = fixture
        .database()
        .execute("UPDATE users SET email_verified = ?1 WHERE username = ?2", rusqlite::params![is_verified, name]);
    assert_eq!(changed, Ok(1));
}

async fn audit(fixture: &SocialFixture, action: &str) -> Vec<String> {
    let lines = fixture.server.audit().await.into_iter();
    lines.filter(|(found, _)| found == action).map(|(_, detail)| detail).collect()
}

#[tokio::test]
async fn an_address_links_only_if_both_sides_verified_it_slow() {
    for (theirs, ours) in [(true, true), (true, false), (false, true), (false, false)] {
        for provider in ["corp", "google", "github"] {
            let Some(fixture) = SocialFixture::with_anna().await else { return };
            let context = format!("{provider}: theirs {theirs}, ours {ours}");
            let linked = theirs && ours;
            set_email_verified(&fixture, "anna", ours);
            fixture.provider.set_user("ann", &json!({"email": "Anna@Example.com", "email_verified": theirs})).await;
            let token = fixture.sign_in(&Browser::new(), provider, "ann").await;
            assert_eq!(fixture.name(&token), if linked { "anna" } else { "ann" }, "{context}");
            assert_eq!(fixture.count()[..2], if linked { [1, 1] } else { [2, 1] }, "{context}");
            let addresses = "SELECT count(*) FROM users WHERE email IS NOT NULL";
            assert_eq!(fixture.query::<i64>(addresses), 1, "{context}: one user has the address");
            assert_eq!(audit(&fixture, "social_linked").await.len(), 1, "{context}");
            // Once linked, the account stays with its user, even if the provider reports another address.
            fixture.provider.set_user("ann", &json!({"email": "changed@example.com", "email_verified": true})).await;
            let again = fixture.sign_in(&Browser::new(), provider, "ann").await;
            assert_eq!(claims(&again)["sub"], claims(&token)["sub"], "{context}");
        }
    }
}

#[tokio::test]
async fn a_facebook_address_links_no_account() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    set_email_verified(&fixture, "anna", true);
    fixture.sign_in(&Browser::new(), "facebook", "anna").await;
    assert_eq!(fixture.count(), [2, 1, 1]);
}

#[tokio::test]
async fn only_a_boolean_email_verified_is_accepted() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    set_email_verified(&fixture, "anna", true);
    for value in [json!("false"), json!(0), json!(null), json!([]), json!("yes")] {
        fixture.provider.set_user("anna", &json!({"email_verified": value})).await;
        let response = fixture.finish_callback(&Browser::new(), "corp", "anna").await;
        assert!(matches!(response.status, 302 | 400), "{response:#?}");
        let linked: i64 =
            fixture.query("SELECT count(*) FROM social_accounts JOIN users ON id = user_id WHERE username = 'anna'");
        assert_eq!(linked, 0, "{value}");
    }
}

#[tokio::test]
async fn a_disabled_user_cannot_sign_in_by_any_api() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    set_email_verified(&fixture, "anna", true);
    fixture.sign_in(&Browser::new(), "corp", "anna").await;
    let before = fixture.count();
    fixture.server.change("anna", UserChange::Disable).await;
    // The user can sign in neither with the linked account nor with another account that has the same verified address.
    for provider in ["corp", "google"] {
        let browser = Browser::new();
        let response = fixture.finish_callback(&browser, provider, "anna").await;
        assert!(response.is(403).json()["status"].as_str().unwrap().contains("disabled"), "{response:#?}");
        assert_eq!((fixture.token(&browser), fixture.count()), (None, before), "{provider}");
    }
}

#[tokio::test]
async fn a_signed_in_user_links_and_unlinks() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    let own = fixture.token(&browser);
    for provider in ["corp", "github"] {
        let response = fixture.link(&browser, provider, "ann").await;
        assert_eq!(location(&response), WELCOME);
        assert_eq!(fixture.token(&browser), own, "linking must not open a session");
    }
    assert_eq!(fixture.count(), [1, 2, 1]);
    let accounts = fixture.get(&browser, "/social/accounts/").await.is(200).json();
    let names = accounts["accounts"].as_array().unwrap().iter().map(|one| one["provider"].clone()).collect::<Vec<_>>();
    assert_eq!(names, ["corp", "github"]);
    let token = fixture.sign_in(&Browser::new(), "corp", "ann").await;
    assert_eq!(fixture.name(&token), "anna");

    for (provider, status) in [("corp", 200), ("corp", 404), ("google", 404)] {
        let response = fixture.post(&browser, "/social/unlink/", &json!({"provider": provider})).await;
        assert_eq!(response.status, status, "{response:#?}");
    }
    assert_eq!(fixture.count()[1], 1);
    // A sign-in with the unlinked provider account now creates another user.
    let token = fixture.sign_in(&Browser::new(), "corp", "ann").await;
    assert_ne!(fixture.name(&token), "anna");
    assert_eq!(audit(&fixture, "social_unlinked").await.len(), 1);
}

#[tokio::test]
async fn a_provider_account_belongs_to_one_user_and_a_user_has_one_per_provider() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let bert = fixture.sign_in(&Browser::new(), "corp", "bert").await;
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    let conflict = fixture.link(&browser, "corp", "bert").await;
    assert!(conflict.is(409).json()["status"].as_str().unwrap().contains("linked to another user"), "{conflict:#?}");
    fixture.link(&browser, "corp", "ann").await.is(302);
    fixture.link(&browser, "corp", "ann").await.is(302);
    let second = fixture.link(&browser, "corp", "ann-2").await;
    assert!(second.is(409).json()["status"].as_str().unwrap().contains("unlink it first"), "{second:#?}");
    assert_eq!(fixture.count()[..2], [2, 2]);
    assert_eq!(claims(&fixture.sign_in(&Browser::new(), "corp", "bert").await)["sub"], claims(&bert)["sub"]);
}

#[tokio::test]
async fn the_last_sign_in_method_cannot_be_unlinked() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    fixture.sign_in(&browser, "corp", "anna").await;
    let unlink = json!({"provider": "corp"});
    let response = fixture.post(&browser, "/social/unlink/", &unlink).await;
    assert!(response.is(409).json()["status"].as_str().unwrap().contains("set a password first"), "{response:#?}");
    fixture.link(&browser, "github", "anna").await.is(302);
    fixture.post(&browser, "/social/unlink/", &unlink).await.is(200);
    let last = fixture.post(&browser, "/social/unlink/", &json!({"provider": "github"})).await;
    last.is(409);
    assert_eq!(fixture.count()[..2], [1, 1]);

    // A link without a configured provider, or with another issuer, does not count as a sign-in method.
    let database = fixture.database();
    for (provider, issuer) in [("gone", None), ("corp", Some("https://elsewhere.example"))] {
        let row = "INSERT INTO social_accounts (provider, social_id, user_id, linked_at, issuer)
                   SELECT ?1, 'x', user_id, linked_at, ?2 FROM social_accounts WHERE provider = 'github'";
        assert_eq!(database.execute(row, (provider, issuer)), Ok(1));
        fixture.post(&browser, "/social/unlink/", &json!({"provider": "github"})).await.is(409);
    }
    // These links may be removed, because another sign-in method remains.
    for provider in ["gone", "corp"] {
        fixture.post(&browser, "/social/unlink/", &json!({"provider": provider})).await.is(200);
    }
    assert_eq!(fixture.count()[..2], [1, 1]);
}

/// After a failed link, the page offers a form and not a hyperlink: a hyperlink to the start would sign in and create a
/// second account for a user who wanted to link a provider.
#[tokio::test]
async fn a_failed_link_does_not_redirect_to_sign_in() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    let post = |origin: &str| browser.request(Method::POST, &fixture.url("/corp/")).header("origin", origin);
    let get = |url: &str| browser.request(Method::GET, url);
    let [form, sign_in, back] = ["method=\"post\" action=\"/corp/\"", "href=\"/corp/\"", "href=\"/welcome?from=here\""];

    let start = browser.send(post(&fixture.server.url)).await;
    let callback = browser.decline_at_provider(&start, &fixture.server.url).await;
    let declined = fixture.page(&browser, get(&callback)).await;
    assert!(declined.is(400).text.contains(form) && !declined.text.contains(sign_in), "{declined:#?}");
    assert_eq!(
        declined.header("referrer-policy"),
        "strict-origin",
        "without this policy the form would send no origin"
    );
    // The page's form sends this request, in a browser that sends `Origin`.
    browser.send(post(&fixture.server.url)).await.is(303);
    let again = fixture.page(&browser, get(&callback)).await;
    assert!(again.is(400).text.contains(back) && !again.text.contains(sign_in), "{again:#?}");

    fixture.sign_in(&Browser::new(), "corp", "bert").await;
    let start = browser.send(post(&fixture.server.url)).await;
    let callback = fixture.sign_in_at_provider(&browser, &start, "bert").await;
    let conflict = fixture.page(&browser, get(&callback)).await;
    assert!(conflict.is(409).text.contains(back) && !conflict.text.contains(sign_in), "{conflict:#?}");

    fixture.provider.set_fault("discovery:broken").await;
    fixture.server.clock.advance(std::time::Duration::from_hours(1));
    fixture.sign_in_with_password(&browser, "anna").await;
    let down = fixture.page(&browser, post(&fixture.server.url)).await;
    assert!(down.is(400).text.contains(form), "browsers get a page for a failed start as well: {down:#?}");
    let foreign = fixture.page(&browser, post("https://evil.example.com")).await;
    assert!(foreign.is(403).text.contains(back) && !foreign.text.contains("<form"), "{foreign:#?}");
    browser.set_cookies(&fixture.server.url, std::collections::BTreeMap::new());
    let signed_out = fixture.page(&browser, post(&fixture.server.url)).await;
    assert!(signed_out.is(401).text.contains("href=\"/social/\""), "{signed_out:#?}");
    assert_eq!(fixture.count()[..2], [2, 1]);
}

#[tokio::test]
async fn a_link_attempt_ends_with_its_session() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    let start = fixture.post(&browser, "/corp/", &Value::Null).await;
    assert_eq!(start.status, 303);
    let callback = browser.sign_in_at_provider(&start, &fixture.server.url, "ann").await;
    fixture.get(&browser, "/social_logout/").await.is(302);
    assert_eq!(browser.get(&callback).await.status, 401);
    assert_eq!(fixture.count()[..2], [1, 0]);
    assert_eq!(fixture.provider.request_count("token").await, 0, "the server sent a token request");
}

/// An attacker who registered with the address of another user loses access when the owner verifies the address.
#[tokio::test]
async fn verifying_an_address_ends_earlier_sessions() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let attacker = Browser::new();
    fixture.sign_in_with_password(&attacker, "anna").await;
    fixture.link(&attacker, "corp", "mallory").await.is(302);
    fixture.server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    crate::support::wait_until("the e-mail is sent", async || !fixture.server.emails().is_empty()).await;
    let code = fixture.server.emails()[0].code().to_owned();
    fixture.server.post("/reset_password", &json!({"reset_code": code})).await.is(200);
    assert_eq!(fixture.count()[1], 0, "the earlier link was not removed");
    let token = fixture.sign_in(&Browser::new(), "corp", "mallory").await;
    assert_ne!(fixture.name(&token), "anna");
    let owner = fixture.sign_in(&Browser::new(), "google", "anna").await;
    assert_eq!(fixture.name(&owner), "anna", "both sides have verified the address");
}

#[tokio::test]
async fn a_provider_token_is_refreshed_if_the_provider_supports_it() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for provider in ["google", "github", "corp"] {
        let browser = Browser::new();
        let path = format!("/{provider}_refresh/");
        let unauthenticated = fixture.get(&browser, &path).await;
        assert_eq!(unauthenticated.is(401).json(), json!({"status": ""}), "{provider}");
        fixture.sign_in(&browser, provider, "anna").await;
        let stored =
            async |what: &str| fixture.get(&browser, &format!("/social/{what}/")).await.is(200).json()[what].clone();
        let before = stored("token").await;
        for method in [Method::GET, Method::POST] {
            let request = browser.request(method, &fixture.url(&path)).header("origin", &fixture.server.url);
            assert_eq!(browser.send(request).await.is(200).json(), json!({"status": "refreshed"}), "{provider}");
        }
        assert_ne!(stored("token").await, before, "{provider}");
        // If the provider returns no new refresh token, the server keeps the stored one.
        let refresh_token = stored("refresh_token").await;
        fixture.provider.set_fault("token:no-refresh-token").await;
        fixture.get(&browser, &path).await.is(200);
        assert_eq!(stored("refresh_token").await, refresh_token, "{provider}");
        for (fault, expected) in [
            ("token:no-access-token", "No access token provided"),
            ("token:refused", "the provider rejected the request"),
            ("token:broken", "cannot be reached"),
            ("token:html", "invalid response"),
            ("token:huge", "invalid response"),
            ("token:close", "cannot be reached"),
        ] {
            let before = stored("token").await;
            fixture.provider.set_fault(fault).await;
            assert_refused(&fixture.get(&browser, &path).await, expected, &format!("{provider}, {fault}"));
            assert_eq!(
                (stored("token").await, stored("refresh_token").await),
                (before, refresh_token.clone()),
                "{provider}, {fault}"
            );
        }
        fixture.provider.set_fault("").await;
    }
}

/// A short-lived access token of `simplejwt` does not refresh a provider token.
#[tokio::test]
async fn a_token_of_another_dialect_refreshes_no_provider_token() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    fixture.link(&browser, "corp", "anna").await.is(302);
    let body = json!({"username": "anna", "password": crate::support::PASSWORD});
    let short = fixture.server.post("/api/token/", &body).await.is(200).json()["access"].as_str().unwrap().to_owned();
    let token_requests = fixture.provider.request_count("token").await;
    for method in [Method::GET, Method::POST] {
        let request = fixture.server.request(method, "/corp_refresh/").bearer_auth(&short);
        assert_eq!(crate::support::ServerResponse::send(request).await.is(401).json(), json!({"status": ""}));
    }
    assert_eq!(fixture.provider.request_count("token").await, token_requests);
}

#[tokio::test]
async fn without_a_refresh_token_nothing_is_refreshed() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.provider.set_fault("token:no-refresh-token").await;
    fixture.sign_in(&browser, "google", "anna").await;
    assert_eq!(fixture.get(&browser, "/google_refresh/").await.is(404).json(), json!({"status": ""}));
    assert_eq!(fixture.get(&browser, "/social/refresh_token/").await.is(404).json()["status"], 404);
    assert_eq!(fixture.get(&browser, "/facebook_refresh/").await.status, 404);
    let by_password = Browser::new();
    fixture.sign_in_with_password(&by_password, "anna").await;
    assert_eq!(fixture.get(&by_password, "/google_refresh/").await.is(404).json(), json!({"status": ""}));
    for path in ["/social/token/", "/social/refresh_token/"] {
        assert_eq!(fixture.get(&by_password, path).await.is(404).json()["status"], 404);
        assert_eq!(fixture.get(&Browser::new(), path).await.is(401).json()["status"], 401);
    }
    assert_eq!(fixture.get(&by_password, "/social/provider/").await.is(200).json(), json!({"provider": false}));
    assert_eq!(fixture.get(&Browser::new(), "/social/provider/").await.status, 401);
}

#[tokio::test]
async fn sign_out_ends_the_session_and_removes_only_the_access_token() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for method in [Method::GET, Method::POST] {
        let browser = Browser::new();
        let token = fixture.sign_in(&browser, "corp", "anna").await;
        let request = browser.request(method, &fixture.url("/social_logout/")).header("origin", &fixture.server.url);
        let response = browser.send(request).await;
        assert_eq!((response.status, response.header("location")), (302, "/bye"));
        assert_eq!(fixture.token(&browser), None);
        assert!(!fixture.server.accepts(&token).await);
        let token_states = "SELECT (access_token IS NULL) * 10 + (refresh_token IS NOT NULL) FROM social_accounts";
        assert_eq!(fixture.query::<i64>(token_states), 11);
        let again = fixture.get(&browser, "/social_logout/").await;
        assert_eq!((again.status, again.header("location")), (302, "/bye"), "a second sign-out also redirects");
    }
}
