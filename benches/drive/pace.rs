//! When a request is due: immediately after the previous response, or at fixed times independent of the server.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The schedule of a round, shared by the clients of a group. It starts with the first call of [`Pace::next`].
pub struct Pace {
    rate: Option<f64>,
    span: Duration,
    start: OnceLock<Instant>,
    sent: AtomicU32,
}

impl Pace {
    pub fn new(rate: Option<f64>, span: Duration) -> Self {
        Self { rate, span, start: OnceLock::new(), sent: AtomicU32::new(0) }
    }

    /// Returns when the next request is due, which may be in the past. `None`: the round is over.
    pub fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let start = *self.start.get_or_init(|| now);
        let end = start + self.span;
        let due = match self.rate {
            None => now,
            Some(rate) => start + Duration::from_secs_f64(f64::from(self.sent.fetch_add(1, Ordering::Relaxed)) / rate),
        };
        (due < end && now < end).then_some(due)
    }
}
