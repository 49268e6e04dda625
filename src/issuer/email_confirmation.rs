//! Prepares and queues the e-mail with the link that confirms an address, and makes a confirmed address take effect.

use super::context::{Caller, Issuer};
use super::kept_names::keep_name;
use super::notices::Notices;
use super::refusal::Refusal;
use crate::domain::account_change::AccountChange;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::email_confirmation::{CONFIRMATION_LIFETIME, EmailConfirmation, VerifyEmail};
use crate::domain::id::UserId;
use crate::domain::limit::Limit;
use crate::domain::mail_item::NewMail;
use crate::domain::mail_name::MailRecipient;
use crate::domain::reset_code::{CONFIRM_PARAMETER, LinkToken, ResetSecret};
use crate::domain::setting::snapshot::Settings;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, NewUser, User, Username};
use crate::mail::Mail;
use crate::store::{CodeHash, StoreError, Write};
use crate::throttle::{Attempt, AttemptKey};

/// An e-mail with a new confirmation link, and the hash of the link.
pub(super) struct PreparedConfirmation {
    email: Email,
    becomes_username: bool,
    hash: CodeHash,
    mail: NewMail,
    now: Timestamp,
}

impl PreparedConfirmation {
    /// Makes a new link for the address, which belongs to the user or is to replace the user's address.
    pub(super) fn new(
        issuer: &Issuer,
        username: &Username,
        email: &Email,
        becomes_username: bool,
    ) -> Result<Self, Refusal> {
        let token = LinkToken::from_random(issuer.random.bytes());
        let link = token.link(&issuer.policy.confirm_url, CONFIRM_PARAMETER);
        let mail = Mail::ConfirmEmail {
            username: username.clone(),
            email: email.clone(),
            link,
            valid_for: CONFIRMATION_LIFETIME,
        };
        Ok(Self {
            email: email.clone(),
            becomes_username,
            hash: issuer.hash_reset(&ResetSecret::Link(token)),
            mail: issuer.prepare_mail(&mail, &MailRecipient { address: email.clone(), is_verified: false })?,
            now: issuer.clock.now(),
        })
    }

    /// The address to be confirmed.
    pub(super) fn email(&self) -> &Email {
        &self.email
    }

    /// Stores the link, which replaces an earlier one of the user, and queues the e-mail.
    pub(super) fn queue(&self, tx: &dyn Write, user: UserId) -> Result<(), StoreError> {
        let Self { email, becomes_username, .. } = self;
        let confirmation = EmailConfirmation::requested(user, email.clone(), *becomes_username, self.now);
        tx.put_email_confirmation(&confirmation, self.hash)?;
        tx.queue_mail(&self.mail).map(drop)
    }
}

/// The confirmation that a registration requires. It is prepared before the transaction that inserts the user.
pub(super) struct RegistrationConfirmation {
    /// `None` if the caller has reached its limit of e-mails. The user gets one at a later sign-in.
    prepared: Option<PreparedConfirmation>,
    from: Caller,
}

impl RegistrationConfirmation {
    /// Prepares the confirmation of a new user's address. `None` if the settings require none.
    pub(super) async fn prepare(issuer: &Issuer, user: &NewUser, from: Caller) -> Result<Option<Self>, Refusal> {
        let Some(email) = user.email.as_ref().filter(|_| issuer.settings().verify_email() != VerifyEmail::Off) else {
            return Ok(None);
        };
        let prepared = match admit_caller(issuer, from).await {
            Some(attempt) => {
                attempt.count();
                Some(PreparedConfirmation::new(issuer, &user.username, email, false)?)
            }
            None => None,
        };
        Ok(Some(Self { prepared, from }))
    }

    /// Obliges the new user to confirm the address, and queues the e-mail.
    pub(super) fn store(&self, tx: &dyn Write, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        tx.require_email_confirmation(user)?;
        let Some(prepared) = &self.prepared else { return Ok(()) };
        prepared.queue(tx, user)?;
        tx.record(&sent_entry(now, user, self.from, prepared))
    }
}

/// The audit entry for a confirmation e-mail to the user's current address.
pub(super) fn sent_entry(now: Timestamp, user: UserId, from: Caller, prepared: &PreparedConfirmation) -> AuditEntry {
    AuditEntry::by_user(now, Action::EmailConfirmationSent, user, from.address, prepared.email.as_str())
}

/// Admits an e-mail that a caller causes; `None` if the caller has reached its limit.
pub(super) async fn admit_caller(issuer: &Issuer, from: Caller) -> Option<Attempt<'_>> {
    issuer.throttle.admit(Limit::ResetMailCaller, AttemptKey::caller(from.address)).await.ok()
}

/// If the user name is the old address, returns the new address as the new user name. The old address may belong to
/// another person later, who must be able to use it as a user name.
pub(super) fn new_name(user: &User, email: &Email) -> Option<Username> {
    let was_the_name = user.email.as_ref().is_some_and(|old| old.key() == user.username.key());
    if was_the_name { Username::parse(email.as_str()).ok() } else { None }
}

/// Makes a confirmed address take effect, and deletes the confirmation. The address becomes the user name if the user
/// requested that, or if the user name is the previous address. The previous address gets a notice. `record` makes the
/// audit entries.
///
/// # Errors
/// Another user has the address.
pub(super) fn take_effect(
    tx: &dyn Write,
    user: &User,
    confirmation: &EmailConfirmation,
    settings: &Settings,
    notices: &Notices,
    record: impl Fn(Action, String) -> AuditEntry,
) -> Result<(), StoreError> {
    let EmailConfirmation { email, becomes_username, .. } = confirmation;
    if !confirmation.is_change(user) {
        tx.verify_email(user.id)?;
        return tx.record(&record(Action::EmailVerified, email.to_string()));
    }
    tx.set_email(user.id, email)?;
    tx.verify_email(user.id)?;
    tx.record(&record(Action::EmailChanged, email.to_string()))?;
    let mut changes = vec![AccountChange::Email];
    let requested = if *becomes_username { Username::parse(email.as_str()).ok() } else { None };
    if let Some(username) = requested.or_else(|| new_name(user, email)) {
        if username != user.username {
            keep_name(tx, user, settings, notices.now())?;
        }
        tx.set_username(user.id, &username)?;
        if *becomes_username {
            tx.set_has_username(user.id)?;
        }
        tx.record(&record(Action::UsernameChanged, username.to_string()))?;
        changes.push(AccountChange::Username);
    }
    notices.queue(tx, user, &changes)
}
