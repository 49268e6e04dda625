//! Changes the password, address or name of the signed-in user.

use super::authenticate::live_user;
use super::change_email::{ChangeEmail, has_address};
use super::change_permit::{ChangePermit, OwnerProof};
use super::context::Issuer;
use super::end_sessions::{EndScope, end_sessions};
use super::kept_names::{check_name_free, keep_name};
use super::notices::Notices;
use super::refusal::{Refusal, Unauthenticated};
use super::sign_in::open_session;
use super::signed_in::SignedIn;
use crate::crypto::password_hash::PasswordCheck;
use crate::domain::account_change::AccountChange;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::Dialect;
use crate::domain::field::{Field, FieldProblem};
use crate::domain::limit::Limit;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::session::{EndReason, Session};
use crate::domain::setting::snapshot::Settings;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User, Username};
use crate::store::{StoreError, Write};
use crate::throttle::{Attempt, AttemptKey};

/// A signed-in user's request to change the account. Fields that are `None` stay unchanged.
#[derive(Debug)]
pub struct UpdateProfile {
    /// The new password, not yet checked. Changing it ends all sessions of the user and opens a new one.
    pub password: Option<Password>,
    /// The new address. It takes effect when it is confirmed.
    pub email: Option<Email>,
    /// The new name.
    pub username: Option<Username>,
    /// The proof that the caller is the owner of the account. Needed to change the password or the address.
    pub proof: OwnerProof,
    /// The dialect of the request. A token that resource servers of another dialect receive must not change the
    /// account.
    pub dialect: Dialect,
}

/// A changed account.
#[derive(Debug)]
pub struct UpdatedProfile {
    /// The user after the change.
    pub user: User,
    /// The new session after a change of the password, which ended the caller's session. `None` if the password is
    /// unchanged.
    pub opened: Option<SignedIn>,
}

impl UpdateProfile {
    /// Makes all changes or none.
    pub async fn run(self, signed_in: &SignedIn, issuer: &Issuer) -> Result<UpdatedProfile, Refusal> {
        let Self { password, email, username, proof, dialect } = self;
        signed_in.may_act_in(dialect)?;
        let from = proof.from;
        let id = signed_in.user().id;
        if email.is_some() || username.is_some() {
            // A refusal reveals which names and addresses are taken, so refused changes count too.
            issuer.throttle.admit(Limit::ProfileChangeAccount, AttemptKey::Account(id)).await?.count();
        }
        // Some clients send the whole profile. What stays as it is needs no proof.
        let has_new_address = email.as_ref().is_some_and(|email| !has_address(signed_in.user(), email));
        let needs_proof = password.is_some() || has_new_address;
        let permit = if needs_proof { Some(ChangePermit::request(issuer, signed_in, proof).await?) } else { None };
        let (username, becomes_username) = split_name(signed_in.user(), username, email.as_ref())?;
        let hash = match password {
            Some(password) => Some(hash(issuer, signed_in.user(), password).await?),
            None => None,
        };
        let change_email = match email {
            Some(email) => Some(ChangeEmail::prepare(issuer, signed_in.user(), email, becomes_username, from).await?),
            None => None,
        };
        let (change_email, mail_attempts) = change_email.unzip();
        let session = signed_in.session().id;
        let opened = permit.as_ref().map(|permit| permit.successor(issuer, signed_in.session(), from));
        let new_password = hash.zip(opened);
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let notices = Notices::new(issuer);
        let changed: Result<(UpdatedProfile, usize), Refusal> = issuer
            .store
            .write_for_user(id, move |tx| {
                // The session may have ended while the password was hashed. An ended session must not change anything.
                let user = live_user(tx, session, &settings, now)?;
                if let Some(permit) = &permit {
                    permit.check(&user)?;
                }
                let mut changes = Vec::new();
                let record =
                    |action, detail: &str| tx.record(&AuditEntry::by_user(now, action, id, from.address, detail));
                username.as_ref().map(|_| tx.set_has_username(id)).transpose()?;
                if let Some(username) = username.as_ref().filter(|new| new.as_str() != user.username.as_str()) {
                    replace_username(tx, &user, username, &settings, now)?;
                    record(Action::UsernameChanged, username.as_str())?;
                    changes.push(AccountChange::Username);
                }
                let mut ended = 0;
                if let Some((hash, opened)) = &new_password {
                    ended = replace_password(tx, hash, opened, now)?;
                    let detail = format!("sessions ended: {ended}; opened {} {}", opened.opened_by, opened.id);
                    record(Action::PasswordChanged, &detail)?;
                    changes.push(AccountChange::Password);
                }
                // After the password, because a new password withdraws an earlier request.
                if let Some(change_email) = &change_email {
                    change_email.store(tx, &user, now)?;
                }
                notices.queue(tx, &user, &changes)?;
                let user = tx.user(id)?.ok_or(Unauthenticated::SessionEnded)?;
                let opened = new_password.as_ref().map(|(_, opened)| opened.clone());
                let opened = opened.map(|session| SignedIn::authenticated(user.clone(), session));
                Ok((UpdatedProfile { user, opened }, ended))
            })
            .await;
        let (updated, ended) = changed?;
        mail_attempts.into_iter().flatten().for_each(Attempt::count);
        issuer.counted_ended(ended);
        Ok(updated)
    }
}

/// Separates a user name that is the new address, which takes effect together with it: until then the address may be
/// another person's. Returns the user name that takes effect at once, and whether the address becomes the user name.
fn split_name(
    user: &User,
    username: Option<Username>,
    email: Option<&Email>,
) -> Result<(Option<Username>, bool), Refusal> {
    let Some(username) = username else { return Ok((None, false)) };
    if email.is_some_and(|email| email.key() == username.key() && !has_address(user, email)) {
        return Ok((None, true));
    }
    let checked = username.check_against_email(user.email.as_ref());
    checked.map_err(|problem| Refusal::invalid(Field::Username, problem))?;
    Ok((Some(username), false))
}

async fn hash(issuer: &Issuer, user: &User, password: Password) -> Result<PasswordHash, Refusal> {
    // Each change takes one or two hashes. The limit prevents one token from using up the hashing pool.
    issuer.throttle.admit(Limit::PasswordChangeAccount, AttemptKey::Account(user.id)).await?.count();
    let wrong = |problem: FieldProblem| Refusal::invalid(Field::Password, problem);
    issuer.policy.passwords.check(&password, &[user.username.as_str()]).map_err(wrong)?;
    // An operator or a response has disclosed the temporary password, so the new password must differ from it.
    if user.must_change_password()
        && issuer.check_password(password.clone(), user.password.clone()).await? != PasswordCheck::Wrong
    {
        return Err(wrong(FieldProblem::Unchanged));
    }
    issuer.hash_password(password).await
}

fn replace_username(
    tx: &dyn Write,
    user: &User,
    username: &Username,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), Refusal> {
    if *username != user.username {
        check_name_free(tx, username, user.email.as_ref(), Some(user.id), now)?;
        keep_name(tx, user, settings, now)?;
    }
    Ok(tx.set_username(user.id, username)?)
}

/// Sets the password, ends every session of the user, and opens the one for the caller. A thief may share the caller's
/// session.
fn replace_password(
    tx: &dyn Write,
    hash: &PasswordHash,
    opened: &Session,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let user = opened.user;
    tx.set_password(user, hash, None)?;
    let ended = end_sessions(tx, EndScope::OfUser { user, except: None }, EndReason::PasswordChanged, now)?;
    Ok(ended + open_session(tx, opened)?)
}
