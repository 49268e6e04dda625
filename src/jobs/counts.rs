//! Tells the database what was counted: each minute of the running hour, and at the stop. Two servers add to each other.
//!
//! What is written may be lost with the process (a minute of it, at a `kill -9`), but is never told twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::domain::time::Timestamp;
use crate::issuer::Issuer;
use crate::store::StoreError;

/// Which minute is running. Looked at every second, so that what an hour counted is told as that hour's.
#[derive(Debug)]
pub struct CurrentMinute(AtomicI64);

impl CurrentMinute {
    const LENGTH: i64 = 60;

    /// The minute that is running.
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.unix().div_euclid(Self::LENGTH)))
    }

    /// When another minute has begun: a time in the one before.
    fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        let running = now.unix().div_euclid(Self::LENGTH);
        let before = self.0.swap(running, Relaxed);
        (before != running).then(|| Timestamp::from_unix(before * Self::LENGTH))
    }
}

/// Writes what the minute before counted, if another one has begun.
pub async fn tick(issuer: Arc<Issuer>, minute: Arc<CurrentMinute>) -> Result<(), StoreError> {
    match minute.ended(issuer.clock.now()) {
        Some(before) => write(&issuer, before).await,
        None => Ok(()),
    }
}

/// Writes what is still untold. To be called last.
pub async fn flush(issuer: &Issuer) -> Result<(), StoreError> {
    write(issuer, issuer.clock.now()).await
}

async fn write(issuer: &Issuer, at: Timestamp) -> Result<(), StoreError> {
    let taken = Arc::new(issuer.counters.take());
    if taken.is_empty() {
        return Ok(());
    }
    let counted = Arc::clone(&taken);
    let written = issuer.store.write(move |tx| tx.add_counts(at, &counted)).await;
    if written.is_err() {
        issuer.counters.restore(&taken);
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
        assert_eq!(minute.ended(at(3599)), None);
        assert_eq!(minute.ended(at(3600)), Some(at(3540)));
        assert_eq!(minute.ended(at(3601)), None);
        assert_eq!(minute.ended(at(9999)), Some(at(3600)));
    }
}
