//! What a provider publishes about itself, kept for a while: its description and its keys.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

/// How long what was fetched is believed.
const MAX_AGE: Duration = Duration::from_hours(1);
/// How long after one fetch the next may follow because a token names an unknown key: else every token of a liar would
/// be a request to the provider.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// One document, as it was found at one URL. Times are a monotonic clock's.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<Option<CacheEntry<T>>>);

#[derive(Debug)]
struct CacheEntry<T> {
    url: Url,
    value: Arc<T>,
    fetched_at: Duration,
    /// When it was last asked for, whatever came of it.
    requested_at: Duration,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Cache<T> {
    /// What was found at `url`, unless that is too long ago.
    pub(super) fn get(&self, url: &Url, now: Duration) -> Option<Arc<T>> {
        let kept = self.entry();
        let fresh = |kept: &&CacheEntry<T>| kept.url == *url && now.saturating_sub(kept.fetched_at) < MAX_AGE;
        kept.as_ref().filter(fresh).map(|kept| Arc::clone(&kept.value))
    }

    /// Keeps what was found.
    pub(super) fn put(&self, url: &Url, now: Duration, value: T) -> Arc<T> {
        let value = Arc::new(value);
        *self.entry() =
            Some(CacheEntry { url: url.clone(), value: Arc::clone(&value), fetched_at: now, requested_at: now });
        value
    }

    /// Whether it may be fetched again although it is fresh; if so, whoever asks next may not.
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
