//! Request durations: one histogram per route and status class. Recording takes no lock and allocates only at the first
//! request of a route.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;

/// The upper bounds of the buckets, in microseconds. One more bucket counts all longer requests.
pub const BOUNDS: [u64; 13] =
    [250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];
/// The number of status classes (first digits of status codes).
const CLASSES: usize = 5;

#[derive(Debug, Default)]
struct LatencyCell {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// The responses of one status class on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// The route template, without a trailing slash.
    pub route: String,
    /// The first digit of the status: 1 to 5.
    pub class: usize,
    /// The number of requests per bucket: longer than the previous bound of [`BOUNDS`], up to and including this bound.
    /// The last bucket has no upper bound.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The total duration of these requests, in microseconds.
    pub micros: u64,
}

type LatencyByRoute = HashMap<Box<str>, Arc<[LatencyCell; CLASSES]>>;

/// The histograms of one process. Routes must be templates: if callers chose the names, the map would grow without
/// bound.
#[derive(Debug, Default)]
pub struct Requests {
    by_route: ArcSwap<LatencyByRoute>,
}

impl Requests {
    /// Records a response and the duration of its request.
    pub fn record(&self, route: &str, status: u16, duration: Duration) {
        let route = match route.trim_end_matches('/') {
            "" => "/",
            trimmed => trimmed,
        };
        if !record_known(&self.by_route.load(), route, status, duration) {
            self.by_route.rcu(|by_route| {
                let mut next = LatencyByRoute::clone(by_route);
                next.entry(route.into()).or_default();
                next
            });
            record_known(&self.by_route.load(), route, status, duration);
        }
    }

    /// Returns all histograms with at least one request, ordered by route and class.
    pub fn list(&self) -> Vec<Histogram> {
        let by_route = self.by_route.load();
        let cells = by_route.iter().flat_map(|(route, classes)| {
            let classes = classes.iter().enumerate();
            classes.map(move |(index, cell)| Histogram {
                route: route.to_string(),
                class: index + 1,
                buckets: std::array::from_fn(|bucket| cell.buckets[bucket].load(Relaxed)),
                micros: cell.micros.load(Relaxed),
            })
        });
        let mut all: Vec<Histogram> = cells.filter(|cell| cell.buckets.iter().any(|n| *n > 0)).collect();
        all.sort_by(|one, other| (&one.route, one.class).cmp(&(&other.route, other.class)));
        all
    }
}

fn record_known(by_route: &LatencyByRoute, route: &str, status: u16, duration: Duration) -> bool {
    let Some(classes) = by_route.get(route) else { return false };
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let cell = &classes[usize::from(status / 100).clamp(1, CLASSES) - 1];
    cell.buckets[BOUNDS.partition_point(|bound| *bound < micros)].fetch_add(1, Relaxed);
    cell.micros.fetch_add(micros, Relaxed);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_response_is_in_one_bucket_of_its_route_and_class() {
        let requests = Requests::default();
        for (route, status, micros) in
            [("/auth", 200, 250), ("/auth/", 200, 251), ("/auth", 401, 9_000_000), ("/", 304, 0), ("/auth", 999, 1)]
        {
            requests.record(route, status, Duration::from_micros(micros));
        }
        let list = requests.list();
        let names: Vec<_> = list.iter().map(|cell| (cell.route.as_str(), cell.class, cell.micros)).collect();
        assert_eq!(names, [("/", 3, 0), ("/auth", 2, 501), ("/auth", 4, 9_000_000), ("/auth", 5, 1)]);
        assert_eq!(list[1].buckets[..3], [1, 1, 0]);
        assert_eq!((list[2].buckets[BOUNDS.len()], list[2].buckets.iter().sum::<u64>()), (1, 1));
    }
}
