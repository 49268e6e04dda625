//! What the audit log records of failed sign-ins: the first failure of an account in a network at once, further ones as at
//! most one line per account and minute. All unknown names share one account here, so that they share its lines.
//!
//! This module decides; it neither reads the time nor writes the audit log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::audit::{Action, AuditEntry};
use super::dialect::Dialect;
use super::id::UserId;
use super::network::CallerNetwork;
use super::time::Timestamp;

/// The minimum time between two lines of an account about known networks.
const LINE_INTERVAL: Duration = Duration::from_mins(1);
/// How long after its last failure an account is forgotten. Its next failure is then a first one.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);
/// The number of networks per account whose first failure is recorded at once. It bounds the memory and the lines.
const NETWORKS_MAX: usize = 8;
/// The number of accounts at which those without a pending line are forgotten.
const ACCOUNTS_MAX: usize = 50_000;
/// The number of lines that are kept while they cannot be written.
const LINES_MAX: usize = 10_000;

/// Where a sign-in was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInPlace {
    /// A route of a dialect.
    Dialect(Dialect),
    /// The admin zone.
    AdminZone,
}

impl SignInPlace {
    /// The name in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dialect(dialect) => dialect.name(),
            Self::AdminZone => "admin zone",
        }
    }
}

/// A failed sign-in.
#[derive(Clone, Copy, Debug)]
pub struct FailedSignIn {
    /// The account; `None` if no user has the name. The name itself is not recorded, because it is often a password.
    pub user: Option<UserId>,
    /// The address of the caller.
    pub address: IpAddr,
    /// Where the sign-in was attempted.
    pub place: SignInPlace,
    /// When it failed.
    pub at: Timestamp,
}

/// The failures that were not recorded yet, and what is needed to bound the number of lines.
#[derive(Debug, Default)]
pub struct FailureLog {
    accounts: HashMap<Option<UserId>, AccountFailures>,
    due: Vec<AuditEntry>,
}

#[derive(Debug)]
struct AccountFailures {
    /// The networks whose first failure was recorded.
    networks: Vec<CallerNetwork>,
    line_at: Timestamp,
    last: FailedSignIn,
    counted: CountedFailures,
}

/// The failures since the last line.
#[derive(Debug, Default)]
struct CountedFailures {
    count: u32,
    places: Vec<SignInPlace>,
}

impl CountedFailures {
    fn add(&mut self, failure: &FailedSignIn) {
        self.count = self.count.saturating_add(1);
        if !self.places.contains(&failure.place) {
            self.places.push(failure.place);
        }
    }
}

impl FailureLog {
    /// Adds a failure.
    pub fn add(&mut self, failure: FailedSignIn) {
        if self.accounts.len() >= ACCOUNTS_MAX && !self.accounts.contains_key(&failure.user) {
            self.accounts.retain(|_, account| account.counted.count > 0);
        }
        let network = CallerNetwork::of(failure.address);
        let Some(account) = self.accounts.get_mut(&failure.user) else {
            let networks = vec![network];
            let counted = CountedFailures::default();
            let account = AccountFailures { networks, line_at: failure.at, last: failure, counted };
            self.accounts.insert(failure.user, account);
            self.due.push(entry(&failure, &[failure.place], 1));
            return;
        };
        account.last = failure;
        let is_known_network =
            failure.user.is_none() || account.networks.len() >= NETWORKS_MAX || account.networks.contains(&network);
        if is_known_network {
            account.counted.add(&failure);
        } else {
            account.networks.push(network);
            self.due.push(entry(&failure, &[failure.place], 1));
        }
    }

    /// Returns the lines that are due at `now`, and forgets accounts without recent failures.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<AuditEntry> {
        self.take(now, |account| now >= account.line_at + LINE_INTERVAL)
    }

    /// Returns all lines, whether or not they are due.
    pub fn take_all(&mut self, now: Timestamp) -> Vec<AuditEntry> {
        self.take(now, |_| true)
    }

    fn take(&mut self, now: Timestamp, is_due: impl Fn(&AccountFailures) -> bool) -> Vec<AuditEntry> {
        let mut due = std::mem::take(&mut self.due);
        self.accounts.retain(|_, account| {
            if account.counted.count > 0 && is_due(account) {
                let CountedFailures { count, places } = std::mem::take(&mut account.counted);
                due.push(entry(&account.last, &places, count));
                account.line_at = now;
            }
            account.counted.count > 0 || now < account.last.at + FORGOTTEN_AFTER
        });
        due
    }

    /// Keeps lines that could not be written, to be returned again.
    pub fn restore(&mut self, lines: Vec<AuditEntry>) {
        let room = LINES_MAX.saturating_sub(self.due.len());
        self.due.splice(0..0, lines.into_iter().take(room));
    }
}

/// The line about failures: `last` is the last of them.
fn entry(last: &FailedSignIn, places: &[SignInPlace], count: u32) -> AuditEntry {
    let places = places.iter().map(|place| place.name()).collect::<Vec<_>>().join(", ");
    let unknown = if last.user.is_none() { "; unknown name" } else { "" };
    let failures = if count > 1 { format!("; failures: {count}") } else { String::new() };
    let detail = format!("{places}{unknown}{failures}");
    AuditEntry::by_user(last.at, Action::SignInFailed, last.user, last.address, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Option<UserId> = Some(UserId(1));

    fn failure(user: Option<UserId>, address: &str, dialect: Dialect, at: i64) -> FailedSignIn {
        let address = address.parse().expect("the text is an address");
        FailedSignIn { user, address, place: SignInPlace::Dialect(dialect), at: Timestamp::from_unix(at) }
    }

    fn take(log: &mut FailureLog, now: i64) -> Vec<String> {
        let lines = log.take_due(Timestamp::from_unix(now));
        let shown = |line: AuditEntry| {
            let user = line.user.map_or_else(|| "-".to_owned(), |user| user.to_string());
            let address = line.address.map(|address| address.to_string()).unwrap_or_default();
            format!("{} {user} {address} {}", line.at.unix(), line.detail)
        };
        lines.into_iter().map(shown).collect()
    }

    #[test]
    fn the_first_failure_of_an_account_in_a_network_is_due_at_once() {
        let mut log = FailureLog::default();
        for (address, due) in [
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("::ffff:192.0.2.3", false),
            ("192.0.3.1", true),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("2001:db8:0:1::1", true),
        ] {
            log.add(failure(ANN, address, Dialect::JwtIssuer, 1000));
            let expected = due.then(|| format!("1000 1 {address} jwt_issuer"));
            assert_eq!(take(&mut log, 1000), Vec::from_iter(expected), "{address}");
        }
        log.add(failure(Some(UserId(2)), "192.0.2.1", Dialect::RestJwt, 1000));
        assert_eq!(take(&mut log, 1000), ["1000 2 192.0.2.1 rest_jwt"]);
    }

    #[test]
    fn further_failures_are_one_line_per_minute_with_their_count() {
        let mut log = FailureLog::default();
        log.add(failure(ANN, "192.0.2.1", Dialect::JwtIssuer, 1000));
        assert_eq!(take(&mut log, 1000).len(), 1);
        for (second, dialect) in [(1001, Dialect::JwtIssuer), (1030, Dialect::Simplejwt), (1059, Dialect::JwtIssuer)] {
            log.add(failure(ANN, "192.0.2.9", dialect, second));
            assert_eq!(take(&mut log, second), Vec::<String>::new());
        }
        assert_eq!(take(&mut log, 1060), ["1059 1 192.0.2.9 jwt_issuer, simplejwt; failures: 3"]);
        log.add(failure(ANN, "192.0.2.9", Dialect::JwtIssuer, 1061));
        assert_eq!(take(&mut log, 1119), Vec::<String>::new());
        assert_eq!(take(&mut log, 1120), ["1061 1 192.0.2.9 jwt_issuer"]);
        assert_eq!(take(&mut log, 9999), Vec::<String>::new());
    }

    #[test]
    fn unknown_names_share_one_line_per_minute() {
        let mut log = FailureLog::default();
        for network in 0..100 {
            log.add(failure(None, &format!("198.51.{network}.1"), Dialect::DrfPyjwt, 1000));
        }
        assert_eq!(take(&mut log, 1000), ["1000 - 198.51.0.1 drf_pyjwt; unknown name"]);
        assert_eq!(take(&mut log, 1060), ["1000 - 198.51.99.1 drf_pyjwt; unknown name; failures: 99"]);
    }

    #[test]
    fn memory_and_lines_are_bounded() {
        let mut log = FailureLog::default();
        for network in 0..100 {
            log.add(failure(ANN, &format!("198.51.{network}.1"), Dialect::DrfPyjwt, 1000));
        }
        assert_eq!(take(&mut log, 1000).len(), NETWORKS_MAX);
        assert_eq!(take(&mut log, 1060), ["1000 1 198.51.99.1 drf_pyjwt; failures: 92"]);
        let last = 1000 + i64::try_from(FORGOTTEN_AFTER.as_secs()).expect("a short time");
        log.take_due(Timestamp::from_unix(last - 1));
        assert_eq!(log.accounts.len(), 1);
        log.take_due(Timestamp::from_unix(last));
        assert_eq!(log.accounts.len(), 0);
        for user in 0..=50_000 {
            log.add(failure(Some(UserId(user)), "192.0.2.1", Dialect::DrfPyjwt, 1000));
        }
        assert_eq!(log.accounts.len(), 1);
        let lines = log.take_due(Timestamp::from_unix(1000));
        log.restore(lines);
        assert_eq!(log.due.len(), LINES_MAX);
    }

    #[test]
    fn a_line_that_was_not_written_is_returned_again() {
        let mut log = FailureLog::default();
        log.add(failure(ANN, "192.0.2.1", Dialect::JwtIssuer, 1000));
        let lines = log.take_due(Timestamp::from_unix(1000));
        log.restore(lines);
        log.add(failure(ANN, "192.0.2.1", Dialect::JwtIssuer, 1001));
        let all: Vec<i64> = log.take_all(Timestamp::from_unix(1002)).iter().map(|line| line.at.unix()).collect();
        assert_eq!(all, [1000, 1001]);
    }
}
