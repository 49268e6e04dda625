//! How long requests took: a histogram for each route and class of answers. Locks nothing; allocates at a route's first
//! request alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;

/// The upper bounds of the buckets, in microseconds; what took longer is in one more.
pub const BOUNDS: [u64; 13] =
    [250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];
/// The first digits of status codes.
const CLASSES: usize = 5;

#[derive(Debug, Default)]
struct LatencyCell {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// The answers of one class that a route gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// The route's template, without a slash at its end.
    pub route: String,
    /// The first digit of the status: 1 to 5.
    pub class: usize,
    /// How many took at most as long as the bound of each of [`BOUNDS`], and longer than the one before; then the rest.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// How long they took together, in microseconds.
    pub micros: u64,
}

type LatencyByRoute = HashMap<Box<str>, Arc<[LatencyCell; CLASSES]>>;

/// The histograms of one process. Routes must be templates: whoever names them by what callers send fills the memory.
#[derive(Debug, Default)]
pub struct Requests {
    known: ArcSwap<LatencyByRoute>,
}

impl Requests {
    /// A request was answered.
    pub fn record(&self, route: &str, status: u16, took: Duration) {
        let route = match route.trim_end_matches('/') {
            "" => "/",
            trimmed => trimmed,
        };
        if !record_known(&self.known.load(), route, status, took) {
            self.known.rcu(|known| {
                let mut next = LatencyByRoute::clone(known);
                next.entry(route.into()).or_default();
                next
            });
            record_known(&self.known.load(), route, status, took);
        }
    }

    /// Everything noted so far, by route and class.
    pub fn list(&self) -> Vec<Histogram> {
        let known = self.known.load();
        let cells = known.iter().flat_map(|(route, classes)| {
            let classes = classes.iter().enumerate();
            classes.map(move |(place, cell)| Histogram {
                route: route.to_string(),
                class: place + 1,
                buckets: std::array::from_fn(|bucket| cell.buckets[bucket].load(Relaxed)),
                micros: cell.micros.load(Relaxed),
            })
        });
        let mut all: Vec<Histogram> = cells.filter(|cell| cell.buckets.iter().any(|n| *n > 0)).collect();
        all.sort_by(|one, other| (&one.route, one.class).cmp(&(&other.route, other.class)));
        all
    }
}

fn record_known(known: &LatencyByRoute, route: &str, status: u16, took: Duration) -> bool {
    let Some(classes) = known.get(route) else { return false };
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
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
