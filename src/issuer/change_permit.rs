//! The permit to change how an account is opened: its password, its e-mail address and its linked accounts at providers.
//!
//! An access token alone is no permit, because every resource server that receives it could use it. The owner proves
//! the change with the current password or with a recent sign-in. Each use case that makes such a change requests a
//! permit, and checks it again in its transaction.

use std::time::Duration;

use super::context::{Caller, Issuer};
use super::password_guess::PasswordGuess;
use super::refusal::{ChangeProblem, Refusal};
use super::sign_in::begin;
use super::signed_in::SignedIn;
use crate::crypto::password_hash::PasswordCheck;
use crate::domain::amr::Amr;
use crate::domain::failure_log::SignInPlace;
use crate::domain::limit::Limit;
use crate::domain::origin::Origin;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::domain::user::{Login, User};
use crate::store::StoreError;
use crate::throttle::{AttemptKey, prefix};

/// How long a sign-in is recent.
pub const RECENT_SIGN_IN: Duration = Duration::from_mins(5);

/// What a caller sends with the access token to prove that the caller is the owner of the account.
#[derive(Debug)]
pub struct OwnerProof {
    /// The current password; any text. `None` if none was sent.
    pub current_password: Option<Password>,
    /// The caller.
    pub from: Caller,
}

/// The permit of one user for one request. Only [`ChangePermit::request`] creates one.
#[derive(Clone, Debug)]
pub(super) struct ChangePermit {
    /// The hash of the password that the caller sent. `None` if the caller sent none.
    checked: Option<PasswordHash>,
    /// When the user last authenticated.
    auth_time: Timestamp,
}

impl ChangePermit {
    /// Checks the proof. Refuses a superuser, whose account only operators change. Refuses a wrong password even after a
    /// recent sign-in, and counts it as a failed sign-in.
    pub(super) async fn request(issuer: &Issuer, signed_in: &SignedIn, proof: OwnerProof) -> Result<Self, Refusal> {
        let user = signed_in.user();
        check_ordinary(user)?;
        let OwnerProof { current_password, from } = proof;
        let now = issuer.clock.now();
        match current_password {
            Some(password) => {
                check_password(issuer, signed_in, password, from).await?;
                Ok(Self { checked: user.password.clone(), auth_time: now })
            }
            None if issuer.policy.bare_changes || is_recent(signed_in.session(), now) => {
                Ok(Self { checked: None, auth_time: signed_in.session().auth_time })
            }
            None => Err(ChangeProblem::ProofMissing.into()),
        }
    }

    /// Checks the permit against the user as the store has it now. Call it in the write transaction: the user may have
    /// become a superuser, or the password may have been changed.
    pub(super) fn check(&self, current: &User) -> Result<(), Refusal> {
        check_ordinary(current)?;
        if self.checked.is_some() && self.checked != current.password {
            return Err(ChangeProblem::WrongPassword.into());
        }
        Ok(())
    }

    /// Makes the session that replaces `replaced` after a change of the password. Does not store it. It is opened in the
    /// same dialect. It is no recent sign-in unless the caller sent the password: with a token alone, a thief could make
    /// one recent.
    pub(super) fn successor(&self, issuer: &Issuer, replaced: &Session, from: Caller) -> Session {
        let Origin::Dialect(dialect) = replaced.opened_by;
        Session {
            auth_time: self.auth_time,
            amr: if self.checked.is_some() { Some(Amr::Password) } else { replaced.amr },
            provider: replaced.provider.clone(),
            ..begin(issuer, replaced.user, dialect, Some(from.address))
        }
    }
}

/// Refuses a superuser. A stolen token, or a claim of a provider, must not open the admin zone.
pub(super) fn check_ordinary(user: &User) -> Result<(), Refusal> {
    if user.is_superuser { Err(ChangeProblem::Superuser.into()) } else { Ok(()) }
}

/// Whether the user authenticated less than 5 minutes ago. A renewal of the token does not change that date. If the
/// clock was set back, a date more than 5 minutes ahead is not recent.
fn is_recent(session: &Session, now: Timestamp) -> bool {
    now.since(session.auth_time) < RECENT_SIGN_IN && session.auth_time.since(now) < RECENT_SIGN_IN
}

/// Checks the current password, within the rate limits of a sign-in.
async fn check_password(
    issuer: &Issuer,
    signed_in: &SignedIn,
    password: Password,
    from: Caller,
) -> Result<(), Refusal> {
    let user = signed_in.user();
    issuer.check_queue(issuer.hasher.check_capacity())?;
    let by_caller = issuer.throttle.admit(Limit::SignInCaller, AttemptKey::caller(from.address)).await?;
    let id = user.id;
    let known = issuer.store.read(move |tx| tx.knows_address(id, prefix(from.address))).await;
    let known = known.map_err(|error: StoreError| Refusal::from(error))?;
    let login = Login::new(user.username.as_str());
    let guess = PasswordGuess::admit(issuer, &login, Some((id, known)), from.address).await?;
    if issuer.check_password(password, user.password.clone()).await? != PasswordCheck::Wrong {
        return Ok(());
    }
    by_caller.count();
    guess.count();
    let Origin::Dialect(dialect) = signed_in.session().opened_by;
    issuer.record_failed_sign_in(Some(id), SignInPlace::Dialect(dialect), from);
    Err(ChangeProblem::WrongPassword.into())
}
