//! Event counts per hour.

use super::error::StoreError;
use crate::domain::count::{Count, HourCount};
use crate::domain::time::Timestamp;

/// Reads counts.
pub trait ReadCounts {
    /// Returns the counts of the hours that start at or after `from`, oldest first. Counts with a name that this
    /// version does not know are left out.
    fn counts(&self, from: Timestamp) -> Result<Vec<HourCount>, StoreError>;
}

/// Changes counts.
pub trait WriteCounts {
    /// Adds to the counts of the hour that contains `at`.
    fn add_counts(&self, at: Timestamp, counted: &[(Count, u64)]) -> Result<(), StoreError>;
    /// Deletes at most `limit` rows of hours that started before `before`. Returns how many.
    fn cleanup_counts(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
