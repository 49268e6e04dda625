//! What was counted, by the hour.

use super::StoreError;
use crate::domain::count::{Count, HourCount};
use crate::domain::time::Timestamp;

/// Asking for counts.
pub trait ReadCounts {
    /// What was counted in the hours that begin at `from` or later, oldest first. Counts of other versions are left out.
    fn counts(&self, from: Timestamp) -> Result<Vec<HourCount>, StoreError>;
}

/// Changing counts.
pub trait WriteCounts {
    /// Adds to what is known of the hour that `at` is in.
    fn add_counts(&self, at: Timestamp, counted: &[(Count, u64)]) -> Result<(), StoreError>;
    /// Forgets at most `limit` rows of hours that began before `before`. How many.
    fn cleanup_counts(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
