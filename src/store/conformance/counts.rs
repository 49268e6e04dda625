//! Counts are added per hour, and old counts are removed.

use super::retrying_store::RetryingStore;
use super::{at, read, write};
use crate::domain::algorithm::Algorithm;
use crate::domain::count::{Count, HourCount};
use crate::domain::dialect::Dialect;

const ISSUED: Count = Count::Issued(Dialect::RestJwt, Algorithm::Rs256);

async fn counts(store: &RetryingStore, from: i64) -> Vec<(i64, Count, u64)> {
    let found = read(store, move |tx| tx.counts(at(from))).await;
    found.into_iter().map(|HourCount { hour, count, n }| (hour.unix(), count, n)).collect()
}

pub(crate) async fn counts_are_added_per_hour(store: &RetryingStore) {
    for (when, counted) in [
        (7199, vec![(Count::SignedIn, 1)]),
        (3600, vec![(Count::SignedIn, 2), (ISSUED, 5)]),
        (7200, vec![(Count::SignedIn, 4)]),
    ] {
        write(store, move |tx| tx.add_counts(at(when), &counted)).await;
    }
    let all = [(3600, Count::SignedIn, 3), (3600, ISSUED, 5), (7200, Count::SignedIn, 4)];
    assert_eq!(counts(store, 3600).await, all);
    assert_eq!(counts(store, 3601).await, all[2..]);
}

pub(crate) async fn old_counts_are_removed(store: &RetryingStore) {
    let hours = [3600, 7200, 10_800, 14_400];
    write(store, move |tx| hours.iter().try_for_each(|hour| tx.add_counts(at(*hour), &[(Count::Fault, 1)]))).await;
    let cleanup = move |limit| write(store, move |tx| tx.cleanup_counts(at(14_400), limit));
    assert_eq!((cleanup(2).await, cleanup(9).await, cleanup(9).await), (2, 1, 0));
    assert_eq!(counts(store, 0).await, [(14_400, Count::Fault, 1)]);
}
