//! Refuses a sign-in while `registration.verify_email` is `require` and the user, who registered under it or under
//! `send`, has not confirmed the address.

use super::change_email::resend;
use super::context::{Caller, Issuer};
use super::email_confirmation::sent_entry;
use super::refusal::Refusal;
use crate::domain::email_confirmation::{EmailConfirmation, VerifyEmail};
use crate::domain::setting::snapshot::Settings;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User};
use crate::store::{Read, StoreError};

/// Whether the user must confirm the address before a sign-in. Reads the store only if the settings require it.
pub(super) fn must_confirm(tx: &dyn Read, user: &User, settings: &Settings) -> Result<bool, StoreError> {
    Ok(settings.verify_email() == VerifyEmail::Require && !user.email_verified && tx.must_confirm_email(user.id)?)
}

/// Refuses the sign-in of a user who must confirm the address. Call it only after the user was authenticated: the
/// refusal reveals that the password is correct. Sends another e-mail if the last one is at least 5 minutes old.
pub(super) async fn check_confirmed(issuer: &Issuer, user: &User, from: Caller) -> Result<(), Refusal> {
    let settings = issuer.settings();
    if settings.verify_email() != VerifyEmail::Require || user.email_verified {
        return Ok(());
    }
    let read = user.clone();
    let is_blocked = issuer.store.read(move |tx| must_confirm(tx, &read, &settings)).await;
    if is_blocked.map_err(|error: StoreError| Refusal::from(error))? {
        return Err(refuse(issuer, user, from).await);
    }
    Ok(())
}

/// Sends another e-mail if the last one is at least 5 minutes old and no limit of e-mails is reached, and returns the
/// refusal.
pub(super) async fn refuse(issuer: &Issuer, user: &User, from: Caller) -> Refusal {
    match send_again(issuer, user, from).await {
        Ok(()) => Refusal::EmailNotConfirmed,
        Err(refusal) => refusal,
    }
}

async fn send_again(issuer: &Issuer, user: &User, from: Caller) -> Result<(), Refusal> {
    let now = issuer.clock.now();
    let id = user.id;
    let earlier = issuer.store.read(move |tx| tx.email_confirmation_of(id, now)).await;
    let earlier = earlier.map_err(|error: StoreError| Refusal::from(error))?;
    // A user who has requested another address, for example because of a typing error, gets the e-mail there.
    let Some(email) = address_to_confirm(earlier.as_ref(), user) else { return Ok(()) };
    if !is_due(earlier.as_ref(), now) {
        return Ok(());
    }
    let Some(prepared) = resend(issuer, user, &email, from).await? else { return Ok(()) };
    let settings = issuer.settings();
    let sent = issuer.store.write_for_user(id, move |tx| {
        let Some(current) = tx.user(id)? else { return Ok(()) };
        let earlier = tx.email_confirmation_of(id, now)?;
        let is_same = address_to_confirm(earlier.as_ref(), &current).is_some_and(|email| {
            email.as_str() == prepared.email().as_str() // the user may have been changed meanwhile
        });
        if is_same && is_due(earlier.as_ref(), now) && must_confirm(tx, &current, &settings)? {
            prepared.queue(tx, id)?;
            tx.record(&sent_entry(now, id, from, &prepared))?;
        }
        Ok(())
    });
    sent.await.map_err(|error: StoreError| error.into())
}

fn address_to_confirm(earlier: Option<&EmailConfirmation>, user: &User) -> Option<Email> {
    earlier.map(|earlier| earlier.email.clone()).or_else(|| user.email.clone())
}

fn is_due(earlier: Option<&EmailConfirmation>, now: Timestamp) -> bool {
    earlier.is_none_or(|earlier| earlier.may_be_resent(now))
}
