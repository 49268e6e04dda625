//! Writes failed sign-ins to the audit log, as soon as there are any.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::periodic::stopped;
use crate::domain::audit::AuditEntry;
use crate::domain::count::Count;
use crate::issuer::Issuer;
use crate::store::StoreError;

/// How often lines are searched that become due without a new failure.
const DUE_PERIOD: Duration = Duration::from_secs(1);

/// Waits for a failure, at most 1 s, and writes the lines that are due. After a failure also writes the counters, so that
/// each failure leads to one commit, whether or not a line about it is due: other requests, which share the disk, do not
/// show the difference either.
pub async fn tick(issuer: Arc<Issuer>, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
    let has_failed = tokio::select! {
        () = issuer.failed_sign_ins.added() => true,
        () = tokio::time::sleep(DUE_PERIOD) => false,
        () = stopped(&mut stop) => false,
    };
    let counts = if has_failed { issuer.counters.take() } else { Vec::new() };
    let lines = issuer.failed_sign_ins.take_due(issuer.clock.now());
    write(&issuer, lines, counts).await
}

/// Writes all remaining lines. Call it at shutdown, after all requests and jobs have ended.
pub async fn flush(issuer: &Issuer) -> Result<(), StoreError> {
    let lines = issuer.failed_sign_ins.take_all(issuer.clock.now());
    write(issuer, lines, Vec::new()).await
}

/// Writes lines and counts in one transaction. If that fails, both are kept for the next time.
async fn write(issuer: &Issuer, lines: Vec<AuditEntry>, counts: Vec<(Count, u64)>) -> Result<(), StoreError> {
    if lines.is_empty() && counts.is_empty() {
        return Ok(());
    }
    let now = issuer.clock.now();
    let to_write = Arc::new((lines, counts));
    let shared = Arc::clone(&to_write);
    let written = issuer.store.write(move |tx| {
        shared.0.iter().try_for_each(|line| tx.record(line))?;
        tx.add_counts(now, &shared.1)
    });
    let written: Result<(), StoreError> = written.await;
    if written.is_err() {
        issuer.failed_sign_ins.restore(to_write.0.clone());
        issuer.counters.restore(&to_write.1);
    }
    written
}
