//! Periodic jobs: each job is a tick that does what is due and returns. This module contains the loop that calls it.
//!
//! A failed tick is repeated after the period. The loop logs a failure once, and again when the error changes or has
//! persisted for an hour. It also logs the recovery.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::issuer::Issuer;

pub mod cleanup;
pub mod counts;
pub mod heartbeat;
pub mod outbox;
pub mod reopen_store;
pub mod rotation;
pub mod settings;

/// How often changes by other processes are checked. The contract promises that they are applied within 2 s.
const WATCH: Duration = Duration::from_millis(500);
/// How often the server tries to open a database that could not be opened at the start.
const OPENING: Duration = Duration::from_secs(2);
const OUTBOX: Duration = Duration::from_secs(1);
/// How often the job checks whether a new minute has begun.
const COUNTS: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(4);
/// After how long a persistent failure is logged again.
const TOLD_AGAIN: Duration = Duration::from_hours(1);
const CLEANUP: Duration = Duration::from_mins(1);

/// Starts every job. Each job returns at the end of a tick after `stop` is signalled; join the set to wait for them.
pub fn start(issuer: &Arc<Issuer>, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    let all = || (Arc::clone(issuer), stop.clone());
    let (issuer, stop) = all();
    jobs.spawn(every("keys", WATCH, stop, move || rotation::tick(Arc::clone(&issuer))));
    let (issuer, stop) = all();
    jobs.spawn(every("reopen store", OPENING, stop, move || reopen_store::tick(Arc::clone(&issuer))));
    let (issuer, stop) = all();
    jobs.spawn(every("settings", WATCH, stop, move || settings::tick(Arc::clone(&issuer))));
    let (issuer, stop) = all();
    jobs.spawn(every("outbox", OUTBOX, stop, move || outbox::run(Arc::clone(&issuer))));
    let (issuer, stop) = all();
    jobs.spawn(every("heartbeat", HEARTBEAT, stop, move || heartbeat::tick(Arc::clone(&issuer))));
    let (issuer, stop) = all();
    let stop_cleanup = stop.clone();
    jobs.spawn(every("cleanup", CLEANUP, stop, move || cleanup::tick(Arc::clone(&issuer), stop_cleanup.clone())));
    let (issuer, stop) = all();
    let minute = Arc::new(counts::CurrentMinute::new(issuer.clock.now()));
    jobs.spawn(every("counts", COUNTS, stop, move || counts::tick(Arc::clone(&issuer), Arc::clone(&minute))));
    jobs
}

/// Waits for the stop signal. Returns also if the sender is dropped.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() && stop.changed().await.is_ok() {}
}

async fn every<F, E>(name: &str, period: Duration, mut stop: watch::Receiver<bool>, mut tick: impl FnMut() -> F)
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut status = JobStatus::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => status.report(name, period, tick().await),
            () = stopped(&mut stop) => return,
        }
    }
}

/// The failure of a job that was last logged, and for how long it has persisted.
#[derive(Default)]
struct JobStatus {
    reported: Option<String>,
    lasting: Duration,
}

impl JobStatus {
    fn report<E: Display>(&mut self, job: &str, period: Duration, outcome: Result<(), E>) {
        match outcome.map_err(|error| error.to_string()) {
            Ok(()) => {
                if self.reported.take().is_some() {
                    tracing::info!(job, "job recovered");
                }
            }
            Err(error) if self.reported.as_ref() == Some(&error) && self.lasting < TOLD_AGAIN => self.lasting += period,
            Err(error) => {
                tracing::error!(job, error, "job failed; retrying");
                (self.reported, self.lasting) = (Some(error), Duration::ZERO);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_failure_is_logged_when_it_changes_persists_or_ends() {
        let mut status = JobStatus::default();
        let mut reported = Vec::new();
        let half_hour = TOLD_AGAIN / 2;
        for outcome in [Err("full"), Err("full"), Err("full"), Err("full"), Err("gone"), Ok(())] {
            status.report("test", half_hour, outcome);
            reported.push((status.reported.clone(), status.lasting));
        }
        let status_of = |text: &str, lasting| (Some(text.to_owned()), lasting);
        let zero = Duration::ZERO;
        let expected = [
            status_of("full", zero),
            status_of("full", half_hour),
            status_of("full", TOLD_AGAIN),
            status_of("full", zero),
            status_of("gone", zero),
        ];
        assert_eq!(reported[..5], expected);
        assert_eq!(reported[5].0, None);
    }
}
