//! A callback belongs to one browser, one provider and one try.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::browser::Browser;
use super::{SocialFixture, assert_refused};

const NOT_BEGUN: &str = "not begun in this browser";

#[tokio::test]
async fn a_callback_is_rejected_in_another_browser() {
    let Some(stage) = SocialFixture::set().await else { return };
    let attacker = Browser::new();
    let victim = Browser::new();
    let callback = stage.callback(&attacker, "corp", "mallory").await;
    assert_refused(&victim.get(&callback).await, NOT_BEGUN, "a browser that began nothing");
    // Nor in one that has begun something itself.
    let own = stage.callback(&victim, "corp", "anna").await;
    assert_refused(&victim.get(&callback).await, NOT_BEGUN, "a browser that began something else");
    assert_eq!((stage.token(&victim), stage.count()), (None, [0, 0, 0]));
    // What it began goes on: else any page could break a sign-in by a picture of a callback.
    assert_refused(&stage.get(&victim, "/corp/callback/?state=x&code=x").await, NOT_BEGUN, "nobody's");
    victim.get(&own).await.is(302);
    assert_eq!(stage.name(&stage.token(&victim).unwrap()), "anna");
}

#[tokio::test]
async fn two_tabs_and_a_second_click_all_succeed() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let first = stage.callback(&browser, "corp", "anna").await;
    stage.get(&browser, "/corp/").await.is(302);
    let other = stage.callback(&browser, "github", "bert").await;
    let second = stage.callback(&browser, "corp", "carl").await;
    for (callback, name) in [(&first, "anna"), (&second, "carl"), (&other, "bert")] {
        browser.get(callback).await.is(302);
        assert_eq!(stage.name(&stage.token(&browser).unwrap()), name);
        assert_refused(&browser.get(callback).await, NOT_BEGUN, name);
    }
}

#[tokio::test]
async fn a_browser_keeps_only_the_newest_attempts() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    for provider in ["corp", "github"].repeat(10) {
        stage.get(&browser, &format!("/{provider}/")).await.is(302);
        assert!(browser.cookies(&stage.server.url).len() <= 6);
        stage.server.clock.advance(Duration::from_secs(1));
    }
    stage.sign_in(&browser, "corp", "anna").await;
    assert_eq!(browser.cookies(&stage.server.url).len(), 6, "five of them, and the token");
}

#[tokio::test]
async fn two_browsers_sign_in_concurrently_without_mixing() {
    let Some(stage) = SocialFixture::set().await else { return };
    let one = Browser::new();
    let other = Browser::new();
    let first = stage.callback(&one, "corp", "anna").await;
    let second = stage.callback(&other, "corp", "bert").await;
    for (browser, callback, name) in [(&other, &second, "bert"), (&one, &first, "anna")] {
        browser.get(callback).await.is(302);
        assert_eq!(stage.name(&stage.token(browser).unwrap()), name);
    }
    assert_eq!(stage.count(), [2, 2, 2]);
}

#[tokio::test]
async fn a_callback_works_once() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let callback = stage.callback(&browser, "corp", "anna").await;
    let before = browser.cookies(&stage.server.url);
    browser.get(&callback).await.is(302);
    assert_refused(&browser.get(&callback).await, NOT_BEGUN, "again");
    // Not even by who kept the cookie: the provider takes no code twice.
    browser.keep(&stage.server.url, before);
    assert_refused(&browser.get(&callback).await, "the provider refused", "again, with the cookie");
    assert_eq!(stage.count(), [1, 1, 1]);
}

/// HEAD would spend the code, and show nobody what came of it.
#[tokio::test]
async fn a_callback_accepts_only_get() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let callback = stage.callback(&browser, "corp", "anna").await;
    for method in [Method::HEAD, Method::POST] {
        let answer = browser.send(browser.request(method, &callback)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET"));
    }
    assert_eq!((stage.count(), stage.provider.request_count("token").await), ([0, 0, 0], 0));
    browser.get(&callback).await.is(302);
}

#[tokio::test]
async fn an_attempt_is_valid_only_at_its_provider() {
    let Some(stage) = SocialFixture::set().await else { return };
    for (begun, ended) in [("corp", "public"), ("google", "corp"), ("github", "facebook"), ("corp", "google")] {
        let browser = Browser::new();
        let callback = stage.callback(&browser, begun, "anna").await;
        let astray = callback.replace(&format!("/{begun}/"), &format!("/{ended}/"));
        let kept = browser.cookies(&stage.server.url);
        assert_refused(&browser.get(&astray).await, NOT_BEGUN, &format!("{begun} at {ended}"));
        // The cookie under the other's name is not the other's.
        let renamed = kept.iter().map(|(name, value)| (name.replace(begun, ended), value.clone())).collect();
        browser.keep(&stage.server.url, renamed);
        assert_refused(&browser.get(&astray).await, NOT_BEGUN, &format!("{begun}'s cookie at {ended}"));
        assert_eq!(stage.provider.request_count("token").await, 0, "no code goes to a provider it is not from");
    }
    assert_eq!(stage.count(), [0, 0, 0]);
}

#[tokio::test]
async fn a_changed_attempt_cookie_is_rejected() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let callback = stage.callback(&browser, "corp", "anna").await;
    let good = browser.cookies(&stage.server.url);
    let (name, value) = good.iter().next().unwrap();
    let flipped = if value.starts_with('A') { value.replacen('A', "B", 1) } else { format!("A{}", &value[1..]) };
    for bad in [flipped, value[..value.len() - 4].to_owned(), "x".repeat(4000), "%00".to_owned(), String::new()] {
        browser.keep(&stage.server.url, [(name.clone(), bad.clone())].into());
        assert_refused(&browser.get(&callback).await, NOT_BEGUN, &bad);
    }
    browser.keep(&stage.server.url, good);
    browser.get(&callback).await.is(302);
}

#[tokio::test]
async fn an_attempt_expires() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    let callback = stage.callback(&browser, "github", "anna").await;
    stage.server.clock.advance(Duration::from_mins(10));
    assert_refused(&browser.get(&callback).await, NOT_BEGUN, "ten minutes later");
    assert_eq!((stage.count(), stage.provider.request_count("token").await), ([0, 0, 0], 0));
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
    let kept = browser.cookies(&server.url);
    let stage = SocialFixture { provider, server: server.restart(Duration::from_secs(5)).await };
    browser.keep(&stage.server.url, kept);
    browser.get(&callback.replace(PUBLIC, &stage.server.url)).await.is(302);
    assert_eq!(stage.count(), [1, 1, 1]);
}

#[tokio::test]
async fn malformed_callback_queries_are_rejected() {
    let Some(stage) = SocialFixture::set().await else { return };
    let browser = Browser::new();
    for (query, words) in [
        ("", NOT_BEGUN),
        ("?code=a", NOT_BEGUN),
        ("?state=STATE", "without a code"),
        ("?state=STATE&code=", "without a code"),
        ("?state=STATE&state=STATE&code=a", NOT_BEGUN),
        ("?state=STATE&code=a&code=b", "without a code"),
        ("?state=STATE&iss=ISS&error=access_denied", "you did not let"),
        ("?state=STATE&iss=ISS&error=<script>alert(1)</script>&error_description=<b>", "the provider refused"),
        ("?state=STATE&iss=ISS&error=temporarily_unavailable", "can't be reached"),
        ("?state=STATE&iss=ISS&error=server_error", "can't be reached"),
        // An error is the provider's only where it names itself, as this one says it does.
        ("?state=STATE&error=access_denied", "not to be trusted"),
        ("?state=STATE&iss=http://127.0.0.1:9&error=access_denied", "not to be trusted"),
        ("?state=STATE&code=a&iss=http://127.0.0.1:9", "not to be trusted"),
        ("?state=state&code=a", NOT_BEGUN),
    ] {
        let start = stage.get(&browser, "/corp/").await;
        let sent_to = url::Url::parse(start.header("location")).unwrap();
        let own = sent_to.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let query = query.replace("STATE", &own).replace("ISS", &stage.provider.url);
        let answer = stage.get(&browser, &format!("/corp/callback/{query}")).await;
        assert_refused(&answer, words, &query);
        assert!(!answer.text.contains("script") && !answer.text.contains("<b>"), "{answer:#?}");
    }
    assert_eq!((stage.count(), stage.provider.request_count("token").await), ([0, 0, 0], 0));
}

/// A page elsewhere must not tie its own account at a provider to whoever looks at it, nor untie one.
#[tokio::test]
async fn only_same_origin_pages_may_link_and_unlink() {
    let Some(stage) = SocialFixture::with_anna().await else { return };
    let browser = Browser::new();
    stage.sign_in_with_password(&browser, "anna").await;
    stage.link(&browser, "corp", "anna").await.is(302);
    for origin in ["https://evil.example.com", "null"] {
        for (path, body) in [("/google/", Value::Null), ("/social/unlink/", json!({"provider": "corp"}))] {
            let request = browser.request(Method::POST, &stage.url(path)).header("origin", origin).json(&body);
            let answer = browser.send(request).await;
            assert!(answer.is(403).json()["status"].as_str().unwrap().contains("another origin"), "{origin} {path}");
        }
    }
    assert_eq!(stage.count(), [1, 1, 1]);
    for (path, body) in [("/google/", Value::Null), ("/social/unlink/", json!({"provider": "corp"}))] {
        let answer = Browser::new().send(Browser::new().request(Method::POST, &stage.url(path)).json(&body)).await;
        assert_eq!(answer.status, 401, "{path}: nobody is signed in");
    }
}
