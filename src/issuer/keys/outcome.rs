//! What a change of keys reports to its caller.

use crate::domain::key::{Key, KeyPolicy};
use crate::keys::change::{AppliedChange, RevokedKey};

/// A change that was made.
#[derive(Debug)]
pub(super) struct RecordedChange {
    /// What it has done.
    pub(super) applied: AppliedChange,
    /// Why it is not in the audit log.
    pub(super) unrecorded: Option<String>,
}

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
