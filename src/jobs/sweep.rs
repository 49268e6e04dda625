//! Forgets what has run out, in slices so small that no sign-in waits behind one.

use std::sync::Arc;
use std::time::Duration;

use crate::issuer::Issuer;
use crate::store::StoreError;

/// Rows per slice; between two slices other writes have their turn.
const SLICE: u32 = 200;
/// Slices per turn, so that a turn ends.
const SLICES: u32 = 500;
/// How long an ended session is remembered, so that a spent refresh token is still known to be one.
const SESSIONS_KEPT: Duration = Duration::from_hours(24);
const MAILS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Five days more than the longest series that is told.
const COUNTS_KEPT: Duration = Duration::from_hours(35 * 24);
const AUDIT_KEPT: Duration = Duration::from_hours(366 * 24);

/// One turn over everything that runs out.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    for _ in 0..SLICES {
        match slice(&issuer).await? {
            0 => break,
            forgotten => tracing::debug!(forgotten, "swept"),
        }
    }
    issuer.vitals.swept(issuer.clock.now());
    Ok(())
}

async fn slice(issuer: &Issuer) -> Result<usize, StoreError> {
    let now = issuer.clock.now();
    issuer
        .store
        .write(move |tx| {
            Ok(tx.sweep_refresh_hashes(now - SESSIONS_KEPT, SLICE)?
                + tx.sweep_sessions(now - SESSIONS_KEPT, SLICE)?
                + tx.sweep_admin_sessions(now, SLICE)?
                + tx.sweep_reset_codes(now, SLICE)?
                + tx.sweep_mails(now - MAILS_KEPT, SLICE)?
                + tx.sweep_audit(now - AUDIT_KEPT, SLICE)?
                + tx.sweep_counts(now - COUNTS_KEPT, SLICE)?)
        })
        .await
}
