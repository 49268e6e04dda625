//! The lifecycle of a key: when it signs, when its private key is deleted, and when its tokens expire.

use std::time::Duration;

use countersign::domain::key::{Key, KeyState};
use serde_json::json;

use super::{rotate, sign_with};
use crate::support::{PASSWORD, TestServer, token, wait_until};

fn has_private_half(server: &TestServer, key: &Key) -> bool {
    server.path(&format!("keys/{}.pem", key.kid)).exists()
}

fn active_key(server: &TestServer, alg: &str) -> Key {
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
    let old = active_key(&server, "ES256");
    let new_keys = rotate(&server, false).await;
    let new = new_keys.iter().find(|key| key.alg == old.alg).unwrap().clone();
    assert_eq!((state(&server, &old), state(&server, &new)), (KeyState::Active, KeyState::Next));
    assert!(has_private_half(&server, &old) && has_private_half(&server, &new));

    server.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(token::header(&server.token("anna").await)["kid"], old.kid.as_str());
    assert!(has_private_half(&server, &old), "the old key signs until the last second");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(token::header(&server.token("anna").await)["kid"], new.kid.as_str());
    assert_eq!((state(&server, &old), state(&server, &new)), (KeyState::Retiring, KeyState::Active));
    wait_until("the old private key is deleted", async || !has_private_half(&server, &old)).await;
    assert!(has_private_half(&server, &new));
    assert!(published(&server, &old).await);

    // The old key stays published for the longest access lifetime plus the leeway: one day and 5 s.
    server.clock.advance(Duration::from_secs(24 * 3600 + 4));
    wait_until("the JWKS contains the new key", async || published(&server, &new).await).await;
    assert!(published(&server, &old).await);
    server.clock.advance(Duration::from_secs(1));
    wait_until("the old key is unpublished", async || !published(&server, &old).await).await;
    assert_eq!(state(&server, &old), KeyState::Retired);
}

#[tokio::test]
async fn an_immediate_rotation_removes_the_old_private_key_at_once() {
    let server = TestServer::with_anna().await;
    let old = [active_key(&server, "ES256"), active_key(&server, "RS256")];
    let new = rotate(&server, true).await;
    wait_until("the old private keys are deleted", async || !old.iter().any(|key| has_private_half(&server, key)))
        .await;
    assert!(new.iter().all(|key| has_private_half(&server, key)));
}

#[tokio::test]
async fn no_token_outlives_its_key() {
    let server = TestServer::with_anna().await;
    rotate(&server, false).await;
    // The lifetime is set after the rotation, so the end dates of the keys do not take it into account.
    server.set("profiles.jwt_issuer.access_lifetime", "90d").await;
    for alg in ["ES256", "RS256"] {
        sign_with(&server, alg).await;
        let end = active_key(&server, alg).published_until.unwrap();
        let response = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
        let jwt = response.is(200).json()["jwt"].as_str().unwrap().to_owned();
        assert_eq!(token::claims(&jwt)["exp"], end.unix(), "{alg}");
        let age = format!("Max-Age={}", end.since(server.clock.now()).as_secs());
        assert!(response.header("set-cookie").contains(&age), "{age}: {response:#?}");
    }
    server.clock.advance(Duration::from_hours(24));
    let claims = token::claims(&server.token("anna").await);
    assert_eq!(
        claims["exp"],
        (server.clock.now() + Duration::from_hours(90 * 24)).unix(),
        "the new key has no end date yet"
    );
}

#[tokio::test]
async fn the_server_rotates_on_schedule() {
    let server = TestServer::with("keys.rotate_every = '30d'").await;
    let old = active_key(&server, "ES256");
    let waiting = || server.issuer.ring().schedule().waiting(old.alg, server.clock.now()).cloned();
    let day = Duration::from_hours(24);
    server.clock.advance(28 * day);
    server.get("/ready").await.is(200);
    assert_eq!(waiting(), None);
    server.clock.advance(day);
    wait_until("the next key is published", async || waiting().is_some()).await;
    let new = waiting().unwrap();
    assert!(published(&server, &new).await && published(&server, &old).await);
    server.clock.advance(day);
    assert_eq!(active_key(&server, "ES256").kid, new.kid);
    assert_eq!(active_key(&server, "ES256").signs_until, None);
}

#[tokio::test]
async fn a_restart_changes_no_key() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let new_keys = rotate(&server, false).await;
    let jwks = server.get("/.well-known/jwks.json").await;
    // The issuer depends on the port, which changes with the restart. The test compares keys, not issuers.
    let server = server.restart(Duration::from_hours(1)).await;
    let again = server.get("/.well-known/jwks.json").await;
    assert_eq!((again.text.as_str(), again.header("etag")), (jwks.text.as_str(), jwks.header("etag")));
    assert!(new_keys.iter().all(|key| state(&server, key) == KeyState::Next));
    assert_eq!(token::header(&token)["kid"], active_key(&server, "ES256").kid.as_str());
}
