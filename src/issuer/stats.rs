//! The event counts, and the readiness for `/ready`.

use super::context::Issuer;
use super::refusal::Refusal;
use crate::domain::count::{HourCount, Window, hour_of};

/// Returns the counts per hour in a time window: the stored counts of all servers, and this server's unwritten counts.
/// Each chart makes a [`Series`](crate::domain::count::Series) from them.
pub async fn counts(issuer: &Issuer, window: Window) -> Result<Vec<HourCount>, Refusal> {
    let now = issuer.clock.now();
    let mut hours: Vec<HourCount> = issuer.store.read(move |tx| Ok::<_, Refusal>(tx.counts(window.from(now))?)).await?;
    // The pending counts are read last. Counts that are written to the store between the two reads are missing from
    // this result, which is better than counting them twice.
    hours.extend(issuer.counters.pending().into_iter().map(|(count, n)| HourCount { hour: hour_of(now), count, n }));
    Ok(hours)
}

/// Checks whether the issuer can serve: the store must answer, and there must be an active key for the algorithm of
/// every profile.
///
/// # Errors
/// The reason for `/ready`.
pub async fn readiness(issuer: &Issuer) -> Result<(), &'static str> {
    let ring = issuer.ring();
    let now = issuer.clock.now();
    let settings = issuer.current_settings.load();
    if !settings.token_specs().iter().all(|spec| ring.signing_key(spec.algorithm, now).is_some()) {
        return Err("no active key");
    }
    let answered: Result<(), Refusal> = issuer.store.read(|tx| Ok(tx.oldest_waiting_mail().map(drop)?)).await;
    answered.map_err(|refusal| {
        log_unavailable(refusal);
        "the database does not answer"
    })
}

/// Logs why the store is unavailable, because the caller reports only that it is.
fn log_unavailable(refusal: Refusal) {
    if let Refusal::Busy(busy) = refusal {
        busy.log();
    }
}

/// What the metrics report about the store.
#[derive(Clone, Copy, Debug)]
pub struct StoreMetrics {
    /// The size of the database in bytes, without the WAL, and the number of waiting e-mails. `None` if the database
    /// does not respond.
    pub sizes: Option<(u64, u64)>,
    /// The number of reads and writes of this process that failed because the store was unavailable.
    pub unavailable: u64,
}

/// Returns what the metrics report about the store.
pub async fn store_metrics(issuer: &Issuer) -> StoreMetrics {
    let sizes = issuer.store.read(|tx| Ok::<_, Refusal>((tx.store_size()?.bytes, tx.mails_waiting()?))).await;
    StoreMetrics { sizes: sizes.map_err(log_unavailable).ok(), unavailable: issuer.store.unavailable_count() }
}
