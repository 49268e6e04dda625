//! Records changes of keys in the audit log.

use super::error::KeysError;
use crate::domain::audit::{Action, Operator};
use crate::domain::key::Key;
use crate::domain::time::Timestamp;
use crate::keys::change::{AppliedChange, RevokedKey};
use crate::store::{Store, StoreError};

/// Records a change in the audit log: one entry for each new key and for a revoked key. Removed keys have no entry,
/// because they were no longer published.
///
/// A failure is only logged and returned, because the keys have already been changed, and an error would lead the
/// operator to repeat the change.
pub(super) async fn record(
    store: Result<Option<&Store>, KeysError>,
    now: Timestamp,
    by: &Operator,
    applied: &AppliedChange,
) -> Option<String> {
    let added = applied.added.iter().map(|key| (Action::KeyRotated, added_detail(key, by)));
    let revoked = applied.revoked.iter().map(|revoked| (Action::KeyRevoked, revoked_detail(revoked)));
    let changes: Vec<(Action, String)> = added.chain(revoked).collect();
    let written = match store {
        Ok(Some(store)) => write(store, now, by, &changes).await.map_err(|error| error.to_string()),
        Ok(None) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    let operator = by.name();
    for (action, detail) in changes {
        let action = action.name();
        match &written {
            Ok(()) => tracing::info!(action, operator, detail, "keys changed"),
            Err(error) => {
                tracing::error!(action, operator, detail, %error, "key change not recorded in the audit log");
            }
        }
    }
    written.err()
}

async fn write(store: &Store, now: Timestamp, by: &Operator, changes: &[(Action, String)]) -> Result<(), StoreError> {
    let entry = |(action, detail): &(Action, String)| by.entry(now, *action, None, detail.clone());
    let entries: Vec<_> = changes.iter().map(entry).collect();
    if entries.is_empty() {
        return Ok(());
    }
    store.write(move |tx| entries.iter().try_for_each(|entry| tx.record(entry))).await
}

fn added_detail(key: &Key, by: &Operator) -> String {
    let detail = format!("{} key {} signs from {}", key.alg, key.kid, key.signs_from);
    match by {
        // The entry has no actor, so that it would look like one of the command line.
        Operator::RotateEvery => format!("{detail}, created by {}", by.name()),
        Operator::CommandLine | Operator::Superuser { .. } => detail,
    }
}

fn revoked_detail(revoked: &RevokedKey) -> String {
    let successor = revoked.successor.as_ref().map_or_else(String::new, |key| format!(", {} signs instead", key.kid));
    format!("{} key {}{successor}", revoked.key.alg, revoked.key.kid)
}
