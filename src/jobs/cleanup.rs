//! Forgets what has run out, in slices so small that no sign-in waits behind one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::stopped;
use crate::issuer::Issuer;
use crate::store::StoreError;

/// Rows of a turn's first slice.
const FIRST: u32 = 32;
/// Rows per slice: what no disk is too slow for, and what is enough on any.
const FEWEST: u32 = 8;
const MOST: u32 = 1024;
/// How long a slice may hold the one thread that writes, its commit included. A quarter of what is promised (20 ms): the
/// next slice may find a slower disk.
const HOLD: Duration = Duration::from_millis(5);
/// How many times as long as a slice it rests after it: for those who write, and for the disk, which has to bring what a slice
/// changed to as many places in the file.
const REST: u32 = 4;
/// Slices per turn, so that a turn ends.
const SLICES: u32 = 500;
/// How long an ended session is remembered, so that a spent refresh token is still known to be one.
const SESSIONS_KEPT: Duration = Duration::from_hours(24);
const MAILS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Five days more than the longest series that is told.
const COUNTS_KEPT: Duration = Duration::from_hours(35 * 24);
const AUDIT_KEPT: Duration = Duration::from_hours(366 * 24);

/// One turn over everything that runs out; it ends early when it is to `stop`.
pub async fn tick(issuer: Arc<Issuer>, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
    let mut rows = FIRST;
    for _ in 0..SLICES {
        let (forgotten, hold) = cleanup_batch(&issuer, rows).await?;
        if forgotten == 0 {
            break;
        }
        tracing::debug!(forgotten, ?hold, "swept");
        rows = next(rows, hold);
        if timeout(REST * hold, stopped(&mut stop)).await.is_ok() {
            return Ok(());
        }
    }
    issuer.vitals.record_cleanup(issuer.clock.now());
    Ok(())
}

/// How many rows the next slice has: fewer as soon as one held the writer too long, slowly more while none does.
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

/// Forgets so many rows at most, of all tables together. How many it were, and how long other writes waited for it: from
/// its begin on the thread that writes to the end of the commit, which it may share with others.
async fn cleanup_batch(issuer: &Issuer, rows: u32) -> Result<(u32, Duration), StoreError> {
    let now = issuer.clock.now();
    let (sender, receiver) = oneshot::channel();
    let clock = issuer.clock.clone();
    let forgotten = issuer.store.write(move |tx| {
        // Nobody listens any more where the server is being stopped.
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
    let forgotten = forgotten.await?;
    let end = issuer.clock.monotonic();
    Ok((forgotten, receiver.await.map_or(Duration::ZERO, |begun| end.saturating_sub(begun))))
}

/// What may still be forgotten once a table has given up so many.
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
        assert_eq!(next(FEWEST, slow), FEWEST, "a disk that slow is not helped by sweeping nothing");
        assert_eq!(next(MOST, quick), MOST);
        let grown = (0..100).fold(FEWEST, |rows, _| next(rows, quick));
        assert_eq!(grown, MOST, "even the smallest grows again");
    }
}
