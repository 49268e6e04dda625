//! Keys that change under verifiers of other makes, which keep the key set and notice nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

mod caches;
mod lifecycle;
mod rotation;
mod running_server;

use countersign::domain::key::Key;

use crate::support::{TestServer, settle};

/// Makes one algorithm sign from the next token on, as an operator would.
async fn sign_with(server: &TestServer, alg: &str) {
    server.set("profiles.jwt_issuer.algorithm", alg).await;
}

/// Rotates every key and waits until the server has taken it up, as it does a rotation by the command line.
async fn rotate(server: &TestServer, at_once: bool) -> Vec<Key> {
    let policy = countersign::issuer::keys::policy(&server.issuer);
    let made = server.issuer.key_dir.rotate(None, at_once, &policy).unwrap();
    let known = |key: &Key| server.issuer.ring().schedule().get(&key.kid).is_some();
    settle("the rotation in the server", async || made.iter().all(known)).await;
    made
}
