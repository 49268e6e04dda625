//! Limits on tries: counts per caller and per account, in memory, by a clock that never steps back.
//!
//! Only what fails is counted; but a try under way holds a place among those that may still fail, so that a thousand
//! at once are not a thousand free ones: the others wait until it is known how the first came out. The table of limits
//! is the domain's; who is asked for which is the use case's.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::domain::id::UserId;
use crate::domain::limit::{Limit, Rates};

/// How many keys each limit remembers at most. Beyond it those longest without a failure are forgotten: an attacker
/// with that many addresses has got round counting anyway, and memory must not grow with them.
const KEYS_MAX: usize = 100_000;
/// How many are forgotten at once, so that looking for them costs little for each.
const EVICTED_AT_ONCE: usize = KEYS_MAX / 100;
/// How long a try waits for those before it.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an IPv6 address is one caller: a customer is given at least a /64.
const IPV6_CALLER_BITS: u32 = 64;

/// For whom tries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptKey {
    /// A caller, by address.
    Caller(IpAddr),
    /// An account, by id, however it was named.
    Account(UserId),
    /// An account's tries from an address its owner has signed in or reset from before, so that strangers can't use them up.
    KnownAddress(UserId, IpAddr),
    /// A name nobody has, by a hash of its spelling: counted like an account, or the difference would tell.
    UnknownName(u64),
}

impl AttemptKey {
    /// A caller. Addresses of one IPv6 /64 are one caller, and an IPv4 address is one in either notation.
    pub fn caller(address: IpAddr) -> Self {
        Self::Caller(prefix(address))
    }

    /// An account's tries from an address known to be its owner's.
    pub fn known_address(user: UserId, address: IpAddr) -> Self {
        Self::KnownAddress(user, prefix(address))
    }

    /// A name nobody has.
    pub fn unknown_name(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self::UnknownName(hasher.finish())
    }
}

/// The part of an address that is one caller: a customer's network, as far as that can be told from outside.
pub fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << (128 - IPV6_CALLER_BITS))).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// How long until another try is let through; at least a second.
    pub retry_after: Duration,
}

/// A try that was let through. Dropped, it leaves no trace; [`Attempt::count`] keeps it counted.
#[derive(Debug)]
#[must_use = "a try that fails is to be counted"]
pub struct Attempt<'t> {
    throttle: &'t Throttle,
    limit: Limit,
    key: AttemptKey,
}

impl Attempt<'_> {
    /// It failed, or is one of those that count however they come out.
    pub fn count(self) {
        if !self.throttle.enabled {
            return;
        }
        let now = self.throttle.clock.monotonic();
        self.throttle.table(self.limit).entry(self.key).or_default().failed.push_back(now);
        // Dropping it now gives its place among those under way free.
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut table = self.throttle.table(self.limit);
        if let Some(attempts) = table.get_mut(&self.key) {
            attempts.in_progress = attempts.in_progress.saturating_sub(1);
            if attempts.in_progress == 0 && attempts.failed.is_empty() {
                table.remove(&self.key);
            }
        }
        drop(table);
        self.throttle.decided.notify_waiters();
    }
}

/// What is remembered of one key.
#[derive(Debug, Default)]
struct AttemptHistory {
    failed: VecDeque<Duration>,
    in_progress: usize,
}

type AttemptTable = HashMap<AttemptKey, AttemptHistory>;

/// What becomes of a try at the moment it is asked for.
enum Admission {
    Admitted,
    Wait,
    Rejected(LimitReached),
}

/// The counts of one process.
#[derive(Debug)]
pub struct Throttle {
    enabled: bool,
    rates: Rates,
    clock: Clock,
    tables: [Mutex<AttemptTable>; Limit::ALL.len()],
    decided: Notify,
}

impl Throttle {
    /// A throttle that has counted nothing. One that is not enabled lets everything through.
    pub fn new(enabled: bool, rates: Rates, clock: Clock) -> Self {
        Self { enabled, rates, clock, tables: Limit::ALL.map(|_| Mutex::default()), decided: Notify::new() }
    }

    /// Asks for a try. Waits, a few seconds at most, while those under way could use the limit up.
    pub async fn admit(&self, limit: Limit, key: AttemptKey) -> Result<Attempt<'_>, LimitReached> {
        let admitted = timeout(ADMISSION_TIMEOUT, async {
            loop {
                // Registered before the look, so that no decision between the two is missed.
                let decided = self.decided.notified();
                match self.admission(limit, key) {
                    Admission::Admitted => return Ok(Attempt { throttle: self, limit, key }),
                    Admission::Rejected(too_many) => return Err(too_many),
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
        if self.enabled {
            attempts.failed.retain(|at| now.saturating_sub(*at) < rate.window());
            let count = usize::try_from(rate.count()).unwrap_or(usize::MAX);
            let open_at = attempts.admitted_at(count, limit, rate.window());
            if let Some(wait) = open_at.and_then(|at| at.checked_sub(now)).filter(|wait| !wait.is_zero()) {
                return Admission::Rejected(LimitReached { retry_after: wait.max(Duration::from_secs(1)) });
            }
            // Once the rate is used up there is one try at a time.
            if attempts.in_progress >= count.saturating_sub(attempts.failed.len()).max(1) {
                return Admission::Wait;
            }
        }
        attempts.in_progress += 1;
        Admission::Admitted
    }

    fn table(&self, limit: Limit) -> MutexGuard<'_, AttemptTable> {
        self.tables[limit as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AttemptHistory {
    /// When the next try is let through, if the rate is used up.
    fn admitted_at(&self, count: usize, limit: Limit, window: Duration) -> Option<Duration> {
        let oldest = self.failed.len().checked_sub(count).and_then(|place| self.failed.get(place))?;
        let room_at = *oldest + window;
        let trickle = limit.then_every().zip(self.failed.back()).map(|(every, last)| *last + every);
        Some(trickle.map_or(room_at, |at| at.min(room_at)))
    }
}

/// Forgets what has run out, and if that is nothing, those longest without a failure. What is under way stays.
fn evict_keys(table: &mut AttemptTable, now: Duration, window: Duration) {
    let last = |attempts: &AttemptHistory| attempts.failed.back().copied().unwrap_or_default();
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

    /// How many of so many tries, each of which fails, are let through.
    async fn failures(throttle: &Throttle, limit: Limit, key: AttemptKey, times: usize) -> usize {
        let mut through = 0;
        for _ in 0..times {
            if let Ok(made) = throttle.admit(limit, key).await {
                made.count();
                through += 1;
            }
        }
        through
    }

    #[tokio::test]
    async fn ten_failed_attempts_are_admitted_and_then_one_a_minute() {
        let (throttle, clock) = throttle();
        assert_eq!(failures(&throttle, Limit::SignInAccount, ANN, 50).await, 10);
        let refused = throttle.admit(Limit::SignInAccount, ANN).await.err();
        assert_eq!(refused, Some(LimitReached { retry_after: Duration::from_mins(1) }));
        clock.advance(Duration::from_secs(59));
        assert_eq!(failures(&throttle, Limit::SignInAccount, ANN, 5).await, 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!(failures(&throttle, Limit::SignInAccount, ANN, 5).await, 1);
        clock.advance(Duration::from_mins(5));
        assert_eq!(failures(&throttle, Limit::SignInAccount, ANN, 50).await, 10);
    }

    #[tokio::test]
    async fn a_limit_without_trickle_waits_for_its_window() {
        let (throttle, clock) = throttle();
        let caller = AttemptKey::caller(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(failures(&throttle, Limit::ResetGuessCaller, caller, 50).await, 10);
        clock.advance(Duration::from_secs(299));
        let refused = throttle.admit(Limit::ResetGuessCaller, caller).await.err();
        assert_eq!(refused.map(|no| no.retry_after.as_secs()), Some(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(failures(&throttle, Limit::ResetGuessCaller, caller, 50).await, 10);
    }

    #[tokio::test]
    async fn successful_attempts_are_not_counted() {
        let (throttle, _) = throttle();
        for _ in 0..100 {
            drop(throttle.admit(Limit::SignInAccount, ANN).await.expect("successes are not counted"));
        }
        assert_eq!(failures(&throttle, Limit::SignInAccount, ANN, 50).await, 10);
    }

    #[tokio::test]
    async fn concurrent_attempts_wait_and_are_not_counted_as_failures() {
        let (throttle, _) = throttle();
        let throttle = std::sync::Arc::new(throttle);
        let attempts = (0..200).map(|number| {
            let throttle = std::sync::Arc::clone(&throttle);
            tokio::spawn(async move {
                let made = throttle.admit(Limit::SignInAccount, ANN).await;
                tokio::task::yield_now().await;
                // The very first comes out wrong; all the others are right.
                made.map(|made| {
                    if number == 0 {
                        made.count();
                    }
                })
                .is_ok()
            })
        });
        for made in attempts.collect::<Vec<_>>() {
            assert!(made.await.expect("it ends"), "nobody who is right is refused");
        }
        assert_eq!(failures(&throttle, Limit::SignInAccount, ANN, 50).await, 9);
    }

    #[tokio::test]
    async fn concurrent_failing_attempts_do_not_exceed_the_limit() {
        let (throttle, _) = throttle();
        let throttle = std::sync::Arc::new(throttle);
        let attempts = (0..1000).map(|_| {
            let throttle = std::sync::Arc::clone(&throttle);
            tokio::spawn(async move {
                let made = throttle.admit(Limit::SignInAccount, ANN).await;
                tokio::task::yield_now().await;
                made.map(Attempt::count).is_ok()
            })
        });
        let mut through = 0;
        for made in attempts.collect::<Vec<_>>() {
            through += usize::from(made.await.expect("it ends"));
        }
        assert_eq!(through, 10);
    }

    #[tokio::test]
    async fn each_key_is_counted_separately() {
        let (throttle, _) = throttle();
        let address = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(failures(&throttle, Limit::SignInAccount, ANN, 50).await, 10);
        for other in [
            AttemptKey::Account(UserId(2)),
            AttemptKey::known_address(UserId(1), address),
            AttemptKey::unknown_name("ann"),
        ] {
            assert_eq!(failures(&throttle, Limit::SignInAccount, other, 50).await, 10, "{other:?}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let caller = |text: &str| AttemptKey::caller(text.parse().expect("an address"));
        assert_eq!(caller("2001:db8::1"), caller("2001:db8::ffff:1"));
        assert_ne!(caller("2001:db8::1"), caller("2001:db8:0:1::1"));
        assert_eq!(caller("::ffff:192.0.2.1"), caller("192.0.2.1"));
        assert_ne!(caller("192.0.2.1"), caller("192.0.2.2"));
    }

    #[tokio::test]
    async fn memory_is_bounded_and_finished_attempts_leave_nothing() {
        let (throttle, _) = throttle();
        drop(throttle.admit(Limit::SignInAccount, ANN).await);
        assert_eq!(throttle.table(Limit::SignInAccount).len(), 0);
        for id in 0..=KEYS_MAX {
            let id = i64::try_from(id).expect("it is small");
            failures(&throttle, Limit::SignInAccount, AttemptKey::Account(UserId(id)), 1).await;
        }
        assert_eq!(throttle.table(Limit::SignInAccount).len(), KEYS_MAX - EVICTED_AT_ONCE + 1);
    }

    #[tokio::test]
    async fn a_disabled_throttle_admits_everything() {
        let off = Throttle::new(false, Rates::default(), Clock::manual(Timestamp::from_unix(0)));
        assert_eq!(failures(&off, Limit::SignInAccount, ANN, 500).await, 500);
    }
}
