//! The uptime for `/liveliness`, the event counts, and the readiness for `/ready`. Only the uptime is reported without
//! reading the store.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::{Issuer, Refusal};
use crate::clock::Clock;
use crate::domain::availability::{RunHistory, WINDOWS};
use crate::domain::count::{HourCount, Window, hour_of};
use crate::domain::dialect::Dialect;
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

/// Returns the counts per hour in a time window: the stored counts of all servers, and this server's unwritten counts.
/// Each chart makes a [`Series`](crate::domain::count::Series) from them.
pub async fn counts(issuer: &Issuer, window: Window) -> Result<Vec<HourCount>, StoreError> {
    let now = issuer.clock.now();
    let mut hours: Vec<HourCount> = issuer.store.read(move |tx| tx.counts(window.from(now))).await?;
    // The pending counts are read last. Counts that are written to the store between the two reads are missing from
    // this result, which is better than counting them twice.
    hours.extend(issuer.counters.pending().into_iter().map(|(count, n)| HourCount { hour: hour_of(now), count, n }));
    Ok(hours)
}

/// Checks whether the issuer can serve: the store must answer, and there must be an active key for the algorithm of
/// every profile.
///
/// # Errors
/// The reason for `/ready`.
pub async fn readiness(issuer: &Issuer) -> Result<(), &'static str> {
    let ring = issuer.ring();
    let settings = issuer.settings();
    let now = issuer.clock.now();
    let signs = |dialect: &Dialect| {
        let algorithm = settings.profile(*dialect).algorithm.unwrap_or(issuer.policy.algorithm);
        ring.signer(algorithm, now).is_some()
    };
    if !Dialect::ALL.iter().all(signs) {
        return Err("no active key");
    }
    let answered: Result<(), Refusal> = issuer.store.read(|tx| Ok(tx.mails_waiting().map(drop)?)).await;
    answered.map_err(|_| "the database does not answer")
}
