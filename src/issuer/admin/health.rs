//! The health of the store, cheap enough to be read at each view of the dashboard.

use std::time::Duration;

use super::maintenance::RowCounts;
use crate::domain::time::Timestamp;
use crate::issuer::context::Issuer;
use crate::issuer::refusal::Refusal;
use crate::store::StoreSize;

/// How long row counts are reused. A count reads two whole indexes, which takes about 20 ms for a million rows.
const COUNTED_FOR: Duration = Duration::from_mins(5);

/// The health of the store.
#[derive(Clone, Copy, Debug)]
pub struct StoreHealth {
    /// The size of the database.
    pub size: StoreSize,
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
        let size = tx.store_size()?;
        let mails_waiting = tx.mails_waiting()?;
        let oldest_waiting_mail = tx.oldest_waiting_mail()?;
        Ok::<_, Refusal>(StoreHealth { size, mails_waiting, oldest_waiting_mail, last_cleanup, counted })
    });
    let health = read.await?;
    issuer.vitals.counted.store(Some(health.counted.into()));
    Ok(health)
}
