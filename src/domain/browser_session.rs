//! Sessions of browsers, as in the admin zone. They end after inactivity. Dangerous actions require that the user has
//! entered the password recently (step-up).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::ZeroizeOnDrop;

use super::id::UserId;
use super::secret::SecretText;
use super::time::Timestamp;

/// When the sessions of a zone end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetime {
    /// How long a session may be idle before it ends.
    pub idle_timeout: Duration,
    /// The maximum lifetime of a session.
    pub max_lifetime: Duration,
}

/// How long a session counts as stepped up after the user entered the password.
pub const STEP_UP_LIFETIME: Duration = Duration::from_mins(5);
/// The minimum interval between two recorded activities, so that ten pages opened within it cause one write.
const ACTIVITY_INTERVAL: Duration = Duration::from_mins(1);

/// The value of a session's cookie: 256 random bits. `Debug` does not print it. Only its hash is stored.
#[derive(Clone, ZeroizeOnDrop)]
pub struct BrowserToken([u8; 32]);

impl BrowserToken {
    /// Builds a token from 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses the text that [`BrowserToken::text`] returns.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The cookie's value: 43 characters of base64url.
    pub fn text(&self) -> SecretText {
        SecretText::new(URL_SAFE_NO_PAD.encode(self.0))
    }

    /// The bytes, for hashing.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for BrowserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserToken(…)")
    }
}

/// The hash of a [`BrowserToken`]. The store finds the session by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BrowserTokenHash(pub [u8; 32]);

/// A session of a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// The user.
    pub user: UserId,
    /// When the user signed in.
    pub opened_at: Timestamp,
    /// When the session was last used, with a precision of 1 min.
    pub seen_at: Timestamp,
    /// When the user last entered the password.
    pub stepped_up_at: Timestamp,
    /// When the session ends unless it is used before then. Use extends it, up to the maximum
    /// lifetime.
    pub expires_at: Timestamp,
    /// The address the user signed in from.
    pub address: Option<IpAddr>,
}

impl BrowserSession {
    /// A new session of a user who has just entered the correct password.
    pub fn opened(user: UserId, now: Timestamp, lifetime: SessionLifetime, address: Option<IpAddr>) -> Self {
        let expires_at = now + lifetime.idle_timeout;
        Self { user, opened_at: now, seen_at: now, stepped_up_at: now, expires_at, address }
    }

    /// Whether the session is still valid.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Whether the password was entered recently enough for dangerous actions.
    pub fn is_stepped_up(&self, now: Timestamp) -> bool {
        now < self.stepped_up_at + STEP_UP_LIFETIME
    }

    /// The session after it was used at `now`. `None` if activity was already recorded within the last minute.
    #[must_use]
    pub fn with_activity(&self, now: Timestamp, lifetime: SessionLifetime) -> Option<Self> {
        let is_due = now >= self.seen_at + ACTIVITY_INTERVAL;
        is_due.then(|| Self {
            seen_at: now,
            expires_at: (now + lifetime.idle_timeout).min(self.opened_at + lifetime.max_lifetime),
            ..self.clone()
        })
    }

    /// The session after the user entered the password again.
    #[must_use]
    pub fn stepped_up(&self, now: Timestamp) -> Self {
        Self { stepped_up_at: now, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: SessionLifetime =
        SessionLifetime { idle_timeout: Duration::from_mins(30), max_lifetime: Duration::from_hours(12) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn an_idle_session_ends() {
        let opened = BrowserSession::opened(UserId(1), at(0), LIFETIME, None);
        assert!(opened.is_live(at(1799)) && !opened.is_live(at(1800)));
        assert_eq!(opened.with_activity(at(59), LIFETIME), None);
        let seen = opened.with_activity(at(60), LIFETIME).expect("activity is recorded after a minute");
        assert_eq!((seen.seen_at, seen.expires_at, seen.opened_at), (at(60), at(1860), at(0)));
    }

    #[test]
    fn a_session_in_use_ends_after_its_maximum_lifetime() {
        let mut session = BrowserSession::opened(UserId(1), at(0), LIFETIME, None);
        for minutes in 1..=12 * 60 {
            session = session.with_activity(at(minutes * 60), LIFETIME).expect("activity is recorded after a minute");
        }
        assert_eq!(session.expires_at, at(12 * 3600));
    }

    #[test]
    fn a_step_up_lasts_five_minutes() {
        let session = BrowserSession::opened(UserId(1), at(0), LIFETIME, None);
        assert!(session.is_stepped_up(at(299)) && !session.is_stepped_up(at(300)));
        let stepped_up = session.stepped_up(at(1000));
        assert!(stepped_up.is_stepped_up(at(1299)) && !stepped_up.is_stepped_up(at(1300)));
        assert_eq!(stepped_up.expires_at, session.expires_at, "a step-up does not extend the session");
    }

    #[test]
    fn a_token_round_trips_and_is_hidden_in_debug_output() {
        let token = BrowserToken::from_random([7; 32]);
        assert_eq!(BrowserToken::parse(token.text().expose()).map(|read| *read.expose()), Some([7; 32]));
        assert_eq!(format!("{token:?}"), "BrowserToken(…)");
        for wrong in ["", "BwcH", &"B".repeat(44), &format!("{}=", token.text().expose())] {
            assert!(BrowserToken::parse(wrong).is_none(), "{wrong}");
        }
    }
}
