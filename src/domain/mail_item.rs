//! An e-mail in the outbox: its stored content, and the times of its retries.

use std::fmt;
use std::time::Duration;

use super::time::Timestamp;

/// The wait after the first failure. It doubles after each further failure, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// How long the server tries to deliver an e-mail after it was written to the outbox.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);

/// The id of an outbox row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailId(pub i64);

/// The envelope and content of an e-mail, sealed because free pages of the database keep deleted content.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedMail(pub Vec<u8>);

impl fmt::Debug for SealedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedMail({} bytes)", self.0.len())
    }
}

/// An e-mail to be written to the outbox, in the same transaction as the change that triggers it.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// The template from which the e-mail was rendered. It identifies the kind of e-mail in lists.
    pub template: &'static str,
    /// Recipient, subject and bodies, sealed.
    pub sealed: SealedMail,
    /// When the e-mail was written to the outbox. It is due immediately.
    pub created_at: Timestamp,
    /// When the code or link in the e-mail expires, so that it must not be sent any more. `None`: it contains nothing
    /// that expires.
    pub expires_at: Option<Timestamp>,
}

/// An e-mail from the outbox that is about to be sent.
#[derive(Clone, Debug)]
pub struct MailItem {
    /// The id of its row.
    pub id: MailId,
    /// The template from which the e-mail was rendered.
    pub template: String,
    /// Recipient, subject and bodies, sealed.
    pub sealed: SealedMail,
    /// When the e-mail was written to the outbox.
    pub created_at: Timestamp,
    /// When the e-mail expires. `None`: never.
    pub expires_at: Option<Timestamp>,
    /// The number of failed attempts.
    pub attempts: u32,
}

impl MailItem {
    /// The time of the next attempt after another failure at `now`. `None` if that would be more than 24 h after the
    /// e-mail was written, so that delivery is given up. An e-mail that expires before that attempt is due when it
    /// expires, so that its end is recorded then.
    pub fn retry_at(&self, now: Timestamp) -> Option<Timestamp> {
        let wait = FIRST_WAIT.saturating_mul(1 << self.attempts.min(16)).min(LONGEST_WAIT);
        let at = self.expires_at.map_or(now + wait, |expires_at| expires_at.min(now + wait));
        (at <= self.created_at + GIVE_UP_AFTER).then_some(at)
    }

    /// Whether the e-mail must not be sent any more, because what it contains has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// How long an attempt that begins at `now` may take: at most `longest`, and not beyond the expiry.
    pub fn time_to_send(&self, now: Timestamp, longest: Duration) -> Duration {
        self.expires_at.map_or(longest, |expires_at| expires_at.since(now).min(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(expires_at: Option<i64>) -> MailItem {
        MailItem {
            id: MailId(1),
            template: String::new(),
            sealed: SealedMail(vec![]),
            created_at: Timestamp::from_unix(0),
            expires_at: expires_at.map(Timestamp::from_unix),
            attempts: 0,
        }
    }

    #[test]
    fn retry_delays_double_to_an_hour_and_end_after_a_day() {
        let mut mail = mail(None);
        let created_at = mail.created_at;
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

    #[test]
    fn an_email_is_not_retried_after_it_expired() {
        let at = Timestamp::from_unix;
        for (expires_at, now, retry_at, is_expired, seconds_left) in [
            (None, 5, 35, false, 30),
            (Some(10), 5, 10, false, 5),
            (Some(35), 5, 35, false, 30),
            (Some(36), 5, 35, false, 30),
            (Some(10), 10, 10, true, 0),
            (Some(10), 99, 10, true, 0),
        ] {
            let mail = mail(expires_at);
            assert_eq!(mail.retry_at(at(now)), Some(at(retry_at)), "{expires_at:?} {now}");
            assert_eq!(mail.is_expired(at(now)), is_expired, "{expires_at:?} {now}");
            let left = mail.time_to_send(at(now), Duration::from_secs(30));
            assert_eq!(left.as_secs(), seconds_left, "{expires_at:?} {now}");
        }
    }
}
