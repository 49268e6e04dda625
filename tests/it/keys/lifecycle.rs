//! What becomes of a key as time goes by: when it signs, when its private half goes, when its tokens end.

use std::time::Duration;

use countersign::domain::key::{Key, KeyState};
use serde_json::json;

use super::{rotate, sign_with};
use crate::support::{PASSWORD, TestServer, settle, token};

fn has_private_half(server: &TestServer, key: &Key) -> bool {
    server.path(&format!("keys/{}.pem", key.kid)).exists()
}

fn of(server: &TestServer, alg: &str) -> Key {
    let alg = alg.parse().unwrap();
    server.issuer.ring().schedule().active(alg, server.clock.now()).unwrap().clone()
}

fn state(server: &TestServer, key: &Key) -> KeyState {
    server.issuer.ring().schedule().get(&key.kid).unwrap().state(server.clock.now())
}

async fn published(server: &TestServer, key: &Key) -> bool {
    server.get("/.well-known/jwks.json").await.text.contains(key.kid.as_str())
}

#[tokio::test]
async fn a_key_changes_state_by_its_dates() {
    let server = TestServer::with_anna().await;
    let old = of(&server, "ES256");
    let made = rotate(&server, false).await;
    let new = made.iter().find(|key| key.alg == old.alg).unwrap().clone();
    assert_eq!((state(&server, &old), state(&server, &new)), (KeyState::Active, KeyState::Next));
    assert!(has_private_half(&server, &old) && has_private_half(&server, &new));

    server.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(token::header(&server.token("anna").await)["kid"], old.kid.as_str());
    assert!(has_private_half(&server, &old), "it signs to the last second");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(token::header(&server.token("anna").await)["kid"], new.kid.as_str());
    assert_eq!((state(&server, &old), state(&server, &new)), (KeyState::Retiring, KeyState::Active));
    settle("the end of the private half", async || !has_private_half(&server, &old)).await;
    assert!(has_private_half(&server, &new));
    assert!(published(&server, &old).await);

    // The longest access lifetime of all, and the leeway.
    server.clock.advance(Duration::from_secs(24 * 3600 + 4));
    settle("the key set by the new time", async || published(&server, &new).await).await;
    assert!(published(&server, &old).await);
    server.clock.advance(Duration::from_secs(1));
    settle("the end of the publication", async || !published(&server, &old).await).await;
    assert_eq!(state(&server, &old), KeyState::Retired);
}

#[tokio::test]
async fn an_immediate_rotation_removes_the_old_private_key_at_once() {
    let server = TestServer::with_anna().await;
    let old = [of(&server, "ES256"), of(&server, "RS256")];
    let new = rotate(&server, true).await;
    settle("the end of the private halves", async || !old.iter().any(|key| has_private_half(&server, key))).await;
    assert!(new.iter().all(|key| has_private_half(&server, key)));
}

#[tokio::test]
async fn no_token_outlives_its_key() {
    let server = TestServer::with_anna().await;
    rotate(&server, false).await;
    // Set after the rotation, which therefore could not reckon with it.
    server.set("profiles.jwt_issuer.access_lifetime", "90d").await;
    for alg in ["ES256", "RS256"] {
        sign_with(&server, alg).await;
        let end = of(&server, alg).published_until.unwrap();
        let answer = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
        let jwt = answer.is(200).json()["jwt"].as_str().unwrap().to_owned();
        assert_eq!(token::claims(&jwt)["exp"], end.unix(), "{alg}");
        let age = format!("Max-Age={}", end.since(server.clock.now()).as_secs());
        assert!(answer.header("set-cookie").contains(&age), "{age}: {answer:#?}");
    }
    server.clock.advance(Duration::from_hours(24));
    let uncut = token::claims(&server.token("anna").await);
    assert_eq!(uncut["exp"], (server.clock.now() + Duration::from_hours(90 * 24)).unix(), "the new key has no end yet");
}

#[tokio::test]
async fn the_server_rotates_on_schedule() {
    let server = TestServer::with("keys.rotate_every = '30d'").await;
    let old = of(&server, "ES256");
    let waiting = || server.issuer.ring().schedule().waiting(old.alg, server.clock.now()).cloned();
    let day = Duration::from_hours(24);
    server.clock.advance(28 * day);
    server.get("/ready").await.is(200);
    assert_eq!(waiting(), None);
    server.clock.advance(day);
    settle("a key that waits", async || waiting().is_some()).await;
    let new = waiting().unwrap();
    assert!(published(&server, &new).await && published(&server, &old).await);
    server.clock.advance(day);
    assert_eq!(of(&server, "ES256").kid, new.kid);
    assert_eq!(of(&server, "ES256").signs_until, None);
}

#[tokio::test]
async fn a_restart_changes_no_key() {
    let server = TestServer::with_anna().await;
    let mine = server.token("anna").await;
    let made = rotate(&server, false).await;
    let jwks = server.get("/.well-known/jwks.json").await;
    // What follows from the port is another after a restart: the keys are asked, not the issuer's name.
    let server = server.restart(Duration::from_hours(1)).await;
    let again = server.get("/.well-known/jwks.json").await;
    assert_eq!((again.text.as_str(), again.header("etag")), (jwks.text.as_str(), jwks.header("etag")));
    assert!(made.iter().all(|key| state(&server, key) == KeyState::Next));
    assert_eq!(token::header(&mine)["kid"], of(&server, "ES256").kid.as_str());
}
