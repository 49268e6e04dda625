//! Changes of the stored keys, as another process makes them: a running server loads the new ring later.

use countersign::domain::algorithm::Algorithm;
use countersign::domain::key::{Key, KeyPolicy};
use countersign::issuer::{Issuer, keys};
use countersign::keys::change::{AppliedChange, RingChange};

/// Rotates keys, and returns the new ones.
pub fn rotate(issuer: &Issuer, alg: Option<Algorithm>, at_once: bool) -> Vec<Key> {
    apply(issuer, |policy| RingChange::Rotate { alg, at_once, policy }).added
}

/// Revokes a key.
pub fn revoke(issuer: &Issuer, kid: &str) {
    apply(issuer, |policy| RingChange::Revoke { prefix: kid.to_owned(), policy });
}

fn apply(issuer: &Issuer, change: impl FnOnce(KeyPolicy) -> RingChange) -> AppliedChange {
    issuer.key_source.apply(change(keys::policy(issuer))).unwrap()
}
