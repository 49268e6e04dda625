//! The effect of key commands on a running server.

use serde_json::json;

use crate::support::binary::{Binary, TestFolder};
use crate::support::verifier::Verifier;
use crate::support::{token, wait_until};

async fn jwks_has(server: &Binary, kid: &str) -> bool {
    server.get("/.well-known/jwks.json").await.is(200).text.contains(kid)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_applies_key_commands() {
    let folder = TestFolder::new();
    folder.create("anna");
    let server = folder.serve().await;
    let mut verifiers = Verifier::all(&server.url, &[]);
    let first = server.token("anna").await;
    let old = folder.kid("ES256", "active");
    assert_eq!(token::header(&first)["kid"], old.as_str());

    let printed = folder.run(&["keys", "rotate"]).is(0).to_owned();
    let new_kids: Vec<&str> = printed.lines().collect();
    assert_eq!(new_kids.len(), 2, "one key id for each algorithm");
    for kid in &new_kids {
        wait_until("the server publishes the new keys", async || jwks_has(&server, kid).await).await;
    }
    let second = server.token("anna").await;
    assert_eq!(token::header(&second)["kid"], old.as_str(), "a published key does not sign yet");

    folder.run(&["keys", "rotate", "--now", "--alg", "ES256"]).is(0);
    let new = folder.kid("ES256", "active");
    wait_until("the new key signs", async || token::header(&server.token("anna").await)["kid"] == new.as_str()).await;
    wait_until("the old private key is deleted", async || !folder.path(&format!("keys/{old}.pem")).exists()).await;
    let third = server.token("anna").await;
    for verifier in &mut verifiers {
        for (what, token) in [("before", &first), ("during", &second), ("after", &third)] {
            verifier.accepts(token, what);
        }
    }
    for token in [&first, &second, &third] {
        server.post("/renew_token", Some(token), &json!({})).await.is(200);
    }

    folder.run(&["keys", "revoke", &new]).is(0);
    wait_until("the revocation applies", async || !jwks_has(&server, &new).await).await;
    server.post("/renew_token", Some(&third), &json!({})).await.refuses(401, "not_signed_in");
    let fourth = server.token("anna").await;
    for verifier in &mut Verifier::all(&server.url, &[]) {
        verifier.rejects(&third, "a revoked key");
        verifier.accepts(&fourth, "its successor");
        verifier.accepts(&first, "the previous key");
    }
}

#[tokio::test]
async fn no_request_fails_during_a_rotation() {
    let folder = TestFolder::new();
    folder.create("anna");
    let server = folder.serve().await;
    let mut token = server.token("anna").await;
    let mut kids = std::collections::BTreeSet::new();
    for _ in 0..4 {
        folder.run(&["keys", "rotate", "--now", "--alg", "ES256"]).is(0);
        for _ in 0..60 {
            let response = server.post("/renew_token", Some(&token), &json!({})).await;
            token = response.is(200).json()["token"].as_str().unwrap().to_owned();
            kids.insert(token::header(&token)["kid"].as_str().unwrap().to_owned());
            server.get("/.well-known/jwks.json").await.is(200);
        }
    }
    assert!(!kids.is_empty());
    let active = folder.kid("ES256", "active");
    wait_until("the last key signs", async || token::header(&server.token("anna").await)["kid"] == active.as_str())
        .await;
}

#[tokio::test]
async fn a_damaged_ring_leaves_the_loaded_keys_in_use() {
    let folder = TestFolder::new();
    folder.create("anna");
    let server = folder.serve().await;
    let token = server.token("anna").await;
    let original = std::fs::read(folder.path("keys/ring.json")).unwrap();
    std::fs::write(folder.path("keys/ring.json"), &original[..original.len() / 2]).unwrap();
    wait_until("the failed reload is logged", async || server.log.lock().unwrap().contains("job failed; retrying"))
        .await;
    server.post("/renew_token", Some(&token), &json!({})).await.is(200);
    server.get("/ready").await.is(200);
    std::fs::write(folder.path("keys/ring.json"), &original).unwrap();
    folder.run(&["keys", "rotate", "--now", "--alg", "ES256"]).is(0);
    let active = folder.kid("ES256", "active");
    wait_until("the new key signs", async || token::header(&server.token("anna").await)["kid"] == active.as_str())
        .await;
}
