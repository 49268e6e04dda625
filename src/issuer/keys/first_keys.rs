//! Records the keys that the first start of a server has created.

use super::record::record;
use crate::domain::audit::Operator;
use crate::domain::key::Key;
use crate::domain::time::Timestamp;
use crate::keys::change::AppliedChange;
use crate::store::Store;

/// Records the first keys in the audit log. A failure is only logged: the server signs with the keys already.
pub async fn record_first_keys(store: &Store, now: Timestamp, keys: Vec<Key>) {
    let applied = AppliedChange { added: keys, ..AppliedChange::default() };
    // The failure is in the log.
    let _ = record(Ok(Some(store)), now, &Operator::FirstStart, &applied).await;
}
