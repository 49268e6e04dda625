//! Changes the password, address or name of the signed-in user.

use super::authenticate::live_user;
use super::change_permit::{ChangePermit, OwnerProof};
use super::context::Issuer;
use super::end_sessions::{EndScope, end_sessions};
use super::kept_names::{check_name_free, keep_name};
use super::refusal::{Refusal, Unauthenticated};
use super::signed_in::SignedIn;
use crate::crypto::password_hash::PasswordCheck;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::Dialect;
use crate::domain::field::{Field, FieldProblem};
use crate::domain::limit::Limit;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::session::EndReason;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User, Username};
use crate::store::{StoreError, Write};
use crate::throttle::AttemptKey;

/// A signed-in user's request to change the account. Fields that are `None` stay unchanged.
#[derive(Debug)]
pub struct UpdateProfile {
    /// The new password, not yet checked. Changing it ends all the user's other sessions.
    pub password: Option<Password>,
    /// The new address.
    pub email: Option<Email>,
    /// The new name.
    pub username: Option<Username>,
    /// The proof that the caller is the owner of the account. Needed to change the password or the address.
    pub proof: OwnerProof,
    /// The dialect of the request. A token that resource servers of another dialect receive must not change the
    /// account.
    pub dialect: Dialect,
}

impl UpdateProfile {
    /// Makes all changes or none. Returns the changed user.
    pub async fn run(self, signed_in: &SignedIn, issuer: &Issuer) -> Result<User, Refusal> {
        let Self { password, email, username, proof, dialect } = self;
        signed_in.may_act_in(dialect)?;
        let from = proof.from;
        // Some clients send the whole profile. What stays as it is needs no proof.
        let email = email.filter(|email| !is_same_text(email, signed_in.user().email.as_ref()));
        let permit = match (&password, &email) {
            (None, None) => None,
            _ => Some(ChangePermit::request(issuer, signed_in, proof).await?),
        };
        let username = username.or_else(|| new_name(signed_in.user(), email.as_ref()));
        let address = email.as_ref().or(signed_in.user().email.as_ref());
        let checked = username.as_ref().map_or(Ok(()), |username| username.check_against_email(address));
        checked.map_err(|problem| Refusal::invalid(Field::Username, problem))?;
        let hash = match password {
            Some(password) => {
                // Each change takes one or two hashes. The limit prevents one token from using up the hashing pool.
                let key = AttemptKey::Account(signed_in.user().id);
                issuer.throttle.admit(Limit::PasswordChangeAccount, key).await?.count();
                Some(hash(issuer, signed_in.user(), password).await?)
            }
            None => None,
        };
        let signed_in = signed_in.clone();
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let changed: Result<(User, usize), Refusal> = issuer
            .store
            .write_for_user(signed_in.user().id, move |tx| {
                let id = signed_in.user().id;
                // The session may have ended while the password was hashed. An ended session must not change anything.
                let user = live_user(tx, signed_in.session().id, &settings, now)?;
                if let Some(permit) = &permit {
                    permit.check(&user)?;
                }
                let record =
                    |action, detail: &str| tx.record(&AuditEntry::by_user(now, action, id, from.address, detail));
                if let Some(username) = &username {
                    if username != &user.username {
                        let email = email.as_ref().or(user.email.as_ref());
                        check_name_free(tx, username, email, Some(id), now)?;
                        keep_name(tx, &user, &settings, now)?;
                    }
                    tx.set_username(id, username)?;
                    record(Action::UsernameChanged, username.as_str())?;
                }
                if let Some(email) = &email {
                    tx.set_email(id, email)?;
                    record(Action::EmailChanged, email.as_str())?;
                }
                let mut ended = 0;
                if let Some(hash) = &hash {
                    ended = replace_password(tx, &signed_in, hash, now)?;
                    record(Action::PasswordChanged, &format!("other sessions ended: {ended}"))?;
                }
                Ok((tx.user(id)?.ok_or(Unauthenticated::SessionEnded)?, ended))
            })
            .await;
        let (user, ended) = changed?;
        issuer.counted_ended(ended);
        Ok(user)
    }
}

fn is_same_text(new: &Email, current: Option<&Email>) -> bool {
    current.is_some_and(|current| current.as_str() == new.as_str())
}

/// If the user name is the old address, returns the new address as the new user name. The old address may belong to
/// another person later, who must be able to use it as a user name.
pub(super) fn new_name(user: &User, email: Option<&Email>) -> Option<Username> {
    let was_the_name = user.email.as_ref().is_some_and(|old| old.key() == user.username.key());
    email.filter(|_| was_the_name).and_then(|email| Username::parse(email.as_str()).ok())
}

async fn hash(issuer: &Issuer, user: &User, password: Password) -> Result<PasswordHash, Refusal> {
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

fn replace_password(
    tx: &dyn Write,
    signed_in: &SignedIn,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let id = signed_in.user().id;
    let session = signed_in.session().id;
    tx.set_password(id, hash, None)?;
    tx.clear_temporary(session)?;
    end_sessions(tx, EndScope::OfUser { user: id, except: Some(session) }, EndReason::PasswordChanged, now)
}
