//! Runs of the process, as the store keeps them for `/liveliness`.

use super::StoreError;
use crate::domain::availability::ProcessRun;
use crate::domain::time::Timestamp;

/// A run's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunId(pub i64);

/// Asking for runs.
pub trait ReadRuns {
    /// The runs recorded after that one (`RunId(0)`: all), in the order of their ids.
    fn runs_after(&self, last: RunId) -> Result<Vec<(RunId, ProcessRun)>, StoreError>;
}

/// Recording runs.
pub trait WriteRuns {
    /// A run begins.
    fn start_run(&self, now: Timestamp) -> Result<RunId, StoreError>;
    /// It is still alive.
    fn record_heartbeat(&self, id: RunId, now: Timestamp) -> Result<(), StoreError>;
}
