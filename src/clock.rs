//! The clock that is handed in. The only place that asks the system what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// Tells dates (wall clock) and durations (a clock that never steps back).
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clocks; durations count from the value's making.
    System(Instant),
    /// A clock in a test's hand, in Unix seconds: it moves only when told.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn system() -> Self {
        Self::System(Instant::now())
    }

    /// A clock that stands at `at` until [`Clock::advance`] moves it. Clones share the hand.
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.unix())))
    }

    /// The date. It may step when the machine's clock is set.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        let seconds = match self {
            Self::System(_) => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
            },
            Self::Manual(hand) => hand.load(Ordering::SeqCst),
        };
        Timestamp::from_unix(seconds)
    }

    /// Time since some fixed moment; never steps back. Only differences mean anything.
    pub fn monotonic(&self) -> Duration {
        match self {
            Self::System(start) => start.elapsed(),
            Self::Manual(hand) => Duration::from_secs(hand.load(Ordering::SeqCst).max(0).unsigned_abs()),
        }
    }

    /// Moves a manual clock forward.
    ///
    /// # Panics
    /// On the system's clock, which nobody can move.
    pub fn advance(&self, span: Duration) {
        let Self::Manual(hand) = self else { panic!("only a manual clock can be moved") };
        hand.fetch_add(i64::try_from(span.as_secs()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}
