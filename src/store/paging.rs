//! Pages in descending order, merged from several ordered streams of rows, each read through an index in slices.
//! Conditions without an index are checked row by row. The number of rows that are examined for a page is limited, so a
//! page may have fewer rows than its limit although more rows follow. It then still contains the position of the next
//! page.

use super::error::StoreError;

/// The minimum number of rows in a slice, because the limit of a page may be small and matching rows may be rare.
const MIN_SLICE: u32 = 100;
/// The maximum number of slices per stream for one page. The slice size doubles [`MAX_DOUBLINGS`] times. For a small
/// limit, the slices contain at most 7900 rows of each stream.
const MAX_ROUNDS: u32 = 8;
const MAX_DOUBLINGS: u32 = 4;

/// The rows of a page in order, each with its key.
#[derive(Debug)]
pub(in crate::store) struct PageRows<K, T> {
    pub rows: Vec<(K, T)>,
    /// The key after which the next page starts; `None` if there are no more rows.
    pub next: Option<K>,
}

/// Reads rows after `start` until more than `limit` rows match `keep`, the streams end, or the maximum number of rows
/// was examined. Returns at most `limit` rows.
///
/// `slices` returns, for each stream, the given number of rows after a key, in order.
pub(in crate::store) fn collect_page<K: Ord + Clone, T>(
    limit: u32,
    mut start: Option<K>,
    slices: impl Fn(Option<&K>, u32) -> Result<Vec<Vec<(K, T)>>, StoreError>,
    keep: impl Fn(&K, &T) -> bool,
) -> Result<PageRows<K, T>, StoreError> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for round in 0..MAX_ROUNDS {
        let slice = limit.saturating_add(1).max(MIN_SLICE << round.min(MAX_DOUBLINGS));
        let streams = slices(start.as_ref(), slice)?;
        // A stream with a full slice may have more rows. Rows after the first end of a full slice are not used yet,
        // because those further rows may precede them.
        let ends = streams.iter().filter(|rows| rows.len() >= slice as usize).filter_map(|rows| rows.last());
        let complete_until = ends.map(|(key, _)| key).max().cloned();
        let is_usable = |key: &K| complete_until.as_ref().is_none_or(|end| key >= end);
        let mut rows: Vec<(K, T)> =
            streams.into_iter().flatten().filter(|(key, row)| is_usable(key) && keep(key, row)).collect();
        rows.sort_by(|one, other| other.0.cmp(&one.0));
        found.extend(rows);
        if found.len() > wanted {
            found.truncate(wanted);
            let next = found.last().map(|(key, _): &(K, T)| key.clone()).or(start);
            return Ok(PageRows { rows: found, next });
        }
        start = Some(match complete_until {
            Some(end) => end,
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
    fn pages(limit: u32, streams: &[Vec<u32>], rare: u32) -> Vec<u32> {
        let slices = |start: Option<&u32>, slice: u32| {
            let of = |stream: &Vec<u32>| {
                let mut rows = stream.clone();
                rows.sort_by(|one, other| other.cmp(one));
                rows.retain(|key| start.is_none_or(|start| key < start));
                rows.into_iter().take(slice as usize).map(|key| (key, ())).collect()
            };
            Ok(streams.iter().map(of).collect())
        };
        let mut all = Vec::new();
        let mut start = None;
        loop {
            let page = collect_page(limit, start, slices, |key, ()| key % rare == 0).expect("no errors");
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
        ) {
            let mut seen = std::collections::BTreeSet::new();
            let own = |stream: &std::collections::BTreeSet<u32>| stream.iter().copied().collect::<Vec<_>>();
            let mut streams: Vec<Vec<u32>> = streams.iter().map(own).collect();
            for stream in &mut streams {
                stream.retain(|key| seen.insert(*key));
            }
            let mut expected: Vec<u32> = streams.concat().into_iter().filter(|key| key % rare == 0).collect();
            expected.sort_by(|one, other| other.cmp(one));
            prop_assert_eq!(pages(limit, &streams, rare), expected);
        }
    }

    #[test]
    fn a_page_ends_when_nothing_matches() {
        let slices = |start: Option<&u64>, slice: u32| {
            let first = start.copied().unwrap_or(1_000_000);
            Ok(vec![(first - u64::from(slice)..first).rev().map(|key| (key, ())).collect()])
        };
        let page = collect_page(10, None, slices, |_, ()| false).expect("no errors");
        assert!(page.rows.is_empty() && page.next.is_some_and(|next| next > 980_000), "{:?}", page.next);
    }
}
