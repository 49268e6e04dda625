//! Periodic jobs. Each job is a function that does the work that is due and returns; this module calls it in a loop.
//!
//! A failed job is retried after its period. The loop logs a failure once, again when the error changes, and about
//! every hour while it persists. It also logs the recovery.

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

/// How often the jobs check for changes by other processes. The README promises that a change is applied within 2 s.
const RELOAD_PERIOD: Duration = Duration::from_millis(500);
/// How often the server tries to open a database that could not be opened at the start.
const REOPEN_PERIOD: Duration = Duration::from_secs(2);
const OUTBOX_PERIOD: Duration = Duration::from_secs(1);
/// How often the job checks whether a new minute has begun.
const COUNTS_PERIOD: Duration = Duration::from_secs(1);
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(4);
/// After how long a persistent failure is logged again.
const REPEAT_LOG_AFTER: Duration = Duration::from_hours(1);
const CLEANUP_PERIOD: Duration = Duration::from_mins(1);

/// Starts every job. After `stop` is signalled, each job returns when its current tick ends; join the set to
/// wait for all jobs.
pub fn start(issuer: &Arc<Issuer>, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    let handles = || (Arc::clone(issuer), stop.clone());
    let (issuer, stop) = handles();
    jobs.spawn(run_periodically("keys", RELOAD_PERIOD, stop, move || rotation::tick(Arc::clone(&issuer))));
    let (issuer, stop) = handles();
    jobs.spawn(run_periodically("reopen store", REOPEN_PERIOD, stop, move || reopen_store::tick(Arc::clone(&issuer))));
    let (issuer, stop) = handles();
    jobs.spawn(run_periodically("settings", RELOAD_PERIOD, stop, move || settings::tick(Arc::clone(&issuer))));
    let (issuer, stop) = handles();
    jobs.spawn(run_periodically("outbox", OUTBOX_PERIOD, stop, move || outbox::run(Arc::clone(&issuer))));
    let (issuer, stop) = handles();
    jobs.spawn(run_periodically("heartbeat", HEARTBEAT_PERIOD, stop, move || heartbeat::tick(Arc::clone(&issuer))));
    let (issuer, stop) = handles();
    let stop_cleanup = stop.clone();
    jobs.spawn(run_periodically("cleanup", CLEANUP_PERIOD, stop, move || {
        cleanup::tick(Arc::clone(&issuer), stop_cleanup.clone())
    }));
    let (issuer, stop) = handles();
    let minute = Arc::new(counts::CurrentMinute::new(issuer.clock.now()));
    jobs.spawn(run_periodically("counts", COUNTS_PERIOD, stop, move || {
        counts::tick(Arc::clone(&issuer), Arc::clone(&minute))
    }));
    jobs
}

/// Waits for the stop signal. Also returns if the sender is dropped.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() && stop.changed().await.is_ok() {}
}

async fn run_periodically<F, E>(
    name: &str,
    period: Duration,
    mut stop: watch::Receiver<bool>,
    mut tick: impl FnMut() -> F,
) where
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

/// The last logged failure of a job, and how long it has persisted since it was logged.
#[derive(Default)]
struct JobStatus {
    reported: Option<String>,
    persisted: Duration,
}

impl JobStatus {
    fn report<E: Display>(&mut self, job: &str, period: Duration, outcome: Result<(), E>) {
        match outcome.map_err(|error| error.to_string()) {
            Ok(()) => {
                if self.reported.take().is_some() {
                    tracing::info!(job, "job recovered");
                }
            }
            Err(error) if self.reported.as_ref() == Some(&error) && self.persisted < REPEAT_LOG_AFTER => {
                self.persisted += period;
            }
            Err(error) => {
                tracing::error!(job, error, "job failed; retrying");
                (self.reported, self.persisted) = (Some(error), Duration::ZERO);
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
        let half_hour = REPEAT_LOG_AFTER / 2;
        for outcome in [Err("full"), Err("full"), Err("full"), Err("full"), Err("gone"), Ok(())] {
            status.report("test", half_hour, outcome);
            reported.push((status.reported.clone(), status.persisted));
        }
        let status_of = |text: &str, persisted| (Some(text.to_owned()), persisted);
        let zero = Duration::ZERO;
        let expected = [
            status_of("full", zero),
            status_of("full", half_hour),
            status_of("full", REPEAT_LOG_AFTER),
            status_of("full", zero),
            status_of("gone", zero),
        ];
        assert_eq!(reported[..5], expected);
        assert_eq!(reported[5].0, None);
    }
}
