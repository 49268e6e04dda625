//! A cache for documents that a provider publishes: its discovery document and its JWKS.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

/// How long a fetched document is used before it is fetched again.
const MAX_AGE: Duration = Duration::from_hours(1);
/// The minimum time between fetches that are caused by tokens with an unknown key. Otherwise each such token would
/// cause a request to the provider.
const REFETCH_AFTER: Duration = Duration::from_secs(30);

/// The cached document of one URL. Times are from a monotonic clock.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<Option<CacheEntry<T>>>);

#[derive(Debug)]
struct CacheEntry<T> {
    url: Url,
    value: Arc<T>,
    fetched_at: Duration,
    /// When a fetch was last allowed, even if that fetch failed.
    requested_at: Duration,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Cache<T> {
    /// Returns the document of `url`, or `None` if it is not in the cache or its age has reached [`MAX_AGE`].
    pub(super) fn get(&self, url: &Url, now: Duration) -> Option<Arc<T>> {
        let cached = self.entry();
        let is_fresh = |entry: &&CacheEntry<T>| entry.url == *url && now.saturating_sub(entry.fetched_at) < MAX_AGE;
        cached.as_ref().filter(is_fresh).map(|entry| Arc::clone(&entry.value))
    }

    /// Stores a fetched document.
    pub(super) fn put(&self, url: &Url, now: Duration, value: T) -> Arc<T> {
        let value = Arc::new(value);
        *self.entry() =
            Some(CacheEntry { url: url.clone(), value: Arc::clone(&value), fetched_at: now, requested_at: now });
        value
    }

    /// Whether the document may be fetched again before it expires. A call that allows this for a cached document makes
    /// the calls of the next [`REFETCH_AFTER`] return false.
    pub(super) fn may_refetch(&self, now: Duration) -> bool {
        match &mut *self.entry() {
            None => true,
            Some(entry) if now.saturating_sub(entry.requested_at) >= REFETCH_AFTER => {
                entry.requested_at = now;
                true
            }
            Some(_) => false,
        }
    }

    fn entry(&self) -> MutexGuard<'_, Option<CacheEntry<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
