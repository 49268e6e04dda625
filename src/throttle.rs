//! Rate limits: counts attempts per caller and per account, in memory, and measures time with the monotonic clock.
//!
//! Most limits count only failed attempts; some count every attempt. An attempt in progress may still fail, so it also
//! uses up a part of the limit. Otherwise a thousand concurrent attempts would all be admitted. Attempts over the limit
//! wait for the result of those in progress. The domain defines the limits; the use cases choose which limit applies to
//! which key.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::domain::id::UserId;
use crate::domain::limit::{Limit, Rates};

/// The number of keys per limit at which keys are removed; it bounds the memory. First the expired keys are removed,
/// then those whose last counted attempt is oldest. Keys with attempts in progress stay. An attacker with that many
/// addresses evades the limits anyway.
const KEYS_MAX: usize = 100_000;
/// How many keys are removed at once. One search finds them all, so that not every new key requires a search.
const EVICTED_AT_ONCE: usize = KEYS_MAX / 100;
/// How long an attempt waits for the result of attempts in progress.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(5);
/// How many leading bits of an IPv6 address identify a caller. A provider assigns at least a /64 to each customer.
const IPV6_CALLER_BITS: u32 = 64;

/// The key by which attempts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptKey {
    /// A caller, by address.
    Caller(IpAddr),
    /// An account, by id, independent of the spelling of its name.
    Account(UserId),
    /// An account, by one caller. Attempts by other callers do not count towards this limit, so an attacker cannot use
    /// up the limit of the owner.
    AccountByCaller(UserId, IpAddr),
    /// A typed name, by its [hash](crate::crypto::name_hash::NameHasher), whether or not a user has it. A difference
    /// would reveal whether the user exists.
    Name(u64),
    /// A typed name, by one caller.
    NameByCaller(u64, IpAddr),
}

impl AttemptKey {
    /// Returns the key of a caller. Addresses of one IPv6 /64 are one caller. An IPv4 address and its IPv4-mapped IPv6
    /// address are the same caller.
    pub fn caller(address: IpAddr) -> Self {
        Self::Caller(prefix(address))
    }

    /// Returns the key of an account and a caller. Addresses are compared as in [`AttemptKey::caller`].
    pub fn account_by_caller(user: UserId, address: IpAddr) -> Self {
        Self::AccountByCaller(user, prefix(address))
    }

    /// Returns the key of a typed name and a caller. Addresses are compared as in [`AttemptKey::caller`].
    pub fn name_by_caller(name: u64, address: IpAddr) -> Self {
        Self::NameByCaller(name, prefix(address))
    }
}

/// Returns the network of an address that counts as one caller: the /64 of an IPv6 address, or the IPv4 address.
pub fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << (128 - IPV6_CALLER_BITS))).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// How long until the next attempt is admitted; at least 1 s.
    pub retry_after: Duration,
}

/// An admitted attempt. Dropping it does not count it; [`Attempt::count`] does.
#[derive(Debug)]
#[must_use = "a failed attempt must be counted"]
pub struct Attempt<'t> {
    throttle: &'t Throttle,
    limit: Limit,
    key: AttemptKey,
    is_within_rate: bool,
}

impl Attempt<'_> {
    /// Whether the rate was not used up. False for an attempt that a used-up limit admits at intervals.
    pub fn is_within_rate(&self) -> bool {
        self.is_within_rate
    }

    /// Counts the attempt: it failed, or its limit counts every attempt.
    pub fn count(self) {
        if !self.throttle.enabled {
            return;
        }
        let now = self.throttle.clock.monotonic();
        self.throttle.table(self.limit).entry(self.key).or_default().counted.push_back(now);
        // `self` is dropped here, which removes it from the attempts in progress.
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut table = self.throttle.table(self.limit);
        if let Some(attempts) = table.get_mut(&self.key) {
            attempts.in_progress = attempts.in_progress.saturating_sub(1);
            if attempts.in_progress == 0 && attempts.counted.is_empty() {
                table.remove(&self.key);
            }
        }
        drop(table);
        self.throttle.decided.notify_waiters();
    }
}

/// The attempts of one key: when each counted attempt was made, and how many are in progress.
#[derive(Debug, Default)]
struct AttemptHistory {
    counted: VecDeque<Duration>,
    in_progress: usize,
}

type AttemptTable = HashMap<AttemptKey, AttemptHistory>;

/// Whether an attempt is admitted now.
enum Admission {
    Admitted { is_within_rate: bool },
    Wait,
    Rejected(LimitReached),
}

/// The attempts that this process counts.
#[derive(Debug)]
pub struct Throttle {
    enabled: bool,
    rates: Rates,
    clock: Clock,
    tables: [Mutex<AttemptTable>; Limit::ALL.len()],
    decided: Notify,
}

impl Throttle {
    /// Creates a throttle without counts. If it is not enabled, it admits every attempt.
    pub fn new(enabled: bool, rates: Rates, clock: Clock) -> Self {
        Self { enabled, rates, clock, tables: Limit::ALL.map(|_| Mutex::default()), decided: Notify::new() }
    }

    /// Admits an attempt, or reports that the limit is reached. If attempts in progress could exhaust the limit, waits
    /// up to 5 s for their results, and then rejects the attempt.
    pub async fn admit(&self, limit: Limit, key: AttemptKey) -> Result<Attempt<'_>, LimitReached> {
        let admitted = timeout(ADMISSION_TIMEOUT, async {
            loop {
                // Registers before the check, so that an attempt that ends between the check and the wait still wakes
                // this one.
                let decided = self.decided.notified();
                match self.admission(limit, key) {
                    Admission::Admitted { is_within_rate } => {
                        return Ok(Attempt { throttle: self, limit, key, is_within_rate });
                    }
                    Admission::Rejected(limit_reached) => return Err(limit_reached),
                    Admission::Wait => decided.await,
                }
            }
        });
        admitted.await.unwrap_or(Err(LimitReached { retry_after: Duration::from_secs(1) }))
    }

    fn admission(&self, limit: Limit, key: AttemptKey) -> Admission {
        let now = self.clock.monotonic();
        let rate = self.rates[limit];
        let mut table = self.table(limit);
        if table.len() >= KEYS_MAX && !table.contains_key(&key) {
            evict_keys(&mut table, now, rate.window());
        }
        let attempts = table.entry(key).or_default();
        let mut is_within_rate = true;
        if self.enabled {
            attempts.counted.retain(|at| now.saturating_sub(*at) < rate.window());
            let count = usize::try_from(rate.count()).unwrap_or(usize::MAX);
            let admitted_at = attempts.admitted_at(count, limit, rate.window());
            is_within_rate = admitted_at.is_none();
            if let Some(wait) = admitted_at.and_then(|at| at.checked_sub(now)).filter(|wait| !wait.is_zero()) {
                return Admission::Rejected(LimitReached { retry_after: wait.max(Duration::from_secs(1)) });
            }
            // When the rate is used up, only one attempt at a time is admitted.
            if attempts.in_progress >= count.saturating_sub(attempts.counted.len()).max(1) {
                return Admission::Wait;
            }
        }
        attempts.in_progress += 1;
        Admission::Admitted { is_within_rate }
    }

    fn table(&self, limit: Limit) -> MutexGuard<'_, AttemptTable> {
        self.tables[limit as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AttemptHistory {
    /// Returns when the next attempt is admitted; `None` if the rate is not used up.
    fn admitted_at(&self, count: usize, limit: Limit, window: Duration) -> Option<Duration> {
        let oldest = self.counted.len().checked_sub(count).and_then(|index| self.counted.get(index))?;
        let window_end = *oldest + window;
        let trickle = limit.then_every().zip(self.counted.back()).map(|(every, last)| *last + every);
        Some(trickle.map_or(window_end, |at| at.min(window_end)))
    }
}

/// Removes the keys whose counted attempts are all older than the window. If the table is still full, removes the keys
/// whose last counted attempt is oldest. Keys with attempts in progress stay.
fn evict_keys(table: &mut AttemptTable, now: Duration, window: Duration) {
    let last = |attempts: &AttemptHistory| attempts.counted.back().copied().unwrap_or_default();
    table.retain(|_, attempts| attempts.in_progress > 0 || now.saturating_sub(last(attempts)) < window);
    if table.len() < KEYS_MAX {
        return;
    }
    let idle = table.iter().filter(|(_, attempts)| attempts.in_progress == 0);
    let mut oldest: Vec<(Duration, AttemptKey)> = idle.map(|(key, attempts)| (last(attempts), *key)).collect();
    oldest.sort_unstable_by_key(|(at, _)| *at);
    for (_, key) in oldest.into_iter().take(EVICTED_AT_ONCE) {
        table.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    const ANN: AttemptKey = AttemptKey::Account(UserId(1));

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::manual(Timestamp::from_unix(1_000_000));
        (Throttle::new(true, Rates::default(), clock.clone()), clock)
    }

    /// Makes `times` failing attempts and returns how many were admitted.
    async fn failures(throttle: &Throttle, limit: Limit, key: AttemptKey, times: usize) -> usize {
        let mut admitted = 0;
        for _ in 0..times {
            if let Ok(attempt) = throttle.admit(limit, key).await {
                attempt.count();
                admitted += 1;
            }
        }
        admitted
    }

    #[tokio::test]
    async fn ten_failed_attempts_are_admitted_and_then_one_a_minute() {
        let (throttle, clock) = throttle();
        assert_eq!(failures(&throttle, Limit::SignInName, ANN, 50).await, 10);
        let rejected = throttle.admit(Limit::SignInName, ANN).await.err();
        assert_eq!(rejected, Some(LimitReached { retry_after: Duration::from_mins(1) }));
        clock.advance(Duration::from_secs(59));
        assert_eq!(failures(&throttle, Limit::SignInName, ANN, 5).await, 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!(failures(&throttle, Limit::SignInName, ANN, 5).await, 1);
        clock.advance(Duration::from_mins(5));
        assert_eq!(failures(&throttle, Limit::SignInName, ANN, 50).await, 10);
    }

    #[tokio::test]
    async fn a_limit_without_trickle_waits_for_its_window() {
        let (throttle, clock) = throttle();
        let caller = AttemptKey::caller(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(failures(&throttle, Limit::ResetGuessCaller, caller, 50).await, 10);
        clock.advance(Duration::from_secs(299));
        let rejected = throttle.admit(Limit::ResetGuessCaller, caller).await.err();
        assert_eq!(rejected.map(|limit| limit.retry_after.as_secs()), Some(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(failures(&throttle, Limit::ResetGuessCaller, caller, 50).await, 10);
    }

    #[tokio::test]
    async fn successful_attempts_are_not_counted() {
        let (throttle, _) = throttle();
        for _ in 0..100 {
            drop(throttle.admit(Limit::SignInName, ANN).await.expect("successes are not counted"));
        }
        assert_eq!(failures(&throttle, Limit::SignInName, ANN, 50).await, 10);
    }

    #[tokio::test]
    async fn concurrent_attempts_wait_and_are_not_counted_as_failures() {
        let (throttle, _) = throttle();
        let throttle = std::sync::Arc::new(throttle);
        let attempts = (0..200).map(|number| {
            let throttle = std::sync::Arc::clone(&throttle);
            tokio::spawn(async move {
                let admitted = throttle.admit(Limit::SignInName, ANN).await;
                tokio::task::yield_now().await;
                // Only the first attempt fails.
                admitted
                    .map(|attempt| {
                        if number == 0 {
                            attempt.count();
                        }
                    })
                    .is_ok()
            })
        });
        for task in attempts.collect::<Vec<_>>() {
            assert!(task.await.expect("the task ends"), "a successful attempt was rejected");
        }
        assert_eq!(failures(&throttle, Limit::SignInName, ANN, 50).await, 9);
    }

    #[tokio::test]
    async fn concurrent_failing_attempts_do_not_exceed_the_limit() {
        let (throttle, _) = throttle();
        let throttle = std::sync::Arc::new(throttle);
        let attempts = (0..1000).map(|_| {
            let throttle = std::sync::Arc::clone(&throttle);
            tokio::spawn(async move {
                let admitted = throttle.admit(Limit::SignInName, ANN).await;
                tokio::task::yield_now().await;
                admitted.map(Attempt::count).is_ok()
            })
        });
        let mut admitted = 0;
        for task in attempts.collect::<Vec<_>>() {
            admitted += usize::from(task.await.expect("the task ends"));
        }
        assert_eq!(admitted, 10);
    }

    #[tokio::test]
    async fn each_key_is_counted_separately() {
        let (throttle, _) = throttle();
        let address = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(failures(&throttle, Limit::SignInName, ANN, 50).await, 10);
        for other in [
            AttemptKey::Account(UserId(2)),
            AttemptKey::account_by_caller(UserId(1), address),
            AttemptKey::Name(1),
            AttemptKey::name_by_caller(1, address),
        ] {
            assert_eq!(failures(&throttle, Limit::SignInName, other, 50).await, 10, "{other:?}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let caller = |text: &str| AttemptKey::caller(text.parse().expect("the text is an IP address"));
        assert_eq!(caller("2001:db8::1"), caller("2001:db8::ffff:1"));
        assert_ne!(caller("2001:db8::1"), caller("2001:db8:0:1::1"));
        assert_eq!(caller("::ffff:192.0.2.1"), caller("192.0.2.1"));
        assert_ne!(caller("192.0.2.1"), caller("192.0.2.2"));
    }

    #[tokio::test]
    async fn memory_is_bounded_and_finished_attempts_leave_nothing() {
        let (throttle, _) = throttle();
        drop(throttle.admit(Limit::SignInName, ANN).await);
        assert_eq!(throttle.table(Limit::SignInName).len(), 0);
        for id in 0..=KEYS_MAX {
            let id = i64::try_from(id).expect("the id fits into i64");
            failures(&throttle, Limit::SignInName, AttemptKey::Account(UserId(id)), 1).await;
        }
        assert_eq!(throttle.table(Limit::SignInName).len(), KEYS_MAX - EVICTED_AT_ONCE + 1);
    }

    #[tokio::test]
    async fn a_disabled_throttle_admits_everything() {
        let disabled = Throttle::new(false, Rates::default(), Clock::manual(Timestamp::from_unix(0)));
        assert_eq!(failures(&disabled, Limit::SignInName, ANN, 500).await, 500);
    }
}
