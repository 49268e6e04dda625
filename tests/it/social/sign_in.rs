//! The way there and back, at every kind of provider, and what is kept of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::browser::{Browser, location};
use super::{SocialFixture, WELCOME};
use crate::support::token::claims;
use crate::support::{ServerResponse, TestServer};

const PROVIDERS: [&str; 6] = ["google", "github", "facebook", "corp", "public", "post"];

/// The parameters of the URL that a browser is sent to.
fn redirect_parameters(answer: &ServerResponse) -> Vec<(String, String)> {
    let url = url::Url::parse(&location(answer)).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn parameter(answer: &ServerResponse, name: &str) -> String {
    let mut found = redirect_parameters(answer).into_iter().filter(|(key, _)| key == name);
    let (Some((_, value)), None) = (found.next(), found.next()) else { panic!("not one {name} in {answer:#?}") };
    value
}

#[tokio::test]
async fn every_provider_signs_a_user_in() {
    let Some(stage) = SocialFixture::set().await else { return };
    for provider in PROVIDERS {
        // The one whose client shows its secret in the form.
        stage.provider.fault(if provider == "post" { "discovery:post-only" } else { "" }).await;
        let browser = Browser::new();
        let login = format!("anna-{provider}");
        let [users, accounts, sessions] = stage.count();
        let token = stage.sign_in(&browser, provider, &login).await;
        assert_eq!(stage.count(), [users + 1, accounts + 1, sessions + 1], "{provider}");
        let claims = claims(&token);
        assert_eq!(claims["provider"], provider, "{claims}");
        if provider != "facebook" {
            assert_eq!(stage.name(&token), login, "{claims}");
        }
        assert!(stage.server.opens(&token).await, "{provider}");
        assert_eq!(stage.get(&browser, "/social/provider/").await.is(200).json(), json!({"provider": provider}));

        // The address comes along where the provider has verified it: at Facebook that is not known.
        let email = format!("SELECT count(*) FROM users WHERE email = '{login}@example.com' AND email_verified = 1");
        assert_eq!(stage.query::<i64>(&email), i64::from(provider != "facebook"), "{provider}");

        // Once more, from another browser: the same account.
        stage.sign_in(&Browser::new(), provider, &login).await;
        assert_eq!(stage.count(), [users + 1, accounts + 1, sessions + 2], "{provider}");
    }
}

#[tokio::test]
async fn the_redirect_is_bound_to_the_browser() {
    let Some(stage) = SocialFixture::set().await else { return };
    for provider in PROVIDERS {
        let browser = Browser::new();
        let first = browser.get(&stage.url(&format!("/{provider}/"))).await;
        assert_eq!(first.is(302).header("cache-control"), "no-store");
        let cookie = first.header("set-cookie");
        for flag in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
            assert!(cookie.contains(flag), "{flag} in {cookie}");
        }
        assert!(!cookie.contains("Secure"), "over plain http nobody would send it back: {cookie}");
        let callback = stage.url(&format!("/{provider}/callback/"));
        for (name, value) in [("response_type", "code"), ("code_challenge_method", "S256"), ("redirect_uri", &callback)]
        {
            assert_eq!(parameter(&first, name), value, "{provider}");
        }
        let second = browser.get(&stage.url(&format!("/{provider}"))).await;
        for name in ["state", "code_challenge"] {
            let [one, other] = [&first, &second].map(|answer| parameter(answer, name));
            assert!(one.len() >= 43 && one != other, "{provider}: {name} {one} {other}");
            assert!(!cookie.contains(&one), "{provider}: the {name} is sealed in the cookie");
        }
    }
    // Nobody was asked for a token yet, and nothing is stored.
    assert_eq!((stage.provider.request_count("token").await, stage.count()), (0, [0, 0, 0]));
}

#[tokio::test]
async fn an_https_cookie_has_the_host_prefix() {
    let settings = "server.public_url = 'https://auth.example.com'\n\
        [social.github]\nclient_id = 'us'\nclient_secret = 'hush'\nauthorize_url = 'https://github.example.com/in'\n";
    let server = TestServer::with(settings).await;
    let answer = Browser::new().get(&format!("{}/github/", server.url)).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-") && cookie.contains("Secure"), "{cookie}");
    assert_eq!(parameter(&answer, "redirect_uri"), "https://auth.example.com/github/callback/");
    assert!(location(&answer).starts_with("https://github.example.com/in?"), "{answer:#?}");
}

#[tokio::test]
async fn a_token_is_renewed_by_the_cookie_and_keeps_its_provider() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let token = stage.sign_in(&browser, "corp", "anna").await;
    stage.server.clock.advance(Duration::from_mins(1));
    let renewed = stage.post(&browser, "/renew_token", &json!({})).await;
    let renewed = renewed.is(200).json()["token"].as_str().unwrap().to_owned();
    let [before, after] = [&token, &renewed].map(|token| claims(token));
    for same in ["sub", "sid", "provider", "aud"] {
        assert!(!after[same].is_null() && after[same] == before[same], "{same}: {before} {after}");
    }
    assert!(after["exp"].as_i64() > before["exp"].as_i64(), "{before} {after}");
}

#[tokio::test]
async fn every_valid_id_token_form_is_accepted() {
    let Some(stage) = SocialFixture::set().await else { return };
    for (provider, fault) in [
        ("corp", "id_token:full"),
        ("corp", "id_token:aud-list"),
        ("corp", "id_token:aud-azp"),
        ("google", "id_token:full"),
        ("google", "id_token:missing"),
        ("google", "callback:no-iss"),
        ("corp", "token:no-refresh-token"),
    ] {
        stage.provider.fault(fault).await;
        stage.sign_in(&Browser::new(), provider, "anna").await;
    }
    // An ID token that tells the address saves a question.
    stage.provider.fault("id_token:full").await;
    let asked = stage.provider.request_count("userinfo").await;
    stage.sign_in(&Browser::new(), "corp", "anna").await;
    assert_eq!(stage.provider.request_count("userinfo").await, asked);
    assert_eq!(stage.count()[1], 2, "google's anna and corp's");
}

#[tokio::test]
async fn provider_documents_are_cached_across_sign_ins() {
    let Some(stage) = SocialFixture::set().await else { return };
    for login in ["anna", "bert", "carl"] {
        stage.sign_in(&Browser::new(), "corp", login).await;
    }
    assert_eq!((stage.provider.request_count("discovery").await, stage.provider.request_count("jwks").await), (1, 1));
    // Whoever invents keys can't make it ask at will.
    stage.provider.fault("id_token:unknown-kid").await;
    for _ in 0..5 {
        stage.finish_callback(&Browser::new(), "corp", "anna").await.is(400);
    }
    assert!(stage.provider.request_count("jwks").await <= 2);
}

#[tokio::test]
async fn new_user_names_are_valid_and_unique() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    for (login, person, expected) in [
        ("anna", json!({"email": "other@example.com"}), "anna-2"),
        ("ANNA2", json!({"preferred_username": "ANNA", "email": null}), "ANNA-3"),
        ("long", json!({"preferred_username": "x".repeat(400)}), ""),
        ("odd", json!({"preferred_username": "<b>\u{202e}\u{0}", "name": "Odd"}), ""),
        ("mail", json!({"preferred_username": "somebody@example.com"}), "somebody"),
    ] {
        stage.provider.person(login, &person).await;
        let token = stage.sign_in(&Browser::new(), "corp", login).await;
        let name = stage.name(&token);
        assert!(name.chars().count() <= 150 && !name.contains('\u{202e}') && !name.contains('@'), "{name}");
        assert!(expected.is_empty() || name == expected, "{login}: {name}");
    }
}

/// Every file of the server's, the database's log among them.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        all.extend(if path.is_dir() { bytes_of(&path) } else { fs::read(path).unwrap() });
    }
    all
}

#[tokio::test]
async fn provider_tokens_are_stored_sealed() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    for provider in ["google", "github", "facebook", "corp"] {
        stage.sign_in(&browser, provider, "anna").await;
        let told = stage.get(&browser, "/social/token/").await.is(200).json();
        assert!(
            stage.provider.issued_secrets().await.iter().any(|one| told["token"] == one.as_str()),
            "{provider}: {told}"
        );
    }
    let kept = bytes_of(&stage.server.path("data"));
    let given = stage.provider.issued_secrets().await;
    assert!(kept.windows(4).any(|bytes| bytes == b"anna"), "the files were read");
    assert!(given.len() >= 12, "{given:?}");
    for secret in given.iter().chain([&stage.provider.secret]) {
        assert!(!kept.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret} is kept in clear");
    }
}

#[tokio::test]
async fn an_unconfigured_provider_is_not_found() {
    let server = TestServer::start().await;
    let browser = Browser::new();
    for path in ["/google/", "/github/", "/facebook/", "/google/callback/", "/github/callback/?code=a&state=b"] {
        let answer = browser.get(&format!("{}{path}", server.url)).await;
        assert!(answer.is(404).json()["status"].is_string(), "{path}: {answer:#?}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(browser.get(&format!("{}/corp/", server.url)).await.status, 404);
    server.register("anna").await;
    let token = server.token("anna").await;
    for path in ["/google_refresh/", "/github_refresh/"] {
        let answer = ServerResponse::send(server.request(reqwest::Method::GET, path).bearer_auth(&token)).await;
        assert_eq!(answer.is(404).json(), json!({"status": ""}), "{path}");
    }
}

#[tokio::test]
async fn accounts_are_created_only_while_registration_is_open() {
    let Some(stage) = SocialFixture::set().await else { return };
    stage.sign_in(&Browser::new(), "corp", "anna").await;
    stage.server.set("registration.open", "false").await;
    let answer = stage.finish_callback(&Browser::new(), "corp", "bert").await;
    assert!(answer.is(403).json()["status"].as_str().unwrap().contains("by an operator"), "{answer:#?}");
    assert_eq!(stage.count(), [1, 1, 1]);
    stage.sign_in(&Browser::new(), "corp", "anna").await;
}

#[tokio::test]
async fn errors_are_pages_for_browsers_and_json_for_programs() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let start = stage.get(&browser, "/corp/").await;
    let callback = browser.decline_at_provider(&start, &stage.server.url).await;
    let request = browser.request(reqwest::Method::GET, &callback).header("accept", "text/html,*/*;q=0.8");
    let page = browser.send(request).await;
    assert_eq!(page.is(400).header("content-type"), "text/html; charset=utf-8");
    assert!(page.text.to_lowercase().contains("you did not let the provider tell who you are"), "{page:#?}");
    assert!(page.header("content-security-policy").contains("default-src 'none'") && !page.text.contains("<script"));
    let start = stage.get(&browser, "/corp/").await;
    let callback = browser.decline_at_provider(&start, &stage.server.url).await;
    super::assert_refused(&browser.get(&callback).await, "you did not let the provider tell", "a program");
    assert_eq!(stage.count(), [0, 0, 0]);

    let list = stage.get(&browser, "/social/").await;
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
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let start = stage.get(&browser, "/corp/?next=https://evil.example.com&redirect_uri=https://evil.example.com").await;
    assert!(!location(&start).contains("evil"), "{start:#?}");
    let callback = browser.sign_in_at_provider(&start, &stage.server.url, "anna").await;
    let back = format!("{callback}&next=https://evil.example.com&authed_url=//evil.example.com");
    let answer = browser.send(browser.request(reqwest::Method::GET, &back).header("host", "evil.example.com")).await;
    assert_eq!(location(&answer), WELCOME);
    assert_eq!(Value::from(stage.count().to_vec()), json!([1, 1, 1]));
}
