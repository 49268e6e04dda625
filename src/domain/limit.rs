//! The closed set of rate limits: the attempts that each limit counts, per caller or per account, and the default
//! rates.
//!
//! The `throttle` module does the counting.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::Index;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::closed_set::closed_set;
use super::duration;

closed_set! {
    /// A rate limit. A limit per caller counts by client address, a limit per account by user id. For exceptions see
    /// `AttemptKey` in the `throttle` module.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Limit {
        /// Failed sign-ins with one typed name, whether or not a user has it.
        SignInName,
        /// Failed sign-ins to one account, by its user name and its address together.
        SignInAccount,
        /// Failed sign-ins by one caller.
        SignInCaller,
        /// Successful sign-ins to one account, so that an account does not keep the hashing pool and the store busy.
        SignInSuccessAccount,
        /// Wrong reset codes and restore links by one caller.
        ResetGuessCaller,
        /// Reset e-mails to one account that one caller requested. Beyond the limit the response is the same, but no
        /// e-mail is sent.
        ResetMailAccount,
        /// Reset e-mails to one account that were requested by callers that never signed in to it, all together.
        /// Beyond the limit the response is the same, but no e-mail is sent.
        ResetMailNewCallers,
        /// Reset e-mails requested by one caller.
        ResetMailCaller,
        /// Attempts to register by one caller.
        RegisterCaller,
        /// Password changes of one account.
        PasswordChangeAccount,
        /// Changes of the user name or the address of one account by its owner, refused ones included.
        ProfileChangeAccount,
    }
}

/// One row of the table of limits.
struct LimitDefinition {
    key: &'static str,
    rate: (u32, u64),
    then_every: Option<Duration>,
}

const ONE_PER_MINUTE: Option<Duration> = Some(Duration::from_mins(1));

impl Limit {
    const fn row(self) -> LimitDefinition {
        let (key, rate, then_every) = match self {
            Self::SignInName => ("sign_in_per_name", (10, 300), ONE_PER_MINUTE),
            Self::SignInAccount => ("sign_in_per_account", (20, 300), ONE_PER_MINUTE),
            Self::SignInCaller => ("sign_in_per_caller", (100, 300), ONE_PER_MINUTE),
            Self::SignInSuccessAccount => ("sign_in_success_per_account", (100, 300), None),
            Self::ResetGuessCaller => ("reset_guess_per_caller", (10, 300), None),
            Self::ResetMailAccount => ("reset_mail_per_account", (3, 3600), None),
            Self::ResetMailNewCallers => ("reset_mail_from_new_callers", (20, 3600), None),
            Self::ResetMailCaller => ("reset_mail_per_caller", (30, 3600), None),
            Self::RegisterCaller => ("register_per_caller", (60, 60), None),
            Self::PasswordChangeAccount => ("password_change_per_account", (10, 300), None),
            Self::ProfileChangeAccount => ("profile_change_per_account", (10, 300), None),
        };
        LimitDefinition { key, rate, then_every }
    }

    /// The name of the limit in `[throttle]`.
    pub const fn key(self) -> &'static str {
        self.row().key
    }

    /// The rate if the settings do not override it.
    pub fn default_rate(self) -> Rate {
        let (count, seconds) = self.row().rate;
        Rate { count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN), window: Duration::from_secs(seconds) }
    }

    /// The interval at which one more attempt is admitted after the rate is used up. `None` means that no attempt is
    /// admitted until older attempts have left the window.
    pub const fn then_every(self) -> Option<Duration> {
        self.row().then_every
    }
}

/// A number of attempts per window of time, written as `10/5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    window: Duration,
}

impl Rate {
    /// Attempts per window: 1 to 1 000 000.
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// The length of the window: whole seconds, 1 s to 30 days.
    pub const fn window(self) -> Duration {
        self.window
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, duration::compact(self.window))
    }
}

/// The text is not a rate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a rate; write a count (1 to 1000000) and a window (1s to 30d), as in \"10/5m\"")]
pub struct NotARate;

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, window) = text.split_once('/').ok_or(NotARate)?;
        let count = count.trim().parse().ok().filter(|count: &NonZeroU32| count.get() <= 1_000_000).ok_or(NotARate)?;
        let window = duration::parse(window.trim()).ok_or(NotARate)?;
        let allowed = Duration::from_secs(1)..=Duration::from_hours(30 * 24);
        if window.subsec_nanos() != 0 || !allowed.contains(&window) {
            return Err(NotARate);
        }
        Ok(Self { count, window })
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The rate of every limit: `rates[Limit::SignInAccount]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates([Rate; Limit::ALL.len()]);

impl Rates {
    /// Calls `rate` for each limit.
    pub fn from_fn(rate: impl FnMut(Limit) -> Rate) -> Self {
        Self(Limit::ALL.map(rate))
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self::from_fn(Limit::default_rate)
    }
}

impl Index<Limit> for Rates {
    type Output = Rate;

    fn index(&self, limit: Limit) -> &Rate {
        &self.0[limit as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_limits_are_the_documented_ones() {
        let table: Vec<String> = Limit::ALL.iter().map(|l| format!("{} {}", l.key(), l.default_rate())).collect();
        assert_eq!(
            table,
            [
                "sign_in_per_name 10/5m",
                "sign_in_per_account 20/5m",
                "sign_in_per_caller 100/5m",
                "sign_in_success_per_account 100/5m",
                "reset_guess_per_caller 10/5m",
                "reset_mail_per_account 3/1h",
                "reset_mail_from_new_callers 20/1h",
                "reset_mail_per_caller 30/1h",
                "register_per_caller 60/1m",
                "password_change_per_account 10/5m",
                "profile_change_per_account 10/5m",
            ]
        );
        let with_interval: Vec<_> = Limit::ALL.into_iter().filter(|limit| limit.then_every().is_some()).collect();
        assert_eq!(with_interval, [Limit::SignInName, Limit::SignInAccount, Limit::SignInCaller]);
    }

    #[test]
    fn each_limit_has_its_own_index() {
        let distinct =
            |limit: Limit| Rate { window: Duration::from_secs(limit.key().len() as u64), ..limit.default_rate() };
        let rates = Rates::from_fn(distinct);
        for limit in Limit::ALL {
            assert_eq!(rates[limit], distinct(limit), "{}", limit.key());
        }
    }

    #[test]
    fn rates_are_parsed_and_displayed() {
        for (text, shown) in
            [("10/5m", "10/5m"), ("1 / 90s", "1/90s"), ("60/60s", "60/1m"), ("1000000/30d", "1000000/30d")]
        {
            assert_eq!(text.parse::<Rate>().map(|rate| rate.to_string()).as_deref(), Ok(shown));
        }
        assert_eq!(
            serde_json::from_str::<Rate>("\"7/2h\"").map(|rate| (rate.count(), rate.window())).ok(),
            Some((7, Duration::from_hours(2)))
        );
    }

    #[test]
    fn an_invalid_rate_is_rejected() {
        for text in
            ["", "10", "10/", "/5m", "0/5m", "-1/5m", "10/5", "10/0s", "10/500ms", "10/31d", "1000001/5m", "10/5m/1"]
        {
            assert_eq!(text.parse::<Rate>(), Err(NotARate), "{text}");
        }
    }
}
