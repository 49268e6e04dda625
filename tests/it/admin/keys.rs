//! Keys in the admin zone: rotation and revocation, and the preview of their consequences.

use std::time::Duration;

use countersign::domain::key::{Key, KeyState};
use reqwest::Method;

use super::{AdminBrowser, ServerResponse, assert_redirect, signed_in_root, superuser};
use crate::support::TestServer;
use crate::support::token::header;

const PATH: &str = "/admin/keys";

fn keys(server: &TestServer, alg: &str, state: KeyState) -> Vec<Key> {
    let ring = server.issuer.ring();
    let now = server.issuer.clock.now();
    let all = ring.schedule().keys().iter();
    all.filter(|key| key.alg.name() == alg && key.state(now) == state).cloned().collect()
}

/// The `kid` of each key in the JWKS.
async fn published(server: &TestServer) -> Vec<String> {
    let jwks = server.get("/.well-known/jwks.json").await.is(200).json();
    let kids = jwks["keys"].as_array().unwrap().iter();
    kids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn key_changes_need_a_valid_name_csrf_token_and_step_up() {
    let (server, mut browser) = signed_in_root().await;
    let before = published(&server).await;
    let kid = before[0].clone();
    for path in [
        "/admin/keys/rotate?alg=HS256",
        "/admin/keys/rotate-now?alg=%3Cb%3E",
        "/admin/keys/revoke?kid=abc",
        "/admin/keys/revoke",
    ] {
        browser.open(path).await.is(404);
    }
    browser.open(PATH).await.is(200);
    browser.submit("/admin/keys/rotate", &[("alg", "HS256")]).await.is(404);
    browser.submit("/admin/keys/revoke", &[("kid", &kid[..8])]).await.is(404);
    let unknown = browser.submit("/admin/keys/revoke", &[("kid", &"A".repeat(43))]).await;
    assert!(unknown.is(409).text.contains("The action was not carried out"), "{unknown:#?}");
    for (path, fields) in [
        ("/admin/keys/rotate", ("alg", "all")),
        ("/admin/keys/rotate-now", ("alg", "all")),
        ("/admin/keys/revoke", ("kid", kid.as_str())),
    ] {
        ServerResponse::send(browser.form(path, &[fields])).await.is(403);
    }
    server.clock.advance(Duration::from_mins(6));
    for (path, fields) in [("/admin/keys/rotate-now", ("alg", "all")), ("/admin/keys/revoke", ("kid", kid.as_str()))] {
        assert_redirect(&browser.submit(path, &[fields]).await, "/admin/prove?next=%2Fadmin%2F");
    }
    assert_eq!(published(&server).await, before);
}

#[tokio::test]
async fn the_pages_show_the_next_rotation_or_why_there_is_none() {
    let (server, mut browser) = signed_in_root().await;
    assert!(server.issuer.policy.rotate_every.is_some(), "the default");
    assert!(browser.open(PATH).await.is(200).text.contains("The next key is created at"));
    let dashboard = browser.open("/admin/").await;
    assert!(dashboard.is(200).text.contains("The next key signs in"), "{dashboard:#?}");
    let server = TestServer::with("keys.rotate_every = 'never'").await;
    superuser(&server, "root").await;
    let mut browser = AdminBrowser::new(&server);
    browser.sign_in("root").await;
    let page = browser.open(PATH).await;
    assert!(
        page.is(200).text.contains("No rotation is planned, because the setting keys.rotate_every is"),
        "{page:#?}"
    );
}

#[tokio::test]
async fn a_rotation_publishes_ahead_and_reports_the_dates() {
    let (server, mut browser) = signed_in_root().await;
    server.register("anna").await;
    let old = keys(&server, "ES256", KeyState::Active).remove(0);
    let before = published(&server).await;
    let page = browser.open(PATH).await;
    assert!(
        page.is(200).text.contains("<svg role=\"img\"") && page.text.contains("The next key is created at"),
        "{page:#?}"
    );
    let confirm = browser.open("/admin/keys/rotate?alg=ES256").await;
    for word in
        ["A new key is published now and signs from", "refuse no token", old.kid.as_str(), "Publish the new key"]
    {
        assert!(confirm.is(200).text.contains(word), "{word}: {confirm:#?}");
    }
    assert_redirect(&browser.submit("/admin/keys/rotate", &[("alg", "ES256")]).await, PATH);
    let next = keys(&server, "ES256", KeyState::Next).remove(0);
    let after = published(&server).await;
    assert_eq!((after.len(), after.contains(&next.kid.to_string())), (before.len() + 1, true));
    assert_eq!(header(&server.token("anna").await)["kid"], old.kid.as_str());
    let page = browser.open(PATH).await;
    for word in
        ["Published: ES256 key ", "The next key is published and signs from", "class=\"next\"", "class=\"active\""]
    {
        assert!(page.is(200).text.contains(word), "{word}: {page:#?}");
    }
    assert_eq!(server.audit().await[0].0, "signed_in");
    assert!(server.audit().await.iter().any(|(action, _)| action == "key_rotated"));
}

#[tokio::test]
async fn immediate_rotation_and_revocation_name_their_consequences() {
    let (server, mut browser) = signed_in_root().await;
    server.register("anna").await;
    let old = keys(&server, "ES256", KeyState::Active).remove(0);
    let confirm = browser.open("/admin/keys/rotate-now?alg=all").await;
    for word in ["Consequences: ES256", "Consequences: RS256", "may refuse its tokens for up to 5m", "panel danger"] {
        assert!(confirm.is(200).text.contains(word), "{word}: {confirm:#?}");
    }
    assert_redirect(&browser.submit("/admin/keys/rotate-now", &[("alg", "all")]).await, PATH);
    let new = keys(&server, "ES256", KeyState::Active).remove(0);
    assert_ne!(old.kid, new.kid);
    assert_eq!(header(&server.token("anna").await)["kid"], new.kid.as_str());

    let confirm = browser.open(&format!("/admin/keys/revoke?kid={}", new.kid)).await;
    for word in [
        "The key is removed from the JWKS immediately and permanently.",
        "Access tokens it signed since",
        "must sign in again",
        "A new key is created and signs immediately.",
        "may refuse new tokens for up to 5m",
    ] {
        assert!(confirm.is(200).text.contains(word), "{word}: {confirm:#?}");
    }
    assert_redirect(&browser.submit("/admin/keys/revoke", &[("kid", new.kid.as_str())]).await, PATH);
    assert!(!published(&server).await.contains(&new.kid.to_string()));
    let page = browser.open(PATH).await;
    assert!(page.text.contains(&format!("The key {} was revoked.", new.kid)), "{page:#?}");
    browser.open(&format!("/admin/keys/revoke?kid={}", new.kid)).await.is(409);
    browser.submit("/admin/keys/revoke", &[("kid", new.kid.as_str())]).await.is(409);
}

#[tokio::test]
async fn jwks_clients_are_listed_with_their_version_and_escaped_agent() {
    let (server, mut browser) = signed_in_root().await;
    let empty = browser.open(PATH).await;
    assert!(empty.is(200).text.contains("No client has fetched the JWKS"), "{empty:#?}");
    let fetch = async |address: &str, agent: &str| {
        let request = server.request(Method::GET, "/.well-known/jwks.json");
        ServerResponse::send(request.header("x-forwarded-for", address).header("user-agent", agent)).await.is(200);
    };
    fetch("192.0.2.1", "<script>alert(1)</script>").await;
    fetch("192.0.2.2", "PyJWT/2").await;
    browser.open("/admin/keys/rotate?alg=ES256").await.is(200);
    assert_redirect(&browser.submit("/admin/keys/rotate", &[("alg", "ES256")]).await, PATH);
    fetch("192.0.2.2", "PyJWT/2").await;
    let page = browser.open(PATH).await;
    assert!(page.is(200).text.contains("1 of the 2 clients that fetched the JWKS"), "{page:#?}");
    assert!(page.text.contains("&lt;script&gt;alert(1)") && !page.text.contains("<script>"), "{page:#?}");
    let outdated = page.text.find("192.0.2.1").unwrap();
    let up_to_date = page.text.find("192.0.2.2").unwrap();
    assert!(outdated < up_to_date && page.text[outdated..up_to_date].contains("not yet"), "{page:#?}");
}
