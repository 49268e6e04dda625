//! Writes the counters to the database, every minute and at shutdown. The counts of several servers add up.
//!
//! If the process is killed (`kill -9`), the counts of up to one minute are lost. No count is written twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::domain::time::Timestamp;
use crate::issuer::Issuer;
use crate::store::StoreError;

/// The current minute. It is checked every second, so that each event is counted in the hour in which it happened.
#[derive(Debug)]
pub struct CurrentMinute(AtomicI64);

impl CurrentMinute {
    const LENGTH: i64 = 60;

    /// Returns the minute of `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.unix().div_euclid(Self::LENGTH)))
    }

    /// If another minute has begun since the last call, returns the start of the minute of that call.
    fn ended_minute(&self, now: Timestamp) -> Option<Timestamp> {
        let current = now.unix().div_euclid(Self::LENGTH);
        let before = self.0.swap(current, Relaxed);
        (before != current).then(|| Timestamp::from_unix(before * Self::LENGTH))
    }
}

/// Writes the counts of the previous minute, if another one has begun.
pub async fn tick(issuer: Arc<Issuer>, minute: Arc<CurrentMinute>) -> Result<(), StoreError> {
    match minute.ended_minute(issuer.clock.now()) {
        Some(before) => write(&issuer, before).await,
        None => Ok(()),
    }
}

/// Writes the remaining counts. Call it at shutdown, after all requests and jobs have ended.
pub async fn flush(issuer: &Issuer) -> Result<(), StoreError> {
    write(issuer, issuer.clock.now()).await
}

async fn write(issuer: &Issuer, at: Timestamp) -> Result<(), StoreError> {
    let counts = Arc::new(issuer.counters.take());
    if counts.is_empty() {
        return Ok(());
    }
    let shared = Arc::clone(&counts);
    let written = issuer.store.write(move |tx| tx.add_counts(at, &shared)).await;
    if written.is_err() {
        issuer.counters.restore(&counts);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_ends_once_and_returns_its_time() {
        let at = Timestamp::from_unix;
        let minute = CurrentMinute::new(at(3590));
        assert_eq!(minute.ended_minute(at(3599)), None);
        assert_eq!(minute.ended_minute(at(3600)), Some(at(3540)));
        assert_eq!(minute.ended_minute(at(3601)), None);
        assert_eq!(minute.ended_minute(at(9999)), Some(at(3600)));
    }
}
