//! Records changes of keys in the audit log.

use super::error::KeysError;
use crate::domain::audit::{Action, Operator};
use crate::domain::key::Key;
use crate::domain::time::Timestamp;
use crate::keys::change::{AppliedChange, RevokedKey};
use crate::store::{Store, StoreError};

/// Records a change in the audit log: one entry for each new, revoked or removed key.
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
    let removed = applied.removed.iter().map(|key| (Action::KeyPruned, format!("{} key {}", key.alg, key.kid)));
    record_changes(store, now, by, added.chain(revoked).chain(removed).collect()).await
}

/// Records changes as [`record`] does.
pub(super) async fn record_changes(
    store: Result<Option<&Store>, KeysError>,
    now: Timestamp,
    by: &Operator,
    changes: Vec<(Action, String)>,
) -> Option<String> {
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
        Operator::RotateEvery | Operator::FirstStart => format!("{detail}, created by {}", by.name()),
        Operator::CommandLine | Operator::Superuser { .. } => detail,
    }
}

fn revoked_detail(revoked: &RevokedKey) -> String {
    let successor = revoked.successor.as_ref().map_or_else(String::new, |key| format!(", {} signs instead", key.kid));
    format!("{} key {}{successor}", revoked.key.alg, revoked.key.kid)
}
