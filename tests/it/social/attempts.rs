//! A callback is bound to one browser, one provider and one attempt.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::browser::Browser;
use super::{SocialFixture, assert_refused};

const NOT_STARTED: &str = "not started in this browser";

#[tokio::test]
async fn a_callback_is_rejected_in_another_browser() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let attacker = Browser::new();
    let victim = Browser::new();
    let callback = fixture.callback(&attacker, "corp", "mallory").await;
    assert_refused(&victim.get(&callback).await, NOT_STARTED, "a browser without an attempt");
    // A browser with its own attempt is rejected as well.
    let own = fixture.callback(&victim, "corp", "anna").await;
    assert_refused(&victim.get(&callback).await, NOT_STARTED, "a browser with another attempt");
    assert_eq!((fixture.token(&victim), fixture.count()), (None, [0, 0, 0]));
    // The browser's own attempt stays valid. Otherwise any page could break a sign-in by embedding a callback URL as an
    // image.
    assert_refused(&fixture.get(&victim, "/corp/callback/?state=x&code=x").await, NOT_STARTED, "an unknown state");
    victim.get(&own).await.is(302);
    assert_eq!(fixture.name(&fixture.token(&victim).unwrap()), "anna");
}

#[tokio::test]
async fn two_tabs_and_a_second_click_all_succeed() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let first = fixture.callback(&browser, "corp", "anna").await;
    fixture.get(&browser, "/corp/").await.is(302);
    let other = fixture.callback(&browser, "github", "bert").await;
    let second = fixture.callback(&browser, "corp", "carl").await;
    for (callback, name) in [(&first, "anna"), (&second, "carl"), (&other, "bert")] {
        browser.get(callback).await.is(302);
        assert_eq!(fixture.name(&fixture.token(&browser).unwrap()), name);
        assert_refused(&browser.get(callback).await, NOT_STARTED, name);
    }
}

#[tokio::test]
async fn a_browser_keeps_only_the_newest_attempts() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    for provider in ["corp", "github"].repeat(10) {
        fixture.get(&browser, &format!("/{provider}/")).await.is(302);
        assert!(browser.cookies(&fixture.server.url).len() <= 6);
        fixture.server.clock.advance(Duration::from_secs(1));
    }
    fixture.sign_in(&browser, "corp", "anna").await;
    assert_eq!(browser.cookies(&fixture.server.url).len(), 6, "five attempts and the token");
}

#[tokio::test]
async fn two_browsers_sign_in_concurrently_without_mixing() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let one = Browser::new();
    let other = Browser::new();
    let first = fixture.callback(&one, "corp", "anna").await;
    let second = fixture.callback(&other, "corp", "bert").await;
    for (browser, callback, name) in [(&other, &second, "bert"), (&one, &first, "anna")] {
        browser.get(callback).await.is(302);
        assert_eq!(fixture.name(&fixture.token(browser).unwrap()), name);
    }
    assert_eq!(fixture.count(), [2, 2, 2]);
}

#[tokio::test]
async fn a_callback_works_once() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let callback = fixture.callback(&browser, "corp", "anna").await;
    let before = browser.cookies(&fixture.server.url);
    browser.get(&callback).await.is(302);
    assert_refused(&browser.get(&callback).await, NOT_STARTED, "again");
    // Even with the old cookie it fails, because the provider accepts a code only once.
    browser.set_cookies(&fixture.server.url, before);
    assert_refused(&browser.get(&callback).await, "the provider rejected the request", "again, with the cookie");
    assert_eq!(fixture.count(), [1, 1, 1]);
}

/// A HEAD request would consume the code without showing the result.
#[tokio::test]
async fn a_callback_accepts_only_get() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let callback = fixture.callback(&browser, "corp", "anna").await;
    for method in [Method::HEAD, Method::POST] {
        let response = browser.send(browser.request(method, &callback)).await;
        assert_eq!((response.status, response.header("allow")), (405, "GET"));
    }
    assert_eq!((fixture.count(), fixture.provider.request_count("token").await), ([0, 0, 0], 0));
    browser.get(&callback).await.is(302);
}

#[tokio::test]
async fn an_attempt_is_valid_only_at_its_provider() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for (started_at, called_back_at) in
        [("corp", "public"), ("google", "corp"), ("github", "facebook"), ("corp", "google")]
    {
        let browser = Browser::new();
        let callback = fixture.callback(&browser, started_at, "anna").await;
        let misdirected = callback.replace(&format!("/{started_at}/"), &format!("/{called_back_at}/"));
        let cookies = browser.cookies(&fixture.server.url);
        assert_refused(&browser.get(&misdirected).await, NOT_STARTED, &format!("{started_at} at {called_back_at}"));
        // The cookie is also rejected under the name of the other provider's cookie.
        let renamed =
            cookies.iter().map(|(name, value)| (name.replace(started_at, called_back_at), value.clone())).collect();
        browser.set_cookies(&fixture.server.url, renamed);
        assert_refused(
            &browser.get(&misdirected).await,
            NOT_STARTED,
            &format!("{started_at}'s cookie at {called_back_at}"),
        );
        assert_eq!(fixture.provider.request_count("token").await, 0, "a code was sent to another provider");
    }
    assert_eq!(fixture.count(), [0, 0, 0]);
}

#[tokio::test]
async fn a_changed_attempt_cookie_is_rejected() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let callback = fixture.callback(&browser, "corp", "anna").await;
    let cookies = browser.cookies(&fixture.server.url);
    let (name, value) = cookies.iter().next().unwrap();
    let flipped = if value.starts_with('A') { value.replacen('A', "B", 1) } else { format!("A{}", &value[1..]) };
    for value in [flipped, value[..value.len() - 4].to_owned(), "x".repeat(4000), "%00".to_owned(), String::new()] {
        browser.set_cookies(&fixture.server.url, [(name.clone(), value.clone())].into());
        assert_refused(&browser.get(&callback).await, NOT_STARTED, &value);
    }
    browser.set_cookies(&fixture.server.url, cookies);
    browser.get(&callback).await.is(302);
}

#[tokio::test]
async fn an_attempt_expires() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    let callback = fixture.callback(&browser, "github", "anna").await;
    fixture.server.clock.advance(Duration::from_mins(10));
    assert_refused(&browser.get(&callback).await, NOT_STARTED, "ten minutes later");
    assert_eq!((fixture.count(), fixture.provider.request_count("token").await), ([0, 0, 0], 0));
}

#[tokio::test]
async fn an_attempt_survives_a_restart() {
    const PUBLIC: &str = "http://127.0.0.1:9";
    let Some(SocialFixture { provider, server }) =
        SocialFixture::with(&format!("server.public_url = '{PUBLIC}'")).await
    else {
        return;
    };
    let browser = Browser::new();
    let start = browser.get(&format!("{}/corp/", server.url)).await;
    let callback = browser.sign_in_at_provider(&start, PUBLIC, "anna").await;
    let cookies = browser.cookies(&server.url);
    let fixture = SocialFixture { provider, server: server.restart(Duration::from_secs(5)).await };
    browser.set_cookies(&fixture.server.url, cookies);
    browser.get(&callback.replace(PUBLIC, &fixture.server.url)).await.is(302);
    assert_eq!(fixture.count(), [1, 1, 1]);
}

#[tokio::test]
async fn malformed_callback_queries_are_rejected() {
    let Some(fixture) = SocialFixture::start().await else { return };
    let browser = Browser::new();
    for (query, expected) in [
        ("", NOT_STARTED),
        ("?code=a", NOT_STARTED),
        ("?state=STATE", "no authorization code"),
        ("?state=STATE&code=", "no authorization code"),
        ("?state=STATE&state=STATE&code=a", NOT_STARTED),
        ("?state=STATE&code=a&code=b", "no authorization code"),
        ("?state=STATE&iss=ISS&error=access_denied", "access was denied"),
        ("?state=STATE&iss=ISS&error=<script>alert(1)</script>&error_description=<b>", "the provider rejected"),
        ("?state=STATE&iss=ISS&error=temporarily_unavailable", "cannot be reached"),
        ("?state=STATE&iss=ISS&error=server_error", "cannot be reached"),
        // An error response must name the issuer, because this provider announces the `iss` parameter (RFC 9207).
        ("?state=STATE&error=access_denied", "could not be verified"),
        ("?state=STATE&iss=http://127.0.0.1:9&error=access_denied", "could not be verified"),
        ("?state=STATE&code=a&iss=http://127.0.0.1:9", "could not be verified"),
        ("?state=state&code=a", NOT_STARTED),
    ] {
        let start = fixture.get(&browser, "/corp/").await;
        let redirect = url::Url::parse(start.header("location")).unwrap();
        let own = redirect.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let query = query.replace("STATE", &own).replace("ISS", &fixture.provider.url);
        let response = fixture.get(&browser, &format!("/corp/callback/{query}")).await;
        assert_refused(&response, expected, &query);
        assert!(!response.text.contains("script") && !response.text.contains("<b>"), "{response:#?}");
    }
    assert_eq!((fixture.count(), fixture.provider.request_count("token").await), ([0, 0, 0], 0));
}

/// A page of another origin must neither link its own provider account to the signed-in user nor unlink one.
#[tokio::test]
async fn only_same_origin_pages_may_link_and_unlink() {
    let Some(fixture) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    fixture.sign_in_with_password(&browser, "anna").await;
    fixture.link(&browser, "corp", "anna").await.is(302);
    for origin in ["https://evil.example.com", "null"] {
        for (path, body) in [("/google/", Value::Null), ("/social/unlink/", json!({"provider": "corp"}))] {
            let request = browser.request(Method::POST, &fixture.url(path)).header("origin", origin).json(&body);
            let response = browser.send(request).await;
            assert!(response.is(403).json()["status"].as_str().unwrap().contains("another origin"), "{origin} {path}");
        }
    }
    assert_eq!(fixture.count(), [1, 1, 1]);
    for (path, body) in [("/google/", Value::Null), ("/social/unlink/", json!({"provider": "corp"}))] {
        let response = Browser::new().send(Browser::new().request(Method::POST, &fixture.url(path)).json(&body)).await;
        assert_eq!(response.status, 401, "{path}: not signed in");
    }
}

#[tokio::test]
async fn the_attempt_cookie_is_found_among_other_cookies() {
    let Some(fixture) = SocialFixture::start().await else { return };
    for (before, after) in [
        ("name=Jürgen; ".as_bytes(), "".as_bytes()),
        (b"", b"; name=J\xfcrgen"),
        (b"\xff; ", b"; =; x"),
        (b"OWN=x; ", b""),
        (b"OWN=\xe9; OWN=y; ", b"; OWN=z"),
    ] {
        let browser = Browser::new();
        let callback = fixture.callback(&browser, "corp", "anna").await;
        let (name, value) = browser.cookies(&fixture.server.url).into_iter().next().unwrap();
        let cookie = [before, format!("{name}={value}").as_bytes(), after].concat();
        let text = String::from_utf8_lossy(&cookie).into_owned();
        let mut cookie = cookie;
        while let Some(at) = cookie.windows(3).position(|window| window == b"OWN") {
            cookie.splice(at..at + 3, name.bytes());
        }
        browser.set_cookies(&fixture.server.url, std::collections::BTreeMap::new());
        let cookie = reqwest::header::HeaderValue::from_bytes(&cookie).unwrap();
        let request = browser.request(Method::GET, &callback).header("cookie", cookie);
        assert_eq!(browser.send(request).await.status, 302, "{text}");
    }
}
