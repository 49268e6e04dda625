//! Pages merged from several ordered streams of rows, each read through an index. Conditions without an index are
//! checked row by row. The number of rows per slice and per page is limited, so a page may be short; it then says where
//! the next one starts.

use std::cmp::Ordering;

use crate::store::StoreError;

/// The minimum number of rows read from a stream at once, because a page's limit may be small and matching rows rare.
const SLICE: u32 = 100;
/// How often the streams are read for one page, with slices that double at first: 7900 rows of each stream if the limit
/// is small.
const ROUNDS: u32 = 8;
const DOUBLINGS: u32 = 4;

/// The direction of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageOrder {
    Ascending,
    Descending,
}

impl PageOrder {
    fn compare<K: Ord>(self, one: &K, other: &K) -> Ordering {
        match self {
            Self::Ascending => one.cmp(other),
            Self::Descending => other.cmp(one),
        }
    }
}

/// The rows of a page in order, each with its key.
#[derive(Debug)]
pub(super) struct PageRows<K, T> {
    pub rows: Vec<(K, T)>,
    /// The key after which the next page starts; `None` if there are no more rows.
    pub next: Option<K>,
}

/// Reads rows after `start` until `limit` rows match `keep`, or the maximum number of rows was examined.
///
/// `slices` returns, for each stream, the given number of rows after a key, in order.
pub(super) fn collect_page<K: Ord + Clone, T>(
    order: PageOrder,
    limit: u32,
    mut start: Option<K>,
    slices: impl Fn(Option<&K>, u32) -> Result<Vec<Vec<(K, T)>>, StoreError>,
    keep: impl Fn(&K, &T) -> bool,
) -> Result<PageRows<K, T>, StoreError> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for round in 0..ROUNDS {
        let slice = limit.saturating_add(1).max(SLICE << round.min(DOUBLINGS));
        let streams = slices(start.as_ref(), slice)?;
        // A stream that was cut off may have the next row, so rows beyond the first cut are not used yet.
        let cut = streams.iter().filter(|rows| rows.len() >= slice as usize).filter_map(|rows| rows.last());
        let reach = cut.map(|(key, _)| key).min_by(|one, other| order.compare(*one, *other)).cloned();
        let known = |key: &K| reach.as_ref().is_none_or(|reach| order.compare(key, reach).is_le());
        let mut rows: Vec<(K, T)> =
            streams.into_iter().flatten().filter(|(key, row)| known(key) && keep(key, row)).collect();
        rows.sort_by(|one, other| order.compare(&one.0, &other.0));
        found.extend(rows);
        if found.len() > wanted {
            found.truncate(wanted);
            let next = found.last().map(|(key, _): &(K, T)| key.clone()).or(start);
            return Ok(PageRows { rows: found, next });
        }
        start = Some(match reach {
            Some(reach) => reach,
            None => return Ok(PageRows { rows: found, next: None }),
        });
    }
    Ok(PageRows { rows: found, next: start })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    /// Returns the rows of all pages.
    fn pages(order: PageOrder, limit: u32, streams: &[Vec<u32>], rare: u32) -> Vec<u32> {
        let slices = |start: Option<&u32>, slice: u32| {
            let of = |stream: &Vec<u32>| {
                let mut rows = stream.clone();
                rows.sort_by(|one, other| order.compare(one, other));
                rows.retain(|key| start.is_none_or(|start| order.compare(key, start).is_gt()));
                rows.into_iter().take(slice as usize).map(|key| (key, ())).collect()
            };
            Ok(streams.iter().map(of).collect())
        };
        let mut all = Vec::new();
        let mut start = None;
        loop {
            let page = collect_page(order, limit, start, slices, |key, ()| key % rare == 0).expect("no errors");
            assert!(page.rows.len() <= limit as usize, "no page is longer than its limit");
            all.extend(page.rows.into_iter().map(|(key, ())| key));
            match page.next {
                Some(next) => start = Some(next),
                None => return all,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pages_contain_every_row_once_and_in_order(
            streams in vec(btree_set(0..100_000_u32, 0..700), 1..4),
            limit in 1..60_u32,
            rare in prop_oneof![Just(1_u32), 2..5_u32, Just(5000_u32)],
            forward in any::<bool>(),
        ) {
            let order = if forward { PageOrder::Ascending } else { PageOrder::Descending };
            let mut seen = std::collections::BTreeSet::new();
            let own = |stream: &std::collections::BTreeSet<u32>| stream.iter().copied().collect::<Vec<_>>();
            let mut streams: Vec<Vec<u32>> = streams.iter().map(own).collect();
            for stream in &mut streams {
                stream.retain(|key| seen.insert(*key));
            }
            let mut expected: Vec<u32> = streams.concat().into_iter().filter(|key| key % rare == 0).collect();
            expected.sort_by(|one, other| order.compare(one, other));
            prop_assert_eq!(pages(order, limit, &streams, rare), expected);
        }
    }

    #[test]
    fn a_page_ends_when_nothing_matches() {
        let slices = |start: Option<&u64>, slice: u32| {
            let first = start.map_or(0, |start| start + 1);
            Ok(vec![(first..first + u64::from(slice)).map(|key| (key, ())).collect()])
        };
        let page = collect_page(PageOrder::Ascending, 10, None, slices, |_, ()| false).expect("no errors");
        assert!(page.rows.is_empty() && page.next.is_some_and(|next| next < 20_000), "{:?}", page.next);
    }
}
