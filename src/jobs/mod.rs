//! Periodic jobs. Each job is a function that does the work that is due and returns.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::issuer::Issuer;

pub mod cleanup;
pub mod counts;
pub mod failed_sign_ins;
pub mod heartbeat;
pub mod outbox;
pub mod periodic;
pub mod reopen_store;
pub mod rotation;
pub mod settings;

use periodic::{JobPeriods, run_periodically};

/// How often the jobs check for changes by other processes. The README promises that a change is applied within 2 s.
const RELOAD_PERIOD: Duration = Duration::from_millis(500);
/// The keys job also logs a failure every minute, because a revoked key may still sign while the ring is unreadable.
const KEYS_PERIODS: JobPeriods = JobPeriods { run: RELOAD_PERIOD, repeat_log: Duration::from_mins(1) };
/// How often the server tries to open a database that could not be opened at the start.
const REOPEN_PERIOD: Duration = Duration::from_secs(2);
const OUTBOX_PERIOD: Duration = Duration::from_secs(1);
/// How often the job checks whether a new minute has begun.
const COUNTS_PERIOD: Duration = Duration::from_secs(1);
/// The minimum time between two writes of failed sign-ins. The job waits for them by itself.
const FAILED_SIGN_INS_PERIOD: Duration = Duration::from_millis(10);
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(4);
const CLEANUP_PERIOD: Duration = Duration::from_mins(1);

/// Starts every job. After `stop` is signalled, each job returns when its current tick ends; join the set to
/// wait for all jobs.
pub fn start(issuer: &Arc<Issuer>, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    let handles = || (Arc::clone(issuer), stop.clone());
    let (issuer, stop) = handles();
    jobs.spawn(run_periodically("keys", KEYS_PERIODS, stop, move || rotation::tick(Arc::clone(&issuer))));
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
    let stop_failed = stop.clone();
    jobs.spawn(run_periodically("failed sign-ins", FAILED_SIGN_INS_PERIOD, stop, move || {
        failed_sign_ins::tick(Arc::clone(&issuer), stop_failed.clone())
    }));
    let (issuer, stop) = handles();
    let minute = Arc::new(counts::CurrentMinute::new(issuer.clock.now()));
    jobs.spawn(run_periodically("counts", COUNTS_PERIOD, stop, move || {
        counts::tick(Arc::clone(&issuer), Arc::clone(&minute))
    }));
    jobs
}
