//! Removes keys that are no longer needed.

use super::context::KeyContext;
use super::error::KeysError;
use crate::domain::audit::Operator;
use crate::domain::key::Key;
use crate::domain::origin::Origin;
use crate::domain::time::Timestamp;
use crate::keys::change::RingChange;
use crate::store::{Store, StoreError};

/// A request to remove revoked keys, and retired keys that no signed refresh token needs.
#[derive(Debug)]
pub struct Prune;

impl Prune {
    /// Removes the keys and returns them.
    pub async fn run(self, context: &KeyContext) -> Result<Vec<Key>, KeysError> {
        let needed_since = match context.store()? {
            Some(store) => needed_since(store, context.clock().now()).await.map_err(KeysError::Sessions)?,
            None => None,
        };
        // Only the command line prunes.
        let pruned = context.apply(RingChange::Prune { needed_since }, Operator::CommandLine).await?;
        Ok(pruned.applied.removed)
    }
}

/// Returns the earliest time at which a refresh token may have been signed that is valid although its key is no longer
/// published; `None` if there is no such token. A key that signed after this time must not be pruned.
async fn needed_since(store: &Store, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let needs_retired_keys = |origin: &Origin| {
        let refresh_token = origin.refresh_style().token_kind();
        refresh_token.is_some_and(|kind| !kind.row().by_published_key)
    };
    store
        .read(move |tx| {
            let oldest =
                Origin::all().filter(needs_retired_keys).map(|origin| tx.oldest_live_session_opened_at(origin, now));
            Ok(oldest.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().min())
        })
        .await
}
