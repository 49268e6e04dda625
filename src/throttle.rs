//! Limits on tries: counts per caller and per account, in memory, by a clock that never steps back.
//!
//! A try is counted before it is made, so that a thousand at once are not a thousand free ones; what succeeded is
//! forgiven. The table of limits is the domain's; who is asked for which is the use case's.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::id::UserId;
use crate::domain::limit::{Limit, Rates};

/// How many keys each limit remembers at most. Beyond it the one longest without a try is forgotten: an attacker
/// with that many addresses has got round counting anyway, and memory must not grow with them.
const KEYS_MAX: usize = 100_000;
/// How much of an IPv6 address is one caller: a customer is given at least a /64.
const IPV6_CALLER_BITS: u32 = 64;

/// For whom tries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A caller, by address.
    Caller(IpAddr),
    /// An account, by id, however it was named.
    Account(UserId),
    /// An account's tries from an address its owner has signed in from before, so that strangers can't use them up.
    Known(UserId, IpAddr),
    /// A name nobody has, by a hash of its spelling: counted like an account, or the difference would tell.
    Nobody(u64),
}

impl Counted {
    /// A caller. Addresses of one IPv6 /64 are one caller, and an IPv4 address is one in either notation.
    pub fn caller(address: IpAddr) -> Self {
        Self::Caller(prefix(address))
    }

    /// An account's tries from an address known to be its owner's.
    pub fn known(user: UserId, address: IpAddr) -> Self {
        Self::Known(user, prefix(address))
    }

    /// A name nobody has.
    pub fn nobody(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self::Nobody(hasher.finish())
    }
}

fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << (128 - IPV6_CALLER_BITS))).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// How long until another try is let through; at least a second.
    pub retry_after: Duration,
}

/// A try that was let through and counted. [`Throttle::forgive`] takes it back.
#[derive(Debug)]
#[must_use = "a try that succeeds is to be forgiven"]
pub struct Try {
    limit: Limit,
    counted: Counted,
    at: Duration,
}

/// The counts of one process.
#[derive(Debug)]
pub struct Throttle {
    enabled: bool,
    rates: Rates,
    clock: Clock,
    tables: [Mutex<HashMap<Counted, VecDeque<Duration>>>; Limit::ALL.len()],
}

impl Throttle {
    /// A throttle that has counted nothing. One that is not enabled lets everything through.
    pub fn new(enabled: bool, rates: Rates, clock: Clock) -> Self {
        Self { enabled, rates, clock, tables: Limit::ALL.map(|_| Mutex::default()) }
    }

    /// Asks for a try, and counts it if it is let through.
    pub fn ask(&self, limit: Limit, counted: Counted) -> Result<Try, TooMany> {
        let now = self.clock.monotonic();
        let made = Try { limit, counted, at: now };
        if !self.enabled {
            return Ok(made);
        }
        let rate = self.rates[limit];
        let mut table = self.tables[limit as usize].lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= KEYS_MAX && !table.contains_key(&counted) {
            make_room(&mut table, now, rate.window());
        }
        let tries = table.entry(counted).or_default();
        tries.retain(|at| now.saturating_sub(*at) < rate.window());
        let count = usize::try_from(rate.count()).unwrap_or(usize::MAX);
        if tries.len() >= count {
            let room_at = tries[tries.len() - count] + rate.window();
            let last = tries.back().copied().unwrap_or_default();
            let open_at = limit.then_every().map_or(room_at, |every| room_at.min(last + every));
            if now < open_at {
                let retry_after = open_at.saturating_sub(now).max(Duration::from_secs(1));
                return Err(TooMany { retry_after });
            }
        }
        tries.push_back(now);
        Ok(made)
    }

    /// Takes a try back that turned out right: only what fails is counted.
    pub fn forgive(&self, made: &Try) {
        let mut table = self.tables[made.limit as usize].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tries) = table.get_mut(&made.counted) {
            if let Some(place) = tries.iter().rposition(|at| *at == made.at) {
                tries.remove(place);
            }
            if tries.is_empty() {
                table.remove(&made.counted);
            }
        }
    }
}

/// Forgets what has run out, and if that is nothing, the one longest without a try.
fn make_room(table: &mut HashMap<Counted, VecDeque<Duration>>, now: Duration, window: Duration) {
    table.retain(|_, tries| tries.back().is_some_and(|at| now.saturating_sub(*at) < window));
    if table.len() >= KEYS_MAX
        && let Some(oldest) = table.iter().min_by_key(|(_, tries)| tries.back().copied()).map(|(counted, _)| *counted)
    {
        table.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    const ANN: Counted = Counted::Account(UserId(1));

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::manual(Timestamp::from_unix(1_000_000));
        (Throttle::new(true, Rates::default(), clock.clone()), clock)
    }

    fn tries(throttle: &Throttle, limit: Limit, counted: Counted, times: usize) -> usize {
        (0..times).filter(|_| throttle.ask(limit, counted).is_ok()).count()
    }

    #[test]
    fn ten_failures_and_then_one_a_minute() {
        let (throttle, clock) = throttle();
        assert_eq!(tries(&throttle, Limit::SignInAccount, ANN, 50), 10);
        let refused = throttle.ask(Limit::SignInAccount, ANN).err();
        assert_eq!(refused, Some(TooMany { retry_after: Duration::from_mins(1) }));
        clock.advance(Duration::from_secs(59));
        assert_eq!(tries(&throttle, Limit::SignInAccount, ANN, 5), 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!(tries(&throttle, Limit::SignInAccount, ANN, 5), 1);
        clock.advance(Duration::from_mins(5));
        assert_eq!(tries(&throttle, Limit::SignInAccount, ANN, 50), 10);
    }

    #[test]
    fn a_limit_without_a_trickle_waits_for_its_window() {
        let (throttle, clock) = throttle();
        let caller = Counted::caller(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(tries(&throttle, Limit::ResetGuessCaller, caller, 50), 10);
        clock.advance(Duration::from_secs(299));
        assert_eq!(throttle.ask(Limit::ResetGuessCaller, caller).err().map(|no| no.retry_after.as_secs()), Some(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(tries(&throttle, Limit::ResetGuessCaller, caller, 50), 10);
    }

    #[test]
    fn what_succeeds_is_not_counted() {
        let (throttle, _) = throttle();
        for _ in 0..100 {
            let made = throttle.ask(Limit::SignInAccount, ANN).expect("successes are not counted");
            throttle.forgive(&made);
        }
        assert_eq!(tries(&throttle, Limit::SignInAccount, ANN, 50), 10);
    }

    #[test]
    fn everyone_is_counted_alone() {
        let (throttle, _) = throttle();
        let address = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(tries(&throttle, Limit::SignInAccount, ANN, 50), 10);
        for other in [Counted::Account(UserId(2)), Counted::known(UserId(1), address), Counted::nobody("ann")] {
            assert_eq!(tries(&throttle, Limit::SignInAccount, other, 50), 10, "{other:?}");
        }
    }

    #[test]
    fn one_network_is_one_caller() {
        let caller = |text: &str| Counted::caller(text.parse().expect("an address"));
        assert_eq!(caller("2001:db8::1"), caller("2001:db8::ffff:1"));
        assert_ne!(caller("2001:db8::1"), caller("2001:db8:0:1::1"));
        assert_eq!(caller("::ffff:192.0.2.1"), caller("192.0.2.1"));
        assert_ne!(caller("192.0.2.1"), caller("192.0.2.2"));
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, _) = throttle();
        for id in 0..=KEYS_MAX {
            let id = i64::try_from(id).expect("it is small");
            drop(throttle.ask(Limit::SignInAccount, Counted::Account(UserId(id))));
        }
        let held = throttle.tables[0].lock().expect("nobody panicked").len();
        assert_eq!(held, KEYS_MAX);
    }

    #[test]
    fn a_throttle_that_is_off_lets_everything_through() {
        let off = Throttle::new(false, Rates::default(), Clock::manual(Timestamp::from_unix(0)));
        assert_eq!(tries(&off, Limit::SignInAccount, ANN, 500), 500);
    }
}
