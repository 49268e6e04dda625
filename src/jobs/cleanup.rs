//! Removes old e-mail files, and expired rows in batches that are small enough not to delay sign-ins.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::periodic::stopped;
use crate::issuer::Issuer;
use crate::store::StoreError;

/// Rows in the first batch of a run.
const FIRST_BATCH: u32 = 32;
/// The bounds of the number of rows in a batch. `MIN_BATCH` is small enough for the slowest disk, and `MAX_BATCH` is
/// large enough for the fastest.
const MIN_BATCH: u32 = 8;
const MAX_BATCH: u32 = 1024;
/// How long a batch may occupy the writer thread, including the commit. This is a quarter of the 20 ms that
/// `docs/performance.md` allows, because the disk may be slower during the next batch.
const MAX_BATCH_DURATION: Duration = Duration::from_millis(5);
/// The pause after a batch, as a multiple of its duration. During the pause other requests can write, and the disk
/// can write the changed pages, which are scattered over the file.
const PAUSE_FACTOR: u32 = 4;
/// The maximum number of batches in a run. It guarantees that a run ends.
const MAX_BATCHES: u32 = 500;
/// How long a session is kept after its expiry, even if it was ended earlier. Expiry is compared by day (UTC), so the
/// cleanup removes it up to 24 h later.
const SESSIONS_KEPT: Duration = Duration::from_hours(24);
const MAILS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Five days more than the longest period that a chart shows.
const COUNTS_KEPT: Duration = Duration::from_hours(35 * 24);
const AUDIT_KEPT: Duration = Duration::from_hours(366 * 24);

/// Deletes old e-mail files, and removes expired rows of all tables, one batch after another. Returns early when `stop` is signalled.
pub async fn tick(issuer: Arc<Issuer>, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
    issuer.mailer.delete_old_files(issuer.clock.now()).await;
    let mut rows = FIRST_BATCH;
    for _ in 0..MAX_BATCHES {
        let (removed, duration) = cleanup_batch(&issuer, rows).await?;
        if removed == 0 {
            break;
        }
        tracing::debug!(rows = removed, ?duration, "expired rows removed");
        rows = next_batch(rows, duration);
        if timeout(PAUSE_FACTOR * duration, stopped(&mut stop)).await.is_ok() {
            return Ok(());
        }
    }
    issuer.vitals.record_cleanup(issuer.clock.now());
    Ok(())
}

/// Returns the number of rows for the next batch: half as many after a slow batch, a quarter more after a fast one.
fn next_batch(rows: u32, duration: Duration) -> u32 {
    let wanted = if duration > MAX_BATCH_DURATION {
        rows / 2
    } else if duration < MAX_BATCH_DURATION / 2 {
        rows + rows / 4
    } else {
        rows
    };
    wanted.clamp(MIN_BATCH, MAX_BATCH)
}

/// Removes at most `rows` expired rows, of all tables together. Returns the number of removed rows, and how long other
/// writes waited: from the start of the batch on the writer thread to the end of the commit, which the batch may share
/// with other writes.
async fn cleanup_batch(issuer: &Issuer, rows: u32) -> Result<(u32, Duration), StoreError> {
    let now = issuer.clock.now();
    let clock = issuer.clock.clone();
    let removed = issuer.store.write(move |tx| {
        let began = clock.monotonic();
        let mut left = rows;
        left = remaining(left, tx.cleanup_sessions(now - SESSIONS_KEPT, left)?);
        left = remaining(left, tx.cleanup_admin_sessions(now, left)?);
        left = remaining(left, tx.cleanup_reset_codes(now, left)?);
        left = remaining(left, tx.cleanup_email_confirmations(now, left)?);
        left = remaining(left, tx.cleanup_kept_names(now, left)?);
        left = remaining(left, tx.cleanup_mails(now - MAILS_KEPT, left)?);
        left = remaining(left, tx.cleanup_audit(now - AUDIT_KEPT, left)?);
        left = remaining(left, tx.cleanup_counts(now - COUNTS_KEPT, left)?);
        Ok::<_, StoreError>((rows - left, began))
    });
    let (removed, began) = removed.await?;
    Ok((removed, issuer.clock.monotonic().saturating_sub(began)))
}

/// Returns how many rows the batch may still remove after `removed` rows of one table were removed.
fn remaining(left: u32, removed: usize) -> u32 {
    left.saturating_sub(u32::try_from(removed).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleanup_batches_shrink_at_once_and_grow_slowly() {
        let quick = MAX_BATCH_DURATION / 10;
        let slow = MAX_BATCH_DURATION * 2;
        let medium = MAX_BATCH_DURATION * 3 / 4;
        assert_eq!(next_batch(100, slow), 50);
        assert_eq!(next_batch(100, quick), 125);
        assert_eq!(next_batch(100, medium), 100);
        assert_eq!(next_batch(MIN_BATCH, slow), MIN_BATCH, "a batch is never smaller than the lower bound");
        assert_eq!(next_batch(MAX_BATCH, quick), MAX_BATCH);
        let grown = (0..100).fold(MIN_BATCH, |rows, _| next_batch(rows, quick));
        assert_eq!(grown, MAX_BATCH, "the smallest batch grows again");
    }
}
