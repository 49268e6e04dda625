//! The uptime and the availability of this process for `/liveliness`, which are reported without reading the store, and
//! the recorded runs from which they follow.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::domain::availability::{RunHistory, WINDOWS};
use crate::domain::time::Timestamp;
use crate::store::{RunId, Store, StoreError};

/// The current run, and the recorded runs as of the last heartbeat.
#[derive(Debug)]
pub struct Uptime {
    started_at: Timestamp,
    started: Duration,
    /// The id of this run in the store; `None` until it is recorded.
    recorded: tokio::sync::Mutex<Option<RunId>>,
    history: ArcSwap<RunHistory>,
    ended_runs: Mutex<EndedRuns>,
}

/// The ended runs up to the id `last`. They are read once and not at each heartbeat, because there may be many.
#[derive(Debug, Default)]
struct EndedRuns {
    last: RunId,
    history: RunHistory,
}

/// A run counts as ended after this time without a heartbeat. A process that is suspended for longer is not expected to
/// continue.
const OVER_AFTER: Duration = Duration::from_hours(1);

/// The content of `/liveliness`.
#[derive(Clone, Debug)]
pub struct Liveliness {
    /// The current time.
    pub now: Timestamp,
    /// How long the process has run, by the monotonic clock.
    pub uptime: Duration,
    /// When it started.
    pub started_at: Timestamp,
    /// The number of starts, including this one.
    pub starts: usize,
    /// The share of each time window in which the process ran, with the name of the window.
    pub availability: [(&'static str, f64); WINDOWS.len()],
}

impl Uptime {
    /// Creates a run that begins now.
    pub fn new(clock: &Clock) -> Self {
        Self {
            started_at: clock.now(),
            started: clock.monotonic(),
            recorded: tokio::sync::Mutex::default(),
            history: ArcSwap::default(),
            ended_runs: Mutex::default(),
        }
    }

    /// Returns the current uptime and availability. Does not read the store.
    pub fn liveliness(&self, clock: &Clock) -> Liveliness {
        let now = clock.now();
        let history = self.history.load();
        Liveliness {
            now,
            uptime: clock.monotonic().saturating_sub(self.started),
            started_at: self.started_at,
            starts: history.starts().max(1),
            availability: WINDOWS.map(|(name, window)| (name, history.availability(window, self.started_at, now))),
        }
    }

    /// Reads the recorded runs, including those of other processes.
    pub async fn reload(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let last = self.ended_runs().last;
        let mut new_runs = store.read(move |tx| tx.runs_after(last)).await?;
        let ended = new_runs.iter().take_while(|(_, run)| run.seen_at + OVER_AFTER < now).count();
        let current = new_runs.split_off(ended).into_iter().map(|(_, run)| run).collect();
        let mut ended_runs = self.ended_runs();
        if ended_runs.last == last {
            ended_runs.last = new_runs.last().map_or(last, |(id, _)| *id);
            ended_runs.history = ended_runs.history.with(new_runs.into_iter().map(|(_, run)| run).collect());
            self.history.store(ended_runs.history.with(current).into());
        }
        Ok(())
    }

    fn ended_runs(&self) -> MutexGuard<'_, EndedRuns> {
        self.ended_runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the process is running, and its start if not yet recorded. Concurrent calls record one start.
    pub async fn record_heartbeat(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let mut recorded = self.recorded.lock().await;
        let recorded_id = *recorded;
        let started_at = self.started_at;
        let run = store.write(move |tx| {
            let run = recorded_id.map_or_else(|| tx.start_run(started_at), Ok)?;
            tx.record_heartbeat(run, now).map(|()| run)
        });
        *recorded = Some(run.await?);
        drop(recorded);
        self.reload(store, now).await
    }
}
