//! The clock, passed in as a value. Only this module reads the system's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// Reads dates from the wall clock, and durations from a monotonic clock.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clocks. Durations are measured from the creation of this value.
    System(Instant),
    /// A clock for tests, in Unix seconds. It moves only through [`Clock::advance`].
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Creates a clock that reads the system's time.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn system() -> Self {
        Self::System(Instant::now())
    }

    /// Creates a clock that stays at `at` until [`Clock::advance`] moves it. Clones share the time.
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.unix())))
    }

    /// Returns the date and time of the wall clock, in whole seconds. It may jump when the system's clock is adjusted.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        let seconds = match self {
            Self::System(_) => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
            },
            Self::Manual(seconds) => seconds.load(Ordering::SeqCst),
        };
        Timestamp::from_unix(seconds)
    }

    /// Returns the time since a fixed but unspecified moment. It never decreases; only differences are meaningful.
    pub fn monotonic(&self) -> Duration {
        match self {
            Self::System(start) => start.elapsed(),
            Self::Manual(seconds) => Duration::from_secs(seconds.load(Ordering::SeqCst).max(0).unsigned_abs()),
        }
    }

    /// Moves a manual clock forward by `span`, rounded down to whole seconds.
    ///
    /// # Panics
    /// If this is the system's clock, which cannot be moved.
    pub fn advance(&self, span: Duration) {
        let Self::Manual(seconds) = self else { panic!("only a manual clock can be moved") };
        seconds.fetch_add(i64::try_from(span.as_secs()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}
