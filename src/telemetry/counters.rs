//! Counters: events since the start, and the number not yet written to the database.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::domain::count::Count;

type CounterRow = [AtomicU64; Count::LENGTH];

/// The counts of one process. Counting is one relaxed addition: it locks nothing and allocates nothing.
#[derive(Debug)]
pub struct Counters {
    counted: CounterRow,
    reported: CounterRow,
}

impl Default for Counters {
    fn default() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self { counted: zeros(), reported: zeros() }
    }
}

impl Counters {
    /// Counts one event.
    pub fn add(&self, count: Count) {
        self.add_many(count, 1);
    }

    /// Counts `times` events.
    pub fn add_many(&self, count: Count, times: u64) {
        self.counted[count.index()].fetch_add(times, Relaxed);
    }

    /// Returns the number of events since the start.
    pub fn get(&self, count: Count) -> u64 {
        self.counted[count.index()].load(Relaxed)
    }

    /// Returns the events counted since the previous call, without zero counts, and marks them as reported.
    pub fn take(&self) -> Vec<(Count, u64)> {
        self.pending_by(|reported, counted| reported.swap(counted, Relaxed))
    }

    /// Marks events as unreported again, after writing them failed.
    pub fn restore(&self, taken: &[(Count, u64)]) {
        for (count, n) in taken {
            self.reported[count.index()].fetch_sub(*n, Relaxed);
        }
    }

    /// Returns the events not yet reported, without zero counts.
    pub fn pending(&self) -> Vec<(Count, u64)> {
        self.pending_by(|reported, _| reported.load(Relaxed))
    }

    fn pending_by(&self, reported: impl Fn(&AtomicU64, u64) -> u64) -> Vec<(Count, u64)> {
        let since = |count: Count| {
            let counted = self.get(count);
            (count, counted.saturating_sub(reported(&self.reported[count.index()], counted)))
        };
        Count::all().map(since).filter(|(_, n)| *n > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_counts_are_reported_once_unless_restored() {
        let counters = Counters::default();
        counters.add(Count::SignedIn);
        counters.add_many(Count::SessionEnded, 3);
        let first = [(Count::SignedIn, 1), (Count::SessionEnded, 3)];
        assert_eq!(counters.pending(), first);
        assert_eq!(counters.take(), first);
        assert_eq!((counters.take(), counters.pending()), (vec![], vec![]));
        counters.restore(&first);
        counters.add(Count::SignedIn);
        assert_eq!(counters.take(), [(Count::SignedIn, 2), (Count::SessionEnded, 3)]);
        assert_eq!(counters.get(Count::SignedIn), 2);
    }
}
