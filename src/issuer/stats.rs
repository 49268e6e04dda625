//! The event counts, and the readiness for `/ready`.

use super::context::Issuer;
use super::refusal::Refusal;
use crate::domain::count::{HourCount, Window, hour_of};
use crate::store::StoreError;

/// Returns the counts per hour in a time window: the stored counts of all servers, and this server's unwritten counts.
/// Each chart makes a [`Series`](crate::domain::count::Series) from them.
pub async fn counts(issuer: &Issuer, window: Window) -> Result<Vec<HourCount>, StoreError> {
    let now = issuer.clock.now();
    let mut hours: Vec<HourCount> = issuer.store.read(move |tx| tx.counts(window.from(now))).await?;
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
    let runtime = issuer.runtime.load();
    if !runtime.token_specs().iter().all(|spec| ring.signing_key(spec.algorithm, now).is_some()) {
        return Err("no active key");
    }
    let answered: Result<(), Refusal> = issuer.store.read(|tx| Ok(tx.mails_waiting().map(drop)?)).await;
    answered.map_err(|_| "the database does not answer")
}
