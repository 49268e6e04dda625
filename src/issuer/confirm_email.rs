//! Confirms an e-mail address with the link that was sent to it.

use super::context::{Caller, Issuer};
use super::email_confirmation::take_effect;
use super::notices::Notices;
use super::refusal::Refusal;
use crate::domain::audit::AuditEntry;
use crate::domain::field::Field;
use crate::domain::limit::Limit;
use crate::domain::reset_code::{LinkToken, ResetSecret};
use crate::domain::secret::SecretText;
use crate::domain::user::{Email, Username};
use crate::store::{Read, StoreError};
use crate::throttle::AttemptKey;

/// A request to confirm an address, from the person who opened the link.
#[derive(Debug)]
pub struct ConfirmEmail {
    /// The token of the link.
    pub token: SecretText,
    /// The caller.
    pub from: Caller,
}

/// A confirmed address.
#[derive(Clone, Debug)]
pub struct ConfirmedEmail {
    /// The address.
    pub email: Email,
    /// The name of the user who has it.
    pub username: Username,
}

/// Why an address was not confirmed.
#[derive(Debug)]
pub enum ConfirmEmailError {
    /// The link is wrong, used, replaced or expired, or its user is disabled.
    WrongLink,
    /// Another user has the address.
    Taken,
    /// A refusal that all callers can get.
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for ConfirmEmailError {
    fn from(error: E) -> Self {
        match error.into() {
            Refusal::Taken(Field::Email | Field::Username) => Self::Taken,
            refusal => Self::Refused(refusal),
        }
    }
}

impl ConfirmEmail {
    /// Confirms the address, which then replaces the user's previous address, and invalidates the link.
    pub async fn run(self, issuer: &Issuer) -> Result<ConfirmedEmail, ConfirmEmailError> {
        let Self { token, from } = self;
        let guess = issuer.throttle.admit(Limit::ResetGuessCaller, AttemptKey::caller(from.address)).await?;
        let confirmed = confirm(issuer, &token, from).await;
        if matches!(confirmed, Err(ConfirmEmailError::WrongLink)) {
            guess.count();
        }
        confirmed
    }
}

async fn confirm(issuer: &Issuer, token: &SecretText, from: Caller) -> Result<ConfirmedEmail, ConfirmEmailError> {
    let token = LinkToken::parse(token.expose()).ok_or(ConfirmEmailError::WrongLink)?;
    let hash = issuer.hash_reset(&ResetSecret::Link(token));
    let now = issuer.clock.now();
    let settings = issuer.settings();
    let notices = Notices::new(issuer);
    let find = move |tx: &dyn Read| {
        let confirmation = tx.email_confirmation(hash, now)?.ok_or(ConfirmEmailError::WrongLink)?;
        let user = tx.user(confirmation.user)?.ok_or(ConfirmEmailError::WrongLink)?;
        // The address of a superuser is changed by operators only.
        let is_admitted = !(user.is_superuser && confirmation.is_change(&user));
        is_admitted.then_some((user, confirmation)).ok_or(ConfirmEmailError::WrongLink)
    };
    let (user, _) = issuer.store.read(find).await?;
    issuer
        .store
        .write_for_user(user.id, move |tx| {
            let (user, confirmation) = find(tx)?;
            take_effect(tx, &user, &confirmation, &settings, &notices, |action, detail| {
                AuditEntry::by_user(now, action, user.id, from.address, detail)
            })?;
            let user = tx.user(user.id)?;
            let user = user.ok_or_else(|| StoreError::Fault("the confirmed user is missing".to_owned()))?;
            Ok(ConfirmedEmail { email: confirmation.email, username: user.username })
        })
        .await
}
