//! What happens by itself: each job is a tick that does what is due and returns; the loop that calls it is here.
//!
//! A tick that fails says so in the log and is tried again at its next turn.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::issuer::Issuer;
use crate::store::RunId;

pub mod heartbeat;
pub mod outbox;
pub mod rotation;
pub mod settings;
pub mod sweep;

/// How soon a change made by another process is taken up: the contract says within 2 s.
const WATCH: Duration = Duration::from_millis(500);
const OUTBOX: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(4);
const SWEEP: Duration = Duration::from_mins(1);

/// Starts every job. They end, each at the end of a tick, once `stop` says so; wait for them by joining the set.
pub fn start(issuer: &Arc<Issuer>, run: RunId, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    let all = || (Arc::clone(issuer), stop.clone());
    let (issuer, stop) = all();
    jobs.spawn(every(WATCH, stop, move || rotation::tick(Arc::clone(&issuer))));
    let (issuer, stop) = all();
    jobs.spawn(every(WATCH, stop, move || settings::tick(Arc::clone(&issuer))));
    let (issuer, stop) = all();
    jobs.spawn(every(OUTBOX, stop, move || outbox::turn(Arc::clone(&issuer))));
    let (issuer, stop) = all();
    jobs.spawn(every(HEARTBEAT, stop, move || heartbeat::tick(Arc::clone(&issuer), run)));
    let (issuer, stop) = all();
    jobs.spawn(every(SWEEP, stop, move || sweep::tick(Arc::clone(&issuer))));
    jobs
}

/// Waits for the word to stop; when nobody is left to say it, that is one too.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() && stop.changed().await.is_ok() {}
}

async fn every<F: Future<Output = ()>>(period: Duration, mut stop: watch::Receiver<bool>, mut tick: impl FnMut() -> F) {
    let mut turns = tokio::time::interval(period);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = turns.tick() => tick().await,
            () = stopped(&mut stop) => return,
        }
    }
}
