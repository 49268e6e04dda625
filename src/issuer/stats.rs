//! When the process ran: what `/liveliness` tells, without asking the store. And what was counted, as it happened.

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

/// This run, and those before it as of the last heartbeat.
#[derive(Debug)]
pub struct Uptime {
    started_at: Timestamp,
    started: Duration,
    /// Where this run is recorded; None while it could not be.
    recorded: tokio::sync::Mutex<Option<RunId>>,
    history: ArcSwap<RunHistory>,
    ended_runs: Mutex<EndedRuns>,
}

/// Runs that are over, up to one of them: they are read once and not at each heartbeat, however many there are.
#[derive(Debug, Default)]
struct EndedRuns {
    last: RunId,
    history: RunHistory,
}

/// After how long without a sign of life a run is over: no process sleeps that long and is heard of again.
const OVER_AFTER: Duration = Duration::from_hours(1);

/// What is known of the process's life.
#[derive(Clone, Debug)]
pub struct Liveliness {
    /// The time.
    pub now: Timestamp,
    /// How long the process has run, by a clock that never steps.
    pub uptime: Duration,
    /// When it started.
    pub started_at: Timestamp,
    /// How often it was started, this time included.
    pub starts: usize,
    /// The share of each window in which it ran, by the window's name.
    pub availability: [(&'static str, f64); WINDOWS.len()],
}

impl Uptime {
    /// A run that begins now.
    pub fn new(clock: &Clock) -> Self {
        Self {
            started_at: clock.now(),
            started: clock.monotonic(),
            recorded: tokio::sync::Mutex::default(),
            history: ArcSwap::default(),
            ended_runs: Mutex::default(),
        }
    }

    /// What is known at the moment.
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

    /// Takes up what is recorded of all runs, other processes' too.
    pub async fn reload(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let last = self.ended_runs().last;
        let mut fresh = store.read(move |tx| tx.runs_after(last)).await?;
        let ended = fresh.iter().take_while(|(_, run)| run.seen_at + OVER_AFTER < now).count();
        let living = fresh.split_off(ended).into_iter().map(|(_, run)| run).collect();
        let mut over = self.ended_runs();
        if over.last == last {
            over.last = fresh.last().map_or(last, |(id, _)| *id);
            over.history = over.history.with(fresh.into_iter().map(|(_, run)| run).collect());
            self.history.store(over.history.with(living).into());
        }
        Ok(())
    }

    fn ended_runs(&self) -> MutexGuard<'_, EndedRuns> {
        self.ended_runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the process lives, and when it started if that could not be recorded before. Two who call it at once
    /// record one start.
    pub async fn record_heartbeat(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let mut recorded = self.recorded.lock().await;
        let known = *recorded;
        let started_at = self.started_at;
        let run = store.write(move |tx| {
            let run = known.map_or_else(|| tx.start_run(started_at), Ok)?;
            tx.record_heartbeat(run, now).map(|()| run)
        });
        *recorded = Some(run.await?);
        drop(recorded);
        self.reload(store, now).await
    }
}

/// What was counted by the hour in a window: what the store knows of all servers, and what this one has yet to tell it.
/// For a [`Series`](crate::domain::count::Series) of each thing that is drawn.
pub async fn counts(issuer: &Issuer, window: Window) -> Result<Vec<HourCount>, StoreError> {
    let now = issuer.clock.now();
    let mut hours: Vec<HourCount> = issuer.store.read(move |tx| tx.counts(window.from(now))).await?;
    // Looked at last: what is told in between is rather missed for a moment than seen twice.
    hours.extend(issuer.counters.pending().into_iter().map(|(count, n)| HourCount { hour: hour_of(now), count, n }));
    Ok(hours)
}

/// Why the issuer can't serve, if it can't: the store must answer, and for every profile an active key must be there.
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
