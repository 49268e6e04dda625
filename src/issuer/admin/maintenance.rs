//! What this process remembers of its maintenance: the last row counts and the time of the last cleanup.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::domain::time::Timestamp;

const NEVER: i64 = i64::MIN;

/// The last row counts and the last cleanup of this process.
#[derive(Debug)]
pub struct MaintenanceState {
    pub(super) counted: ArcSwapOption<RowCounts>,
    cleaned_up_at: AtomicI64,
}

impl Default for MaintenanceState {
    fn default() -> Self {
        Self { counted: ArcSwapOption::empty(), cleaned_up_at: AtomicI64::new(NEVER) }
    }
}

impl MaintenanceState {
    /// Records that a cleanup has finished.
    pub fn record_cleanup(&self, at: Timestamp) {
        self.cleaned_up_at.store(at.unix(), Ordering::Relaxed);
    }

    /// When this process last finished a cleanup; `None` before the first.
    pub(super) fn last_cleanup(&self) -> Option<Timestamp> {
        let at = self.cleaned_up_at.load(Ordering::Relaxed);
        (at != NEVER).then(|| Timestamp::from_unix(at))
    }
}

/// Row counts, and when they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCounts {
    /// The number of users, including disabled ones.
    pub users: u64,
    /// The number of sessions that were not ended, including expired ones that the cleanup has not removed yet. It
    /// removes them 24 to 48 h after their expiry.
    pub open_sessions: u64,
    /// When the rows were counted.
    pub at: Timestamp,
    pub(super) monotonic: Duration,
}
