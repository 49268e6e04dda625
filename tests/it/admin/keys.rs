//! Keys: rotated and revoked in a browser, with what follows said before.

use std::time::Duration;

use countersign::domain::key::{Key, KeyState};
use reqwest::Method;

use super::super::support::TestServer;
use super::super::support::token::header;
use super::{Answer, inside, leads_to};

const PATH: &str = "/admin/keys";

fn keys(server: &TestServer, alg: &str, state: KeyState) -> Vec<Key> {
    let (ring, now) = (server.issuer.ring(), server.issuer.clock.now());
    let all = ring.schedule().keys().iter();
    all.filter(|key| key.alg.name() == alg && key.state(now) == state).cloned().collect()
}

async fn published(server: &TestServer) -> Vec<String> {
    let set = server.get("/.well-known/jwks.json").await.is(200).json();
    let kids = set["keys"].as_array().unwrap().iter();
    kids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn nothing_is_done_for_a_wrong_name_a_missing_token_or_an_old_password() {
    let (server, mut browser) = inside().await;
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
    assert!(unknown.is(409).text.contains("That was not done"), "{unknown:#?}");
    for (path, fields) in [
        ("/admin/keys/rotate", ("alg", "all")),
        ("/admin/keys/rotate-now", ("alg", "all")),
        ("/admin/keys/revoke", ("kid", kid.as_str())),
    ] {
        Answer::to(browser.form(path, &[fields])).await.is(403);
    }
    server.clock.advance(Duration::from_mins(6));
    for (path, fields) in [("/admin/keys/rotate-now", ("alg", "all")), ("/admin/keys/revoke", ("kid", kid.as_str()))] {
        leads_to(&browser.submit(path, &[fields]).await, "/admin/prove?next=%2Fadmin%2F");
    }
    assert_eq!(published(&server).await, before);
}

#[tokio::test]
async fn a_rotation_publishes_ahead_and_says_so() {
    let (server, mut browser) = inside().await;
    server.register("anna").await;
    let (old, before) = (keys(&server, "ES256", KeyState::Active).remove(0), published(&server).await);
    let page = browser.open(PATH).await;
    assert!(
        page.is(200).text.contains("<svg role=\"img\"") && page.text.contains("No rotation is planned"),
        "{page:#?}"
    );
    let confirm = browser.open("/admin/keys/rotate?alg=ES256").await;
    for word in
        ["A new key is published now and signs from", "no token is refused", old.kid.as_str(), "Publish the new key"]
    {
        assert!(confirm.is(200).text.contains(word), "{word}: {confirm:#?}");
    }
    leads_to(&browser.submit("/admin/keys/rotate", &[("alg", "ES256")]).await, PATH);
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
async fn signing_at_once_and_revoking_say_what_they_break() {
    let (server, mut browser) = inside().await;
    server.register("anna").await;
    let old = keys(&server, "ES256", KeyState::Active).remove(0);
    let confirm = browser.open("/admin/keys/rotate-now?alg=all").await;
    for word in ["What follows: ES256", "What follows: RS256", "may refuse its tokens for up to 5m", "panel danger"] {
        assert!(confirm.is(200).text.contains(word), "{word}: {confirm:#?}");
    }
    leads_to(&browser.submit("/admin/keys/rotate-now", &[("alg", "all")]).await, PATH);
    let new = keys(&server, "ES256", KeyState::Active).remove(0);
    assert_ne!(old.kid, new.kid);
    assert_eq!(header(&server.token("anna").await)["kid"], new.kid.as_str());

    let confirm = browser.open(&format!("/admin/keys/revoke?kid={}", new.kid)).await;
    for word in [
        "The key is out of the key set at once and for good.",
        "Every access token it signed since",
        "must sign in again",
        "A new key is made and signs at once.",
        "may refuse new tokens for up to 5m",
    ] {
        assert!(confirm.is(200).text.contains(word), "{word}: {confirm:#?}");
    }
    leads_to(&browser.submit("/admin/keys/revoke", &[("kid", new.kid.as_str())]).await, PATH);
    assert!(!published(&server).await.contains(&new.kid.to_string()));
    let page = browser.open(PATH).await;
    assert!(page.text.contains(&format!("The key {} is revoked.", new.kid)), "{page:#?}");
    browser.open(&format!("/admin/keys/revoke?kid={}", new.kid)).await.is(409);
    browser.submit("/admin/keys/revoke", &[("kid", new.kid.as_str())]).await.is(409);
}

#[tokio::test]
async fn verifiers_are_shown_with_the_set_they_have_and_no_markup_of_theirs() {
    let (server, mut browser) = inside().await;
    let nobody = browser.open(PATH).await;
    assert!(nobody.is(200).text.contains("Nobody has fetched the key set"), "{nobody:#?}");
    let fetch = async |address: &str, agent: &str| {
        let request = server.request(Method::GET, "/.well-known/jwks.json");
        Answer::to(request.header("x-forwarded-for", address).header("user-agent", agent)).await.is(200);
    };
    fetch("192.0.2.1", "<script>alert(1)</script>").await;
    fetch("192.0.2.2", "PyJWT/2").await;
    browser.open("/admin/keys/rotate?alg=ES256").await.is(200);
    leads_to(&browser.submit("/admin/keys/rotate", &[("alg", "ES256")]).await, PATH);
    fetch("192.0.2.2", "PyJWT/2").await;
    let page = browser.open(PATH).await;
    assert!(page.is(200).text.contains("1 of the 2 that fetched the key set"), "{page:#?}");
    assert!(page.text.contains("&lt;script&gt;alert(1)") && !page.text.contains("<script>"), "{page:#?}");
    let (behind, up_to_date) = (page.text.find("192.0.2.1").unwrap(), page.text.find("192.0.2.2").unwrap());
    assert!(behind < up_to_date && page.text[behind..up_to_date].contains("not yet"), "{page:#?}");
}
