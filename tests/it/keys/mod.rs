//! Key changes, and their effect on third-party verifiers that cache the JWKS.
#![expect(clippy::unwrap_used, reason = "tests")]

mod caches;
mod concurrent_changes;
mod lifecycle;
mod rotation;
mod running_server;

use countersign::domain::key::Key;

use crate::support::{TestServer, wait_until};

/// Selects the signing algorithm from the next token on, as an operator does.
async fn sign_with(server: &TestServer, alg: &str) {
    server.set("profiles.jwt_issuer.algorithm", alg).await;
}

/// Rotates every key and waits until the server has applied the rotation.
async fn rotate(server: &TestServer, at_once: bool) -> Vec<Key> {
    let new_keys = crate::support::stored_keys::rotate(&server.issuer, None, at_once).await;
    let is_loaded = |key: &Key| server.issuer.ring().schedule().get(&key.kid).is_some();
    wait_until("the server loads the new keys", async || new_keys.iter().all(is_loaded)).await;
    new_keys
}
