//! How the issuer's store is, at a price that may be paid at every look at the dashboard.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::domain::time::Timestamp;
use crate::issuer::{Issuer, Refusal};
use crate::store::FileSize;

/// How long a count is shown before rows are counted again: that reads all of two indexes, some 20 ms for a million.
const COUNTED_FOR: Duration = Duration::from_mins(5);
const NEVER: i64 = i64::MIN;

/// What was last counted and swept, by this process.
#[derive(Debug)]
pub struct MaintenanceState {
    counted: ArcSwapOption<RowCounts>,
    cleaned_up_at: AtomicI64,
}

impl Default for MaintenanceState {
    fn default() -> Self {
        Self { counted: ArcSwapOption::empty(), cleaned_up_at: AtomicI64::new(NEVER) }
    }
}

impl MaintenanceState {
    /// A sweep came to its end.
    pub fn record_cleanup(&self, at: Timestamp) {
        self.cleaned_up_at.store(at.unix(), Ordering::Relaxed);
    }

    fn last_cleanup(&self) -> Option<Timestamp> {
        let at = self.cleaned_up_at.load(Ordering::Relaxed);
        (at != NEVER).then(|| Timestamp::from_unix(at))
    }
}

/// Counts of rows, and when they were true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCounts {
    /// Users, disabled ones among them.
    pub users: u64,
    /// Sessions that were not ended, those among them that ran out within a day or so.
    pub open_sessions: u64,
    /// When they were counted.
    pub at: Timestamp,
    monotonic: Duration,
}

/// How the store is.
#[derive(Clone, Copy, Debug)]
pub struct StoreHealth {
    /// The database's size.
    pub size: FileSize,
    /// Mails that wait.
    pub mails_waiting: u64,
    /// When the oldest of them was written.
    pub oldest_waiting_mail: Option<Timestamp>,
    /// When this process swept last; None before its first time.
    pub last_cleanup: Option<Timestamp>,
    /// Users and sessions, at most five minutes old.
    pub counted: RowCounts,
}

/// Asks the store how it is. The first look, and one in five minutes, counts rows; the others cost a few look-ups.
pub async fn health(issuer: &Issuer) -> Result<StoreHealth, Refusal> {
    let at = issuer.clock.now();
    let monotonic = issuer.clock.monotonic();
    let fresh = |counted: &RowCounts| monotonic.saturating_sub(counted.monotonic) < COUNTED_FOR;
    let known = issuer.vitals.counted.load_full().map(|counted| *counted).filter(fresh);
    let last_sweep = issuer.vitals.last_cleanup();
    let read = issuer.store.read(move |tx| {
        let counted = match known {
            Some(counted) => counted,
            None => RowCounts { users: tx.user_count()?, open_sessions: tx.open_session_count()?, at, monotonic },
        };
        let size = tx.file_size()?;
        let mails_waiting = tx.mails_waiting()?;
        let oldest_waiting_mail = tx.oldest_waiting_mail()?;
        Ok::<_, Refusal>(StoreHealth { size, mails_waiting, oldest_waiting_mail, last_cleanup: last_sweep, counted })
    });
    let health = read.await?;
    issuer.vitals.counted.store(Some(health.counted.into()));
    Ok(health)
}
