//! The health of the store, cheap enough to be read at each view of the dashboard.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::domain::time::Timestamp;
use crate::issuer::{Issuer, Refusal};
use crate::store::FileSize;

/// How long row counts are reused. A count reads two whole indexes, which takes about 20 ms for a million rows.
const COUNTED_FOR: Duration = Duration::from_mins(5);
const NEVER: i64 = i64::MIN;

/// The last row counts and the last cleanup of this process.
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
    /// Records that a cleanup has finished.
    pub fn record_cleanup(&self, at: Timestamp) {
        self.cleaned_up_at.store(at.unix(), Ordering::Relaxed);
    }

    fn last_cleanup(&self) -> Option<Timestamp> {
        let at = self.cleaned_up_at.load(Ordering::Relaxed);
        (at != NEVER).then(|| Timestamp::from_unix(at))
    }
}

/// Row counts, and when they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCounts {
    /// The number of users, including disabled ones.
    pub users: u64,
    /// The number of sessions that were not ended, including expired ones that the cleanup has not removed yet. It
    /// removes them 24 to 48 h after their expiry.
    pub open_sessions: u64,
    /// When the rows were counted.
    pub at: Timestamp,
    monotonic: Duration,
}

/// The health of the store.
#[derive(Clone, Copy, Debug)]
pub struct StoreHealth {
    /// The size of the database file.
    pub size: FileSize,
    /// The number of waiting e-mails.
    pub mails_waiting: u64,
    /// When the oldest waiting e-mail was queued.
    pub oldest_waiting_mail: Option<Timestamp>,
    /// When this process last finished a cleanup; `None` before the first.
    pub last_cleanup: Option<Timestamp>,
    /// The counts of users and sessions, at most 5 min old.
    pub counted: RowCounts,
}

/// Reads the health of the store. Rows are counted by the first call, and again after 5 min; other calls are cheap.
pub async fn health(issuer: &Issuer) -> Result<StoreHealth, Refusal> {
    let at = issuer.clock.now();
    let monotonic = issuer.clock.monotonic();
    let fresh = |counted: &RowCounts| monotonic.saturating_sub(counted.monotonic) < COUNTED_FOR;
    let known = issuer.vitals.counted.load_full().map(|counted| *counted).filter(fresh);
    let last_cleanup = issuer.vitals.last_cleanup();
    let read = issuer.store.read(move |tx| {
        let counted = match known {
            Some(counted) => counted,
            None => RowCounts { users: tx.user_count()?, open_sessions: tx.open_session_count()?, at, monotonic },
        };
        let size = tx.file_size()?;
        let mails_waiting = tx.mails_waiting()?;
        let oldest_waiting_mail = tx.oldest_waiting_mail()?;
        Ok::<_, Refusal>(StoreHealth { size, mails_waiting, oldest_waiting_mail, last_cleanup, counted })
    });
    let health = read.await?;
    issuer.vitals.counted.store(Some(health.counted.into()));
    Ok(health)
}
