//! Removes expired rows, in batches so small that they do not delay sign-ins.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::stopped;
use crate::issuer::Issuer;
use crate::store::StoreError;

/// Rows in the first batch of a run.
const FIRST: u32 = 32;
/// Bounds of the rows in a batch. `FEWEST` is small enough for the slowest disk, `MOST` is large enough for any disk.
const FEWEST: u32 = 8;
const MOST: u32 = 1024;
/// How long a batch may occupy the writer thread, including the commit. This is a quarter of the promised 20 ms,
/// because the disk may be slower during the next batch.
const HOLD: Duration = Duration::from_millis(5);
/// The pause after a batch, as a multiple of its duration. In the pause other requests write, and the disk writes the
/// changed pages to their scattered places in the file.
const REST: u32 = 4;
/// The greatest number of batches in a run, so that a run ends.
const SLICES: u32 = 500;
/// How long an ended session is kept, so that reuse of a spent refresh token is still recognised.
const SESSIONS_KEPT: Duration = Duration::from_hours(24);
const MAILS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Five days more than the longest series that is shown.
const COUNTS_KEPT: Duration = Duration::from_hours(35 * 24);
const AUDIT_KEPT: Duration = Duration::from_hours(366 * 24);

/// Removes expired rows of all tables, one batch after another. Returns early when `stop` is signalled.
pub async fn tick(issuer: Arc<Issuer>, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
    let mut rows = FIRST;
    for _ in 0..SLICES {
        let (removed, hold) = cleanup_batch(&issuer, rows).await?;
        if removed == 0 {
            break;
        }
        tracing::debug!(rows = removed, ?hold, "expired rows removed");
        rows = next(rows, hold);
        if timeout(REST * hold, stopped(&mut stop)).await.is_ok() {
            return Ok(());
        }
    }
    issuer.vitals.record_cleanup(issuer.clock.now());
    Ok(())
}

/// Returns the number of rows for the next batch: half as many after a slow batch, a quarter more after a fast one.
fn next(rows: u32, hold: Duration) -> u32 {
    let wanted = if hold > HOLD {
        rows / 2
    } else if hold < HOLD / 2 {
        rows + rows / 4
    } else {
        rows
    };
    wanted.clamp(FEWEST, MOST)
}

/// Removes at most `rows` expired rows, of all tables together. Returns the number of removed rows, and how long other
/// writes waited. This time runs from the begin on the writer thread to the end of the commit, which the batch may
/// share with other writes.
async fn cleanup_batch(issuer: &Issuer, rows: u32) -> Result<(u32, Duration), StoreError> {
    let now = issuer.clock.now();
    let (sender, receiver) = oneshot::channel();
    let clock = issuer.clock.clone();
    let removed = issuer.store.write(move |tx| {
        // The receiver is dropped if the server is being stopped.
        let _ = sender.send(clock.monotonic());
        let mut left = rows;
        left = remaining(left, tx.cleanup_sessions(now - SESSIONS_KEPT, left)?);
        left = remaining(left, tx.cleanup_admin_sessions(now, left)?);
        left = remaining(left, tx.cleanup_reset_codes(now, left)?);
        left = remaining(left, tx.cleanup_mails(now - MAILS_KEPT, left)?);
        left = remaining(left, tx.cleanup_audit(now - AUDIT_KEPT, left)?);
        left = remaining(left, tx.cleanup_counts(now - COUNTS_KEPT, left)?);
        Ok::<u32, StoreError>(rows - left)
    });
    let removed = removed.await?;
    let end = issuer.clock.monotonic();
    Ok((removed, receiver.await.map_or(Duration::ZERO, |began| end.saturating_sub(began))))
}

/// Returns how many rows the batch may still remove after one table lost `done` rows.
fn remaining(left: u32, done: usize) -> u32 {
    left.saturating_sub(u32::try_from(done).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleanup_batches_shrink_at_once_and_grow_slowly() {
        let quick = HOLD / 10;
        let slow = HOLD * 2;
        let fair = HOLD * 3 / 4;
        assert_eq!(next(100, slow), 50);
        assert_eq!(next(100, quick), 125);
        assert_eq!(next(100, fair), 100);
        assert_eq!(next(FEWEST, slow), FEWEST, "a batch is never smaller than the lower bound");
        assert_eq!(next(MOST, quick), MOST);
        let grown = (0..100).fold(FEWEST, |rows, _| next(rows, quick));
        assert_eq!(grown, MOST, "the smallest batch grows again");
    }
}
