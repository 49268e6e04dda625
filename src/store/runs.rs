//! Runs of the process, stored for `/liveliness`.

use super::error::StoreError;
use crate::domain::availability::ProcessRun;
use crate::domain::time::Timestamp;

/// The row id of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunId(pub i64);

/// Reads runs.
pub trait ReadRuns {
    /// Returns the runs recorded after `last`, ordered by id; `RunId(0)` returns all.
    fn runs_after(&self, last: RunId) -> Result<Vec<(RunId, ProcessRun)>, StoreError>;
}

/// Records runs.
pub trait WriteRuns {
    /// Records the start of a run.
    fn start_run(&self, now: Timestamp) -> Result<RunId, StoreError>;
    /// Records that the run is still alive.
    fn record_heartbeat(&self, id: RunId, now: Timestamp) -> Result<(), StoreError>;
}
