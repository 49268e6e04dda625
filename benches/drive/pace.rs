//! When a request is due: as soon as the last was answered, or at fixed times whatever the server does.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The round's clock, shared by the clients of a group. It begins with the first that asks.
pub struct Pace {
    rate: Option<f64>,
    span: Duration,
    begun: OnceLock<Instant>,
    taken: AtomicU32,
}

impl Pace {
    pub fn new(rate: Option<f64>, span: Duration) -> Self {
        Self { rate, span, begun: OnceLock::new(), taken: AtomicU32::new(0) }
    }

    /// When the next request is due, which may be past; None once the round is over.
    pub fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let begun = *self.begun.get_or_init(|| now);
        let end = begun + self.span;
        let due = match self.rate {
            None => now,
            Some(rate) => begun + Duration::from_secs_f64(f64::from(self.taken.fetch_add(1, Ordering::Relaxed)) / rate),
        };
        (due < end && now < end).then_some(due)
    }
}
