//! The closed set of counted events, and how hourly counts become the series of a chart.

use std::borrow::Cow;
use std::time::Duration;

use super::algorithm::Algorithm;
use super::dialect::Dialect;
use super::time::Timestamp;

/// A counted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Sign-ins with a correct password or with a provider.
    SignedIn,
    /// Sign-ins refused because of the user name, the password or the response of a provider.
    SignInFailed,
    /// Requests refused by a rate limit.
    Throttled,
    /// Refreshes and renewals of a session.
    Refreshed,
    /// Requests refused because of their token: refreshes, renewals, sign-outs, and verifications of a sliding or
    /// refresh token.
    RefreshRefused,
    /// Invalidated refresh tokens that were presented again and ended their session. They also count as refused.
    RefreshReused,
    /// Accounts created.
    Registered,
    /// Requested password resets, whether or not an e-mail was sent.
    ResetRequested,
    /// Passwords set with a reset code or link.
    ResetCompleted,
    /// Sessions ended before they expired, for any [`EndReason`](super::session::EndReason).
    SessionEnded,
    /// E-mails that a mail server accepted.
    MailSent,
    /// Failed attempts to send an e-mail.
    MailFailed,
    /// Responses with the full JWKS.
    JwksSent,
    /// Responses 304: the JWKS of the client is still current.
    JwksUnchanged,
    /// Requests that failed with an internal error (500).
    Fault,
    /// Passwords that were not hashed because the hashing queue was full.
    HashingFull,
    /// Access tokens signed, by dialect and algorithm.
    Issued(Dialect, Algorithm),
}

const UNLABELLED: [Count; 16] = [
    Count::SignedIn,
    Count::SignInFailed,
    Count::Throttled,
    Count::Refreshed,
    Count::RefreshRefused,
    Count::RefreshReused,
    Count::Registered,
    Count::ResetRequested,
    Count::ResetCompleted,
    Count::SessionEnded,
    Count::MailSent,
    Count::MailFailed,
    Count::JwksSent,
    Count::JwksUnchanged,
    Count::Fault,
    Count::HashingFull,
];

impl Count {
    /// The number of counts.
    pub const LENGTH: usize = UNLABELLED.len() + Dialect::ALL.len() * Algorithm::ALL.len();

    /// Every count, in the order of [`Count::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        let issued = |dialect| Algorithm::ALL.into_iter().map(move |algorithm| Self::Issued(dialect, algorithm));
        UNLABELLED.into_iter().chain(Dialect::ALL.into_iter().flat_map(issued))
    }

    /// The index of the count, from 0 to [`Count::LENGTH`] - 1.
    pub const fn index(self) -> usize {
        match self {
            Self::SignedIn => 0,
            Self::SignInFailed => 1,
            Self::Throttled => 2,
            Self::Refreshed => 3,
            Self::RefreshRefused => 4,
            Self::RefreshReused => 5,
            Self::Registered => 6,
            Self::ResetRequested => 7,
            Self::ResetCompleted => 8,
            Self::SessionEnded => 9,
            Self::MailSent => 10,
            Self::MailFailed => 11,
            Self::JwksSent => 12,
            Self::JwksUnchanged => 13,
            Self::Fault => 14,
            Self::HashingFull => 15,
            Self::Issued(dialect, algorithm) => {
                UNLABELLED.len() + dialect as usize * Algorithm::ALL.len() + algorithm as usize
            }
        }
    }

    /// The name in metrics and lists. All counts of issued tokens share one name.
    pub const fn family(self) -> &'static str {
        match self {
            Self::SignedIn => "sign_ins",
            Self::SignInFailed => "sign_ins_failed",
            Self::Throttled => "throttled",
            Self::Refreshed => "refreshes",
            Self::RefreshRefused => "refreshes_refused",
            Self::RefreshReused => "refresh_tokens_reused",
            Self::Registered => "registrations",
            Self::ResetRequested => "resets_asked",
            Self::ResetCompleted => "resets_done",
            Self::SessionEnded => "sessions_ended",
            Self::MailSent => "mails_sent",
            Self::MailFailed => "mails_failed",
            Self::JwksSent => "jwks_sent",
            Self::JwksUnchanged => "jwks_unchanged",
            Self::Fault => "faults",
            Self::HashingFull => "hashing_full",
            Self::Issued(..) => "tokens_issued",
        }
    }

    /// The name in the database, which is unique: `tokens_issued.jwt_issuer.ES256`.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Issued(dialect, algorithm) => format!("{}.{dialect}.{algorithm}", self.family()).into(),
            single => single.family().into(),
        }
    }

    /// The count with this database name. `None` for an unknown name, which another version of the program may have
    /// stored.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|count| count.name() == name)
    }
}

/// The value of one count in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourCount {
    /// The beginning of the hour.
    pub hour: Timestamp,
    /// The counted event.
    pub count: Count,
    /// The number of events.
    pub n: u64,
}

/// The beginning of the hour that contains `at`.
pub const fn hour_of(at: Timestamp) -> Timestamp {
    start_of(at, HOUR)
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const fn start_of(at: Timestamp, length: i64) -> Timestamp {
    Timestamp::from_unix(at.unix().div_euclid(length) * length)
}

/// A recent period, divided into buckets of equal length. The last bucket is the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// 24 buckets of an hour.
    Day,
    /// 30 buckets of a day (UTC).
    Month,
}

impl Window {
    /// The number of buckets.
    pub const fn buckets(self) -> usize {
        match self {
            Self::Day => 24,
            Self::Month => 30,
        }
    }

    /// The length of a bucket.
    pub const fn bucket(self) -> Duration {
        match self {
            Self::Day => Duration::from_hours(1),
            Self::Month => Duration::from_hours(24),
        }
    }

    /// The beginning of the first bucket, if the last one contains `now`.
    pub fn from(self, now: Timestamp) -> Timestamp {
        let (length, before) = match self {
            Self::Day => (HOUR, 23),
            Self::Month => (DAY, 29),
        };
        start_of(now, length) - self.bucket() * before
    }
}

/// The number of events in each bucket of a window. An hour without a stored value counts as zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The window.
    pub window: Window,
    /// The beginning of the first bucket.
    pub from: Timestamp,
    /// One value per bucket, oldest first.
    pub values: Vec<u64>,
}

impl Series {
    /// Sums the hourly values of the counts for which `wanted` is true. Hours outside the window are ignored.
    pub fn new(window: Window, now: Timestamp, hours: &[HourCount], wanted: impl Fn(Count) -> bool) -> Self {
        let from = window.from(now);
        let mut values = vec![0_u64; window.buckets()];
        for counted in hours.iter().filter(|counted| counted.hour >= from && wanted(counted.count)) {
            let index = counted.hour.since(from).as_secs() / window.bucket().as_secs();
            if let Some(value) = usize::try_from(index).ok().and_then(|index| values.get_mut(index)) {
                *value = value.saturating_add(counted.n);
            }
        }
        Self { window, from, values }
    }

    /// The sum of all buckets.
    pub fn total(&self) -> u64 {
        self.values.iter().fold(0, |sum, value| sum.saturating_add(*value))
    }

    /// The greatest value of a bucket.
    pub fn peak(&self) -> u64 {
        self.values.iter().copied().max().unwrap_or(0)
    }

    /// The beginning and the value of each bucket, oldest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Timestamp, u64)> {
        let begins = (0_u32..).map(|index| self.from + self.window.bucket() * index);
        begins.zip(self.values.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-05T13:25:00Z.
    const NOW: Timestamp = Timestamp::from_unix(1_772_717_100);

    fn counted(hours_ago: i64, count: Count, n: u64) -> HourCount {
        HourCount { hour: Timestamp::from_unix(hour_of(NOW).unix() - hours_ago * HOUR), count, n }
    }

    #[test]
    fn every_count_has_a_unique_index_and_name() {
        for (index, count) in Count::all().enumerate() {
            assert_eq!((count.index(), Count::named(&count.name())), (index, Some(count)), "{count:?}");
        }
        assert_eq!(Count::all().count(), Count::LENGTH);
        assert_eq!(Count::Issued(Dialect::DrfPyjwt, Algorithm::Rs256).name(), "tokens_issued.drf_pyjwt.RS256");
        assert_eq!(Count::named("of a later version"), None);
    }

    #[test]
    fn a_day_has_hourly_buckets_ending_with_the_current_one() {
        let hours = [counted(0, Count::SignedIn, 5), counted(23, Count::SignedIn, 7), counted(24, Count::SignedIn, 11)];
        let series = Series::new(Window::Day, NOW, &hours, |_| true);
        assert_eq!((series.values.len(), series.values[0], series.values[23]), (24, 7, 5));
        assert_eq!((series.total(), series.peak()), (12, 7));
        assert_eq!(series.from.to_string(), "2026-03-04T14:00:00Z");
        assert_eq!(
            series.buckets().last().map(|(at, n)| (at.to_string(), n)),
            Some(("2026-03-05T13:00:00Z".to_owned(), 5))
        );
    }

    #[test]
    fn a_month_has_daily_buckets_and_gaps_are_zero() {
        let hours = [
            counted(0, Count::Fault, 1),
            counted(13, Count::Fault, 2),
            counted(14, Count::Fault, 4),
            counted(13 + 29 * 24, Count::Fault, 8),
            counted(14 + 29 * 24, Count::Fault, 16),
        ];
        let series = Series::new(Window::Month, NOW, &hours, |_| true);
        assert_eq!((series.values[29], series.values[28], series.values[0], series.total()), (3, 4, 8, 15));
        assert_eq!(series.values[1..28], [0; 27]);
    }

    #[test]
    fn only_selected_counts_are_summed_without_overflow() {
        let issued = |alg| Count::Issued(Dialect::RestJwt, alg);
        let hours = [
            counted(0, issued(Algorithm::Es256), u64::MAX),
            counted(0, issued(Algorithm::Rs256), 1),
            counted(0, Count::MailSent, 1),
            // Written by a server whose clock is ahead.
            counted(-1, issued(Algorithm::Es256), 1),
        ];
        let series = Series::new(Window::Day, NOW, &hours, |count| matches!(count, Count::Issued(..)));
        assert_eq!((series.values[23], series.total()), (u64::MAX, u64::MAX));
        assert_eq!(Series::new(Window::Day, NOW, &hours, |count| count == Count::Fault).total(), 0);
    }
}
