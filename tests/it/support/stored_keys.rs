//! Changes of the stored keys, as `countersign keys` makes them in another process: a running server loads the new ring
//! later.

use std::sync::Arc;

use countersign::domain::algorithm::Algorithm;
use countersign::domain::audit::Operator;
use countersign::domain::key::Key;
use countersign::issuer::Issuer;
use countersign::issuer::keys::{KeyContext, KeyStore, Revoke, Rotate};

/// Rotates keys, and returns the new ones.
pub async fn rotate(issuer: &Issuer, alg: Option<Algorithm>, at_once: bool) -> Vec<Key> {
    Rotate { alg, at_once, by: Operator::CommandLine }.run(&context(issuer)).await.unwrap().keys
}

/// Revokes a key.
pub async fn revoke(issuer: &Issuer, kid: &str) {
    let revoke = Revoke { kid: kid.to_owned(), by: Operator::CommandLine, on_default_settings: None };
    revoke.run(&context(issuer)).await.unwrap();
}

fn context(issuer: &Issuer) -> KeyContext {
    let store = KeyStore::Open(issuer.store.clone());
    KeyContext::of_command(Arc::clone(&issuer.key_source), issuer.clock.clone(), issuer.policy.keys, store)
}
