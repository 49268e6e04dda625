//! The confirmation of an e-mail address: the owner of the mailbox opens a link that was sent to it.

use std::time::Duration;

use super::closed_set::closed_set;
use super::id::UserId;
use super::time::Timestamp;
use super::user::{Email, User};

/// How long a confirmation link is valid.
pub const CONFIRMATION_LIFETIME: Duration = Duration::from_hours(24);
/// How long after a confirmation e-mail no further one is sent unless the user requests a change or an operator sends it.
pub const RESEND_INTERVAL: Duration = Duration::from_mins(5);

closed_set! {
    /// What a registration requires of the e-mail address: the values of `registration.verify_email`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum VerifyEmail {
        /// Nothing.
        Off = "off",
        /// The new user gets a confirmation e-mail, and may sign in meanwhile.
        Send = "send",
        /// The new user gets a confirmation e-mail, and may sign in only after the confirmation.
        Require = "require",
    }
}

impl VerifyEmail {
    /// The value with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.name() == name)
    }
}

/// A requested confirmation: of the user's current address, or of the address that is to replace it. A user has at most
/// one.
#[derive(Clone, Debug)]
pub struct EmailConfirmation {
    /// The user.
    pub user: UserId,
    /// The address to be confirmed.
    pub email: Email,
    /// Whether the address also becomes the user name.
    pub becomes_username: bool,
    /// When the e-mail with the link was queued.
    pub requested_at: Timestamp,
    /// When the link becomes invalid.
    pub expires_at: Timestamp,
}

impl EmailConfirmation {
    /// A confirmation that is requested now.
    pub fn requested(user: UserId, email: Email, becomes_username: bool, now: Timestamp) -> Self {
        Self { user, email, becomes_username, requested_at: now, expires_at: now + CONFIRMATION_LIFETIME }
    }

    /// Whether it changes the address of the user. Otherwise it confirms the current one. Compares the written form and
    /// not the look-up key, because a change of case is a change.
    pub fn is_change(&self, user: &User) -> bool {
        user.email.as_ref().map(Email::as_str) != Some(self.email.as_str())
    }

    /// Whether the link is valid at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Whether another e-mail may be sent at `now` without a request of the user or an operator.
    pub fn may_be_resent(&self, now: Timestamp) -> bool {
        now >= self.requested_at + RESEND_INTERVAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_valid_for_a_day_and_is_sent_again_after_five_minutes() {
        let at = Timestamp::from_unix;
        let email = Email::from_stored("ann@example.org".to_owned());
        let confirmation = EmailConfirmation::requested(UserId(1), email, false, at(1000));
        assert!(confirmation.is_live(at(1000 + 86_399)) && !confirmation.is_live(at(1000 + 86_400)));
        assert!(!confirmation.may_be_resent(at(1000 + 299)) && confirmation.may_be_resent(at(1000 + 300)));
    }
}
