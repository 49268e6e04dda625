//! Sign-in with every kind of provider: the redirect, the callback, and the stored account.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::browser::{Browser, location};
use super::{SocialFixture, WELCOME, assert_refused};
use crate::support::token::claims;
use crate::support::{ServerResponse, TestServer};

const PROVIDERS: [&str; 6] = ["google", "github", "facebook", "corp", "public", "post"];

/// The query parameters of the redirect's location.
fn redirect_parameters(response: &ServerResponse) -> Vec<(String, String)> {
    let url = url::Url::parse(&location(response)).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn parameter(response: &ServerResponse, name: &str) -> String {
    let mut values = redirect_parameters(response).into_iter().filter(|(key, _)| key == name);
    let (Some((_, value)), None) = (values.next(), values.next()) else {
        panic!("not exactly one {name} in {response:#?}")
    };
    value
}

#[tokio::test]
async fn every_provider_signs_a_user_in() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for provider in PROVIDERS {
        // The client `post` sends its secret in the form.
        fixture.provider.set_fault(if provider == "post" { "discovery:post-only" } else { "" }).await;
        let browser = Browser::new();
        let login = format!("anna-{provider}");
        let [users, accounts, sessions] = fixture.count();
        let token = fixture.sign_in(&browser, provider, &login).await;
        assert_eq!(fixture.count(), [users + 1, accounts + 1, sessions + 1], "{provider}");
        let claims = claims(&token);
        assert_eq!(claims["provider"], provider, "{claims}");
        if provider != "facebook" {
            assert_eq!(fixture.name(&token), login, "{claims}");
        }
        assert!(fixture.server.accepts(&token).await, "{provider}");
        assert_eq!(fixture.get(&browser, "/social/provider/").await.is(200).json(), json!({"provider": provider}));

        // The address is stored if the provider has verified it. Facebook does not report that.
        let email = format!("SELECT count(*) FROM users WHERE email = '{login}@example.com' AND email_verified = 1");
        assert_eq!(fixture.query::<i64>(&email), i64::from(provider != "facebook"), "{provider}");

        // A second sign-in from another browser finds the same account.
        fixture.sign_in(&Browser::new(), provider, &login).await;
        assert_eq!(fixture.count(), [users + 1, accounts + 1, sessions + 2], "{provider}");
    }
}

#[tokio::test]
async fn the_redirect_is_bound_to_the_browser() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for provider in PROVIDERS {
        let browser = Browser::new();
        let first = browser.get(&fixture.url(&format!("/{provider}/"))).await;
        assert_eq!(first.is(302).header("cache-control"), "no-store");
        let cookie = first.header("set-cookie");
        for flag in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
            assert!(cookie.contains(flag), "{flag} in {cookie}");
        }
        assert!(!cookie.contains("Secure"), "over plain HTTP a browser would not send a Secure cookie: {cookie}");
        let callback = fixture.url(&format!("/{provider}/callback/"));
        for (name, value) in [("response_type", "code"), ("code_challenge_method", "S256"), ("redirect_uri", &callback)]
        {
            assert_eq!(parameter(&first, name), value, "{provider}");
        }
        let second = browser.get(&fixture.url(&format!("/{provider}"))).await;
        for name in ["state", "code_challenge"] {
            let [one, other] = [&first, &second].map(|response| parameter(response, name));
            assert!(one.len() >= 43 && one != other, "{provider}: {name} {one} {other}");
            assert!(!cookie.contains(&one), "{provider}: the {name} is readable in the cookie");
        }
    }
    // The server has sent no token request and stored nothing.
    assert_eq!((fixture.provider.request_count("token").await, fixture.count()), (0, [0, 0, 0]));
}

#[tokio::test]
async fn an_https_cookie_has_the_host_prefix() {
    let settings = "server.public_url = 'https://auth.example.com'\n\
        [social.github]\nclient_id = 'us'\nclient_secret = 'hush'\nauthorize_url = 'https://github.example.com/in'\n";
    let server = TestServer::with(settings).await;
    let response = Browser::new().get(&format!("{}/github/", server.url)).await;
    let cookie = response.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-") && cookie.contains("Secure"), "{cookie}");
    assert_eq!(parameter(&response, "redirect_uri"), "https://auth.example.com/github/callback/");
    assert!(location(&response).starts_with("https://github.example.com/in?"), "{response:#?}");
}

#[tokio::test]
async fn a_token_is_renewed_by_the_cookie_and_keeps_its_provider() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let token = fixture.sign_in(&browser, "corp", "anna").await;
    fixture.server.clock.advance(Duration::from_mins(1));
    let renewed = fixture.post(&browser, "/renew_token", &json!({})).await;
    let renewed = renewed.is(200).json()["token"].as_str().unwrap().to_owned();
    let [before, after] = [&token, &renewed].map(|token| claims(token));
    for same in ["sub", "sid", "provider", "aud"] {
        assert!(!after[same].is_null() && after[same] == before[same], "{same}: {before} {after}");
    }
    assert!(after["exp"].as_i64() > before["exp"].as_i64(), "{before} {after}");
}

#[tokio::test]
async fn every_valid_id_token_form_is_accepted() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for (provider, fault) in [
        ("corp", "id_token:full"),
        ("corp", "id_token:aud-list"),
        ("corp", "id_token:aud-azp"),
        ("google", "id_token:full"),
        ("google", "id_token:missing"),
        ("google", "callback:no-iss"),
        ("corp", "token:no-refresh-token"),
    ] {
        fixture.provider.set_fault(fault).await;
        fixture.sign_in(&Browser::new(), provider, "anna").await;
    }
    // If the ID token contains the address, the server does not query the userinfo endpoint.
    fixture.provider.set_fault("id_token:full").await;
    let userinfo_requests = fixture.provider.request_count("userinfo").await;
    fixture.sign_in(&Browser::new(), "corp", "anna").await;
    assert_eq!(fixture.provider.request_count("userinfo").await, userinfo_requests);
    assert_eq!(fixture.count()[1], 2, "one account at google and one at corp");
}

#[tokio::test]
async fn provider_documents_are_cached_across_sign_ins() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for login in ["anna", "bert", "carl"] {
        fixture.sign_in(&Browser::new(), "corp", login).await;
    }
    assert_eq!(
        (fixture.provider.request_count("discovery").await, fixture.provider.request_count("jwks").await),
        (1, 1)
    );
    // Tokens with invented key ids do not make the server fetch the JWKS each time.
    fixture.provider.set_fault("id_token:unknown-kid").await;
    for _ in 0..5 {
        fixture.finish_callback(&Browser::new(), "corp", "anna").await.is(400);
    }
    assert!(fixture.provider.request_count("jwks").await <= 2);
}

#[tokio::test]
async fn new_user_names_are_valid_and_unique() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    for (login, person, expected) in [
        ("anna", json!({"email": "other@example.com"}), "anna-2"),
        ("ANNA2", json!({"preferred_username": "ANNA", "email": null}), "ANNA-3"),
        ("long", json!({"preferred_username": "x".repeat(400)}), ""),
        ("odd", json!({"preferred_username": "<b>\u{202e}\u{0}", "name": "Odd"}), ""),
        ("mail", json!({"preferred_username": "somebody@example.com"}), "somebody"),
    ] {
        fixture.provider.set_user(login, &person).await;
        let token = fixture.sign_in(&Browser::new(), "corp", login).await;
        let name = fixture.name(&token);
        assert!(name.chars().count() <= 150 && !name.contains('\u{202e}') && !name.contains('@'), "{name}");
        assert!(expected.is_empty() || name == expected, "{login}: {name}");
    }
}

/// The concatenated content of all files in a folder, including the WAL.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        all.extend(if path.is_dir() { bytes_of(&path) } else { fs::read(path).unwrap() });
    }
    all
}

#[tokio::test]
async fn provider_tokens_are_stored_encrypted() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    for provider in ["google", "github", "facebook", "corp"] {
        fixture.sign_in(&browser, provider, "anna").await;
        let response = fixture.get(&browser, "/social/token/").await.is(200).json();
        assert!(
            fixture.provider.issued_secrets().await.iter().any(|one| response["token"] == one.as_str()),
            "{provider}: {response}"
        );
    }
    let stored = bytes_of(&fixture.server.path("data"));
    let secrets = fixture.provider.issued_secrets().await;
    assert!(stored.windows(4).any(|bytes| bytes == b"anna"), "the files do not contain the user name");
    assert!(secrets.len() >= 12, "{secrets:?}");
    for secret in secrets.iter().chain([&fixture.provider.secret]) {
        assert!(
            !stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()),
            "{secret} is stored unencrypted"
        );
    }
}

#[tokio::test]
async fn an_unconfigured_provider_is_not_found() {
    let server = TestServer::start().await;
    let browser = Browser::new();
    for path in ["/google/", "/github/", "/facebook/", "/google/callback/", "/github/callback/?code=a&state=b"] {
        let response = browser.get(&format!("{}{path}", server.url)).await;
        assert!(response.is(404).json()["status"].is_string(), "{path}: {response:#?}");
        assert_eq!(response.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(browser.get(&format!("{}/corp/", server.url)).await.status, 404);
    server.register("anna").await;
    let token = server.token("anna").await;
    for path in ["/google_refresh/", "/github_refresh/"] {
        let response = ServerResponse::send(server.request(reqwest::Method::GET, path).bearer_auth(&token)).await;
        assert_eq!(response.is(404).json(), json!({"status": ""}), "{path}");
    }
}

#[tokio::test]
async fn accounts_are_created_only_while_registration_is_open() {
    let Some(fixture) = SocialFixture::start().await else { return };
    fixture.sign_in(&Browser::new(), "corp", "anna").await;
    fixture.server.set("registration.open", "false").await;
    let response = fixture.finish_callback(&Browser::new(), "corp", "bert").await;
    assert!(response.is(403).json()["status"].as_str().unwrap().contains("registration is closed"), "{response:#?}");
    assert_eq!(fixture.count(), [1, 1, 1]);
    fixture.sign_in(&Browser::new(), "corp", "anna").await;
}

#[tokio::test]
async fn errors_are_pages_for_browsers_and_json_for_programs() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let start = fixture.get(&browser, "/corp/").await;
    let callback = browser.decline_at_provider(&start, &fixture.server.url).await;
    let request = browser.request(reqwest::Method::GET, &callback).header("accept", "text/html,*/*;q=0.8");
    let page = browser.send(request).await;
    assert_eq!(page.is(400).header("content-type"), "text/html; charset=utf-8");
    assert!(page.text.to_lowercase().contains("access was denied at the provider"), "{page:#?}");
    assert!(page.header("content-security-policy").contains("default-src 'none'") && !page.text.contains("<script"));
    let start = fixture.get(&browser, "/corp/").await;
    let callback = browser.decline_at_provider(&start, &fixture.server.url).await;
    super::assert_refused(&browser.get(&callback).await, "access was denied at the provider", "a program");
    assert_eq!(fixture.count(), [0, 0, 0]);

    let list = fixture.get(&browser, "/social/").await;
    assert_eq!(list.is(200).header("content-type"), "text/html; charset=utf-8");
    for provider in PROVIDERS {
        assert!(
            list.text.replace("&#x2f;", "/").contains(&format!("href=\"/{provider}/\"")),
            "{provider} in {}",
            list.text
        );
    }
}

#[tokio::test]
async fn a_callback_redirects_only_to_the_configured_destination() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let start =
        fixture.get(&browser, "/corp/?next=https://evil.example.com&redirect_uri=https://evil.example.com").await;
    assert!(!location(&start).contains("evil"), "{start:#?}");
    let callback = browser.sign_in_at_provider(&start, &fixture.server.url, "anna").await;
    let back = format!("{callback}&next=https://evil.example.com&authed_url=//evil.example.com");
    let response = browser.send(browser.request(reqwest::Method::GET, &back).header("host", "evil.example.com")).await;
    assert_eq!(location(&response), WELCOME);
    assert_eq!(Value::from(fixture.count().to_vec()), json!([1, 1, 1]));
}

/// A browser would ignore the cookie, and the user would be sent to a page as if signed in.
#[tokio::test]
async fn a_token_that_is_too_large_for_a_cookie_is_refused_with_the_reason() {
    let audience = format!("https://{}.example", "x".repeat(490));
    let settings = format!("tokens.algorithm = 'RS256'\ntokens.audience = '{audience}'");
    let Some(fixture) = SocialFixture::with(&settings).await else { return };
    let browser = Browser::new();
    fixture.sign_in(&browser, "corp", "anna").await;
    let name: String = fixture.query("SELECT username FROM users");
    let claims = serde_json::json!({"team": "x".repeat(2000)}).to_string();
    let claims = countersign::domain::claims::Claims::parse(&claims).unwrap();
    let change = countersign::issuer::users::UserChange::SetClaims(claims);
    fixture.server.change(&name, change).await;
    let sessions = "SELECT count(*) FROM sessions WHERE ended_at IS NULL";
    let before: i64 = fixture.query(sessions);
    let response = fixture.finish_callback(&Browser::new(), "corp", "anna").await;
    assert_refused(&response, "too large for a cookie", "2 KB of claims");
    assert_eq!(fixture.query::<i64>(sessions), before, "the session that no client can use is ended");
}
