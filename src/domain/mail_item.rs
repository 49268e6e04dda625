//! A mail on its way: what the outbox keeps of it, and when it is tried again.

use std::fmt;
use std::time::Duration;

use super::time::Timestamp;

/// The first wait after a failure; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// After this long a mail is given up.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);

/// An outbox row's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailId(pub i64);

/// A mail's envelope and content, sealed: the database's free pages remember what was deleted from them.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedMail(pub Vec<u8>);

impl fmt::Debug for SealedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedMail({} bytes)", self.0.len())
    }
}

/// A mail to be written to the outbox in the transaction of its cause.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// The template it was rendered from, to tell mails apart in lists.
    pub template: &'static str,
    /// Recipient, subject and bodies, sealed.
    pub sealed: SealedMail,
    /// When it was written; it is due at once.
    pub created_at: Timestamp,
}

/// A mail taken from the outbox to be sent.
#[derive(Clone, Debug)]
pub struct MailItem {
    /// Its row.
    pub id: MailId,
    /// The template it was rendered from.
    pub template: String,
    /// Recipient, subject and bodies, sealed.
    pub sealed: SealedMail,
    /// When it was written.
    pub created_at: Timestamp,
    /// How many attempts failed before.
    pub attempts: u32,
}

impl MailItem {
    /// When to try again after one more failure at `now`, or None when 24 h are over and it is given up.
    pub fn retry_at(&self, now: Timestamp) -> Option<Timestamp> {
        let wait = FIRST_WAIT.saturating_mul(1 << self.attempts.min(16)).min(LONGEST_WAIT);
        let at = now + wait;
        (at <= self.created_at + GIVE_UP_AFTER).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_double_to_an_hour_and_end_after_a_day() {
        let created_at = Timestamp::from_unix(0);
        let mut mail =
            MailItem { id: MailId(1), template: String::new(), sealed: SealedMail(vec![]), created_at, attempts: 0 };
        let mut now = created_at;
        let mut waits = vec![];
        while let Some(next) = mail.retry_at(now) {
            waits.push(next.since(now).as_secs());
            now = next;
            mail.attempts += 1;
        }
        assert_eq!(waits[..8], [30, 60, 120, 240, 480, 960, 1920, 3600]);
        assert!(now <= created_at + GIVE_UP_AFTER && now + LONGEST_WAIT > created_at + GIVE_UP_AFTER);
    }
}
