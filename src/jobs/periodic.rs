//! Calls a job in a loop until the server stops.
//!
//! A failed job is retried after its period. The loop logs a failure once, again when the error changes, and while it
//! persists about every hour, or as often as the job demands. It also logs the recovery.

use std::fmt::Display;
use std::time::Duration;

use tokio::sync::watch;

/// After how long a persistent failure is logged again, unless a job demands another period.
pub(super) const REPEAT_LOG_AFTER: Duration = Duration::from_hours(1);

/// When a job runs and when its failure is logged.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobPeriods {
    /// The time between two runs.
    pub(super) run: Duration,
    /// After how long a persistent failure is logged again.
    pub(super) repeat_log: Duration,
}

impl From<Duration> for JobPeriods {
    fn from(run: Duration) -> Self {
        Self { run, repeat_log: REPEAT_LOG_AFTER }
    }
}

/// Waits for the stop signal. Also returns if the sender is dropped.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() && stop.changed().await.is_ok() {}
}

/// Calls `tick` every `periods.run`, and first immediately. Returns after the stop signal, when the current tick has ended.
pub(super) async fn run_periodically<F, E>(
    name: &str,
    periods: impl Into<JobPeriods>,
    mut stop: watch::Receiver<bool>,
    mut tick: impl FnMut() -> F,
) where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let periods = periods.into();
    let mut ticks = tokio::time::interval(periods.run);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut status = JobStatus::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => status.report(name, periods, tick().await),
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
    fn report<E: Display>(&mut self, job: &str, periods: JobPeriods, outcome: Result<(), E>) {
        match outcome.map_err(|error| error.to_string()) {
            Ok(()) => {
                if self.reported.take().is_some() {
                    tracing::info!(job, "job recovered");
                }
            }
            Err(error) if self.reported.as_ref() == Some(&error) && self.persisted < periods.repeat_log => {
                self.persisted += periods.run;
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
            status.report("test", half_hour.into(), outcome);
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

    #[test]
    fn a_job_may_log_a_persistent_failure_more_often() {
        let periods = JobPeriods { run: Duration::from_secs(20), repeat_log: Duration::from_mins(1) };
        let mut status = JobStatus::default();
        let logged = (0..8).map(|_| {
            status.report("test", periods, Err("unreadable"));
            status.persisted.is_zero()
        });
        assert_eq!(logged.collect::<Vec<_>>(), [true, false, false, false, true, false, false, false]);
    }
}
