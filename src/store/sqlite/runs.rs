//! Runs of the process in SQL.

use rusqlite::params;

use super::tx::{Tx, date};
use crate::domain::availability::ProcessRun;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::runs::{ReadRuns, RunId, WriteRuns};

impl ReadRuns for Tx<'_> {
    fn runs_after(&self, last: RunId) -> Result<Vec<(RunId, ProcessRun)>, StoreError> {
        self.all("SELECT * FROM runs WHERE id > ?1 ORDER BY id", [last.0], |row| {
            let run = ProcessRun { started_at: date(row, "started_at")?, seen_at: date(row, "seen_at")? };
            Ok((RunId(row.get("id")?), run))
        })
    }
}

impl WriteRuns for Tx<'_> {
    fn start_run(&self, now: Timestamp) -> Result<RunId, StoreError> {
        self.execute("INSERT INTO runs (started_at, seen_at) VALUES (?1, ?1)", [now.unix()])?;
        Ok(RunId(self.last_id()))
    }

    fn record_heartbeat(&self, id: RunId, now: Timestamp) -> Result<(), StoreError> {
        // If the clock is set back, the run keeps its latest heartbeat.
        self.execute("UPDATE runs SET seen_at = max(seen_at, ?2) WHERE id = ?1", params![id.0, now.unix()])?;
        Ok(())
    }
}
