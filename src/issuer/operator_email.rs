//! What operators do about the confirmation of a user's e-mail address: send another e-mail, or confirm the address
//! themselves.

use super::change_email::changed_meanwhile;
use super::context::Issuer;
use super::denied::{Denied, OperatorRule};
use super::email_confirmation::{PreparedConfirmation, take_effect};
use super::notices::Notices;
use crate::domain::audit::{Action, Operator};
use crate::domain::email_confirmation::EmailConfirmation;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User};
use crate::store::{Read, StoreError};

/// An address that a user has not confirmed.
struct Unconfirmed {
    user: User,
    confirmation: EmailConfirmation,
}

impl Unconfirmed {
    /// Finds the address that the user requested, or else the user's current address.
    fn find(tx: &dyn Read, id: UserId, now: Timestamp) -> Result<Self, Denied> {
        let user = tx.user(id)?.ok_or(OperatorRule::NoUser)?;
        if let Some(confirmation) = tx.email_confirmation_of(id, now)? {
            return Ok(Self { user, confirmation });
        }
        let email = user.email.clone().ok_or(OperatorRule::NoEmail)?;
        if user.email_verified {
            return Err(OperatorRule::EmailVerified.into());
        }
        Ok(Self { confirmation: EmailConfirmation::requested(id, email, false, now), user })
    }
}

/// An operator's request to send a user the e-mail with the confirmation link. No rate limit applies to operators.
#[derive(Debug)]
pub struct SendConfirmation {
    /// The user.
    pub user: UserId,
    /// The operator.
    pub by: Operator,
}

impl SendConfirmation {
    /// Queues an e-mail to the address that the user requested, or else to the user's unverified address. Its link
    /// replaces an earlier one. Returns the address.
    pub async fn run(self, issuer: &Issuer) -> Result<Email, Denied> {
        let Self { user, by } = self;
        let now = issuer.clock.now();
        let found = issuer.store.read(move |tx| Unconfirmed::find(tx, user, now)).await?;
        if !found.user.is_active {
            return Err(OperatorRule::Disabled.into());
        }
        let EmailConfirmation { email, becomes_username, .. } = found.confirmation;
        let prepared = PreparedConfirmation::new(issuer, &found.user.username, &email, becomes_username)?;
        let entry = by.entry(now, Action::EmailConfirmationSent, Some(user), email.to_string());
        let queued = issuer.store.write_for_user(user, move |tx| {
            let current = Unconfirmed::find(tx, user, now)?;
            if current.confirmation.email.as_str() != prepared.email().as_str() {
                return Err(changed_meanwhile().into());
            }
            prepared.queue(tx, user)?;
            Ok::<(), Denied>(tx.record(&entry)?)
        });
        queued.await?;
        Ok(email)
    }
}

/// An operator's request to confirm a user's address without a link.
#[derive(Debug)]
pub struct ConfirmForUser {
    /// The user.
    pub user: UserId,
    /// The operator.
    pub by: Operator,
}

impl ConfirmForUser {
    /// Makes the address that the user requested take effect, or else marks the user's address as verified. Returns the
    /// address.
    pub async fn run(self, issuer: &Issuer) -> Result<Email, Denied> {
        let Self { user, by } = self;
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let notices = Notices::new(issuer);
        let confirmed = issuer.store.write_for_user(user, move |tx| {
            let Unconfirmed { user, confirmation } = Unconfirmed::find(tx, user, now)?;
            let entry = |action, detail| by.entry(now, action, Some(user.id), detail);
            take_effect(tx, &user, &confirmation, &settings, &notices, entry)?;
            Ok::<Email, Denied>(confirmation.email)
        });
        confirmed.await
    }
}

/// The confirmation of a user, if its link is valid.
pub async fn pending(issuer: &Issuer, user: UserId) -> Result<Option<EmailConfirmation>, StoreError> {
    let now = issuer.clock.now();
    issuer.store.read(move |tx| tx.email_confirmation_of(user, now)).await
}
