//! Counts how often the database was reported as unavailable, for monitoring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::store::error::StoreError;

/// The count of one database, open or not. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<AtomicU64>);

impl Refusals {
    /// Returns the number of refusals.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Counts one refusal.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Converts an error for the caller, and counts it if it is [`StoreError::Unavailable`].
    pub(super) fn counting<E: From<StoreError>>(&self, error: StoreError) -> E {
        if matches!(error, StoreError::Unavailable(_)) {
            self.add();
        }
        error.into()
    }
}
