//! A superuser's stay in the admin zone: short, ended by idleness, and with fresh proof for what is dangerous.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::ZeroizeOnDrop;

use super::id::UserId;
use super::secret::SecretText;
use super::time::Timestamp;

/// How long nobody may be seen in a session before it ends.
pub const IDLE: Duration = Duration::from_mins(30);
/// The longest a session may live.
pub const LONGEST: Duration = Duration::from_hours(12);
/// How long a password counts as just given.
pub const PROVEN: Duration = Duration::from_mins(5);
/// How much later somebody must be seen again for it to be written down: a look at ten pages is one write.
const SEEN_AGAIN: Duration = Duration::from_mins(1);

/// What the cookie of an admin session carries: 256 random bits. `Debug` does not show it; only its hash is kept.
#[derive(Clone, ZeroizeOnDrop)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// Takes 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads what [`AdminToken::text`] wrote.
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

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

/// The hash of a token, by which its session is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdminHash(pub [u8; 32]);

/// A session in the admin zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSession {
    /// Whose.
    pub user: UserId,
    /// When the password was given for it.
    pub opened_at: Timestamp,
    /// When somebody was last seen in it, to the minute.
    pub seen_at: Timestamp,
    /// When the password was last given.
    pub stepped_up_at: Timestamp,
    /// The end unless somebody is seen before.
    pub expires_at: Timestamp,
    /// From where it was opened.
    pub address: Option<IpAddr>,
}

impl AdminSession {
    /// A session of somebody whose password was right just now.
    pub fn opened(user: UserId, now: Timestamp, address: Option<IpAddr>) -> Self {
        Self { user, opened_at: now, seen_at: now, stepped_up_at: now, expires_at: now + IDLE, address }
    }

    /// Whether it still opens anything.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Whether the password was given just now, as far as anything dangerous is concerned.
    pub fn is_stepped_up(&self, now: Timestamp) -> bool {
        now < self.stepped_up_at + PROVEN
    }

    /// The session after somebody was seen in it; None where that was written down a moment ago.
    #[must_use]
    pub fn touched(&self, now: Timestamp) -> Option<Self> {
        let later = now >= self.seen_at + SEEN_AGAIN;
        later.then(|| Self { seen_at: now, expires_at: (now + IDLE).min(self.opened_at + LONGEST), ..self.clone() })
    }

    /// The session after the password was given once more.
    #[must_use]
    pub fn stepped_up(&self, now: Timestamp) -> Self {
        Self { stepped_up_at: now, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn an_admin_session_ends_after_30_minutes_idle() {
        let opened = AdminSession::opened(UserId(1), at(0), None);
        assert!(opened.is_live(at(1799)) && !opened.is_live(at(1800)));
        assert_eq!(opened.touched(at(59)), None);
        let seen = opened.touched(at(60)).expect("a minute later");
        assert_eq!((seen.seen_at, seen.expires_at, seen.opened_at), (at(60), at(1860), at(0)));
    }

    #[test]
    fn an_admin_session_ends_after_12_hours() {
        let mut session = AdminSession::opened(UserId(1), at(0), None);
        for minutes in 1..=12 * 60 {
            session = session.touched(at(minutes * 60)).expect("a minute later");
        }
        assert_eq!(session.expires_at, at(12 * 3600));
    }

    #[test]
    fn a_step_up_lasts_five_minutes() {
        let session = AdminSession::opened(UserId(1), at(0), None);
        assert!(session.is_stepped_up(at(299)) && !session.is_stepped_up(at(300)));
        let proven = session.stepped_up(at(1000));
        assert!(proven.is_stepped_up(at(1299)) && !proven.is_stepped_up(at(1300)));
        assert_eq!(proven.expires_at, session.expires_at, "proof alone keeps nobody in");
    }

    #[test]
    fn an_admin_token_round_trips_and_is_hidden_in_debug_output() {
        let token = AdminToken::from_random([7; 32]);
        assert_eq!(AdminToken::parse(token.text().expose()).map(|read| *read.expose()), Some([7; 32]));
        assert_eq!(format!("{token:?}"), "AdminToken(…)");
        for wrong in ["", "BwcH", &"B".repeat(44), &format!("{}=", token.text().expose())] {
            assert!(AdminToken::parse(wrong).is_none(), "{wrong}");
        }
    }
}
