//! What a change of keys reports to its caller.

use super::context::KeyContext;
use crate::domain::audit::{Action, Operator};
use crate::domain::key::{Key, KeyPolicy};
use crate::keys::change::RevokedKey;

/// The keys that a rotation or an import has added.
#[derive(Debug)]
pub struct AddedKeys {
    /// The keys with their dates.
    pub keys: Vec<Key>,
    /// The policy that gave the dates. `None` if there were no keys before: then the keys sign at once.
    pub policy: Option<KeyPolicy>,
    /// Why the change is not in the audit log, although it was made.
    pub unrecorded: Option<String>,
}

impl AddedKeys {
    /// Records the new keys in the audit log.
    pub(super) async fn record(context: &KeyContext, by: &Operator, keys: Vec<Key>, policy: Option<KeyPolicy>) -> Self {
        let detail = |key: &Key| format!("{} key {} signs from {}", key.alg, key.kid, key.signs_from);
        let unrecorded = context.record(by, Action::KeyRotated, keys.iter().map(detail).collect()).await;
        Self { keys, policy, unrecorded }
    }
}

/// A revocation that was made.
#[derive(Debug)]
pub struct Revocation {
    /// The revoked key and its successor.
    pub revoked: RevokedKey,
    /// The policy that gave the dates.
    pub policy: KeyPolicy,
    /// Why the change is not in the audit log, although it was made.
    pub unrecorded: Option<String>,
}
