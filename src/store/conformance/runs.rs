//! Runs of the process are recorded with their heartbeats.

use super::retrying_store::RetryingStore;
use super::{at, read, write};
use crate::domain::availability::ProcessRun;
use crate::store::RunId;

pub(crate) async fn runs_are_recorded(store: &RetryingStore) {
    let runs = write(store, |tx| {
        let first = tx.start_run(at(100))?;
        tx.record_heartbeat(first, at(150))?;
        tx.record_heartbeat(first, at(140))?;
        let second = tx.start_run(at(200))?;
        assert_ne!(first, second);
        tx.record_heartbeat(RunId(second.0 + 1), at(300))?;
        Ok((first, second))
    });
    let (first, second) = runs.await;
    let expected = [(first, 100, 150), (second, 200, 200)]
        .map(|(id, from, to)| (id, ProcessRun { started_at: at(from), seen_at: at(to) }));
    for (last, seen) in [(RunId(0), &expected[..]), (first, &expected[1..]), (second, &[])] {
        assert_eq!(read(store, move |tx| tx.runs_after(last)).await, seen);
    }
}
