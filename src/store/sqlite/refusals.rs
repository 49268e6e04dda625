//! How often somebody was told that the database is unavailable: for whoever watches over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::store::StoreError;

/// The count of one open database; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<AtomicU64>);

impl Refusals {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// One more.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Counts an error that says so, on its way to the caller.
    pub(super) fn counting<E: From<StoreError>>(&self, error: StoreError) -> E {
        if matches!(error, StoreError::Unavailable(_)) {
            self.add();
        }
        error.into()
    }
}
