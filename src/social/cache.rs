//! A cache for documents that a provider publishes: its discovery document and its JWKS.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

/// How long a fetched document is used.
const MAX_AGE: Duration = Duration::from_hours(1);
/// The minimum time between fetches that are caused by tokens with an unknown key. Otherwise each token of an attacker
/// would cause a request to the provider.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The cached document of one URL. Times are from a monotonic clock.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<Option<CacheEntry<T>>>);

#[derive(Debug)]
struct CacheEntry<T> {
    url: Url,
    value: Arc<T>,
    fetched_at: Duration,
    /// When a fetch was last allowed, even if it failed.
    requested_at: Duration,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Cache<T> {
    /// The document of `url`. `None` if it is not in the cache or is older than [`MAX_AGE`].
    pub(super) fn get(&self, url: &Url, now: Duration) -> Option<Arc<T>> {
        let kept = self.entry();
        let fresh = |kept: &&CacheEntry<T>| kept.url == *url && now.saturating_sub(kept.fetched_at) < MAX_AGE;
        kept.as_ref().filter(fresh).map(|kept| Arc::clone(&kept.value))
    }

    /// Stores a fetched document.
    pub(super) fn put(&self, url: &Url, now: Duration, value: T) -> Arc<T> {
        let value = Arc::new(value);
        *self.entry() =
            Some(CacheEntry { url: url.clone(), value: Arc::clone(&value), fetched_at: now, requested_at: now });
        value
    }

    /// Whether the document may be fetched again before it expires. If so, the next calls return false for
    /// [`AGAIN_AFTER`].
    pub(super) fn may_refetch(&self, now: Duration) -> bool {
        match &mut *self.entry() {
            None => true,
            Some(kept) if now.saturating_sub(kept.requested_at) >= AGAIN_AFTER => {
                kept.requested_at = now;
                true
            }
            Some(_) => false,
        }
    }

    fn entry(&self) -> MutexGuard<'_, Option<CacheEntry<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
