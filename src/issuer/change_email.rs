//! A signed-in user's request for another e-mail address. It takes effect when the new address is confirmed; until then
//! the user keeps the old one. A part of [`UpdateProfile`](super::update_profile::UpdateProfile).

use super::context::{Caller, Issuer};
use super::email_confirmation::{PreparedConfirmation, admit_caller, sent_entry};
use super::mail_limits::admit_mail;
use super::refusal::Refusal;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::email_confirmation::{CONFIRMATION_LIFETIME, VerifyEmail};
use crate::domain::limit::Limit;
use crate::domain::mail_item::NewMail;
use crate::domain::mail_name::MailRecipient;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User};
use crate::mail::Mail;
use crate::store::{StoreError, Write};
use crate::throttle::{Attempt, AttemptKey};

/// A request for an address, prepared before the transaction that stores it.
pub(super) struct ChangeEmail {
    email: Email,
    /// The e-mail with the link. `None` if the user has the address, and needs or gets no e-mail to confirm it.
    prepared: Option<PreparedConfirmation>,
    /// The present address, and the notice to it.
    present: Option<Email>,
    notice: Option<NewMail>,
    from: Caller,
}

/// Whether the user has exactly this address. Another spelling is another address, which its owner must confirm.
pub(super) fn has_address(user: &User, email: &Email) -> bool {
    user.email.as_ref().is_some_and(|current| current.as_str() == email.as_str())
}

impl ChangeEmail {
    /// Prepares the request. `becomes_username` says that the user also requested the address as user name. The user's
    /// own address is confirmed again if the settings require a confirmation; this is not refused if a limit of e-mails
    /// is reached, because clients send the address with every change. Also returns the attempts to count when the
    /// request is stored.
    pub(super) async fn prepare<'i>(
        issuer: &'i Issuer,
        user: &User,
        email: Email,
        becomes_username: bool,
        from: Caller,
    ) -> Result<(Self, Vec<Attempt<'i>>), Refusal> {
        if has_address(user, &email) {
            let is_needed = !user.email_verified && issuer.settings().verify_email() != VerifyEmail::Off;
            let prepared = if is_needed { resend(issuer, user, &email, from).await? } else { None };
            return Ok((Self { present: Some(email.clone()), email, prepared, notice: None, from }, Vec::new()));
        }
        let by_caller = issuer.throttle.admit(Limit::ResetMailCaller, AttemptKey::caller(from.address)).await?;
        let key = AttemptKey::account_by_caller(user.id, from.address);
        let by_account = issuer.throttle.admit(Limit::ResetMailAccount, key).await?;
        let prepared = PreparedConfirmation::new(issuer, &user.username, &email, becomes_username)?;
        let notice = user.email.as_ref().map(|present| {
            let notice = Mail::EmailChangeRequested {
                username: user.username.clone(),
                new_email: email.clone(),
                at: issuer.clock.now(),
                valid_for: CONFIRMATION_LIFETIME,
            };
            let to = MailRecipient { address: present.clone(), is_verified: user.email_verified };
            issuer.prepare_mail(&notice, &to)
        });
        let present = user.email.clone();
        let request = Self { email, prepared: Some(prepared), present, notice: notice.transpose()?, from };
        Ok((request, vec![by_caller, by_account]))
    }

    /// Stores the request in place of an earlier one, and queues the e-mails. `user` is the user in the transaction. A
    /// request for the user's own address withdraws an earlier request for another one.
    pub(super) fn store(&self, tx: &dyn Write, user: &User, now: Timestamp) -> Result<(), Refusal> {
        let Self { email, prepared, present, notice, from } = self;
        let record = |detail: String| {
            let entry = AuditEntry::by_user(now, Action::EmailChangeRequested, user.id, from.address, detail);
            tx.record(&entry)
        };
        if has_address(user, email) {
            if tx.cancel_email_change(user.id)? {
                record("withdrawn".to_owned())?;
            }
            return Ok(self.confirm_again(tx, user, now)?);
        }
        tx.check_email_free(email, user.id)?;
        let is_current = present.as_ref().map(Email::as_str) == user.email.as_ref().map(Email::as_str);
        let prepared = prepared.as_ref().filter(|_| is_current).ok_or_else(changed_meanwhile)?;
        prepared.queue(tx, user.id)?;
        if let Some(notice) = notice {
            tx.queue_mail(notice)?;
        }
        Ok(record(email.to_string())?)
    }

    fn confirm_again(&self, tx: &dyn Write, user: &User, now: Timestamp) -> Result<(), StoreError> {
        let Some(prepared) = self.prepared.as_ref().filter(|_| !user.email_verified) else { return Ok(()) };
        let earlier = tx.email_confirmation_of(user.id, now)?;
        if earlier.is_some_and(|earlier| !earlier.may_be_resent(now)) {
            return Ok(());
        }
        prepared.queue(tx, user.id)?;
        tx.record(&sent_entry(now, user.id, self.from, prepared))
    }
}

/// Prepares another e-mail to the address to be confirmed; `None` if a limit of e-mails is reached. An e-mail that is
/// not queued counts too.
pub(super) async fn resend(
    issuer: &Issuer,
    user: &User,
    email: &Email,
    from: Caller,
) -> Result<Option<PreparedConfirmation>, Refusal> {
    let Some(by_caller) = admit_caller(issuer, from).await else { return Ok(None) };
    // The caller is signed in or knows the password, so it is not a stranger.
    if !admit_mail(issuer, user.id, from, true).await {
        return Ok(None);
    }
    by_caller.count();
    PreparedConfirmation::new(issuer, &user.username, email, false).map(Some)
}

/// The user was changed between the preparation and the transaction.
pub(super) fn changed_meanwhile() -> StoreError {
    StoreError::Unavailable("the user was changed at the same time".to_owned())
}
