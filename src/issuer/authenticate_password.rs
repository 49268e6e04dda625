//! Authenticates a user by a password, in two steps. All sign-ins with a password use this module.
//!
//! [`PasswordAttempt::authenticate`] checks the password. [`FirstFactor::complete`] opens or updates a session, in a
//! transaction that checks the user again.

use std::time::Duration;

use super::context::{Caller, Issuer};
use super::password_guess::PasswordGuess;
use super::refusal::{CredentialsProblem, Refusal};
use crate::crypto::password_hash::PasswordCheck;
use crate::domain::count::Count;
use crate::domain::failure_log::SignInPlace;
use crate::domain::id::UserId;
use crate::domain::limit::Limit;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::time::Timestamp;
use crate::domain::user::{Login, User};
use crate::store::{StoreError, Write};
use crate::throttle::{Attempt, AttemptKey, prefix};

/// The maximum number of password checks. A check is repeated if the stored hash was replaced meanwhile.
const CHECKS_MAX: usize = 3;

/// A login name and the password to check.
#[derive(Debug)]
pub(super) struct PasswordAttempt {
    /// A user name or an e-mail address.
    pub(super) login: Login,
    /// Any text. A password that cannot be correct, such as an empty one, takes as long to check as any other.
    pub(super) password: Password,
    /// The users who may sign in.
    pub(super) admitted: AdmittedUsers,
    /// Where the user signs in.
    pub(super) place: SignInPlace,
    /// The caller.
    pub(super) from: Caller,
}

/// The users who may sign in. A disabled user never may.
#[derive(Clone, Copy, Debug)]
pub(super) enum AdmittedUsers {
    /// Every user.
    All,
    /// Superusers only.
    Superusers,
    /// Only the user with this id, who must be a superuser.
    Superuser(UserId),
}

impl AdmittedUsers {
    /// Checks whether the user may sign in.
    fn check(self, user: &User) -> Result<(), CredentialsProblem> {
        let is_admitted = match self {
            Self::All => true,
            Self::Superusers => user.is_superuser,
            Self::Superuser(id) => user.is_superuser && user.id == id,
        };
        match (user.is_active, is_admitted) {
            (true, true) => Ok(()),
            (false, _) => Err(CredentialsProblem::Disabled),
            (true, false) => Err(CredentialsProblem::NotAdmitted),
        }
    }
}

/// Proof that a caller presented the password of an active user: it holds for this user, this hash and this attempt.
/// Nothing is stored before [`FirstFactor::complete`]. If the factor is dropped, the attempt does not count.
#[derive(Debug)]
pub(super) struct FirstFactor<'i> {
    attempt: AdmittedAttempt<'i>,
    checked: CheckedUser,
    /// The admitted success, which counts when the authentication is completed.
    success: Attempt<'i>,
}

/// An attempt within the rate limits. It counts only if it is refused.
#[derive(Debug)]
struct AdmittedAttempt<'i> {
    issuer: &'i Issuer,
    request: PasswordAttempt,
    by_caller: Attempt<'i>,
    guess: PasswordGuess<'i>,
}

/// A user whose password was correct, as the store had it before the check.
#[derive(Debug)]
struct CheckedUser {
    user: User,
    /// The hash to store instead of an outdated one.
    upgraded: Option<PasswordHash>,
}

/// Why a check failed.
#[derive(Debug)]
struct FailedCheck {
    problem: CredentialsProblem,
    /// The user with the login name, if there is one.
    user: Option<UserId>,
}

/// The result of the transaction that completes the authentication.
enum CompletionResult<T> {
    Completed(T),
    Failed(FailedCheck),
    /// The stored hash was replaced during the check: by a newer form of the same password, or by another password.
    HashReplaced,
}

impl PasswordAttempt {
    /// Checks the password. An unknown, disabled or not admitted user gets the same refusal as an empty, overlong or
    /// wrong password, and after as much hashing.
    pub(super) async fn authenticate(self, issuer: &Issuer) -> Result<FirstFactor<'_>, Refusal> {
        // Under overload most requests are rejected here, before an attempt is counted or the store is read.
        issuer.check_queue(issuer.hasher.check_capacity())?;
        let by_caller = issuer.throttle.admit(Limit::SignInCaller, AttemptKey::caller(self.from.address)).await?;
        let found = self.find(issuer).await?;
        let owner = found.as_ref().map(|(user, known)| (user.id, *known));
        let guess = PasswordGuess::admit(issuer, &self.login, owner, self.from.address).await?;
        let user = found.map(|(user, _)| user);
        let attempt = AdmittedAttempt { issuer, request: self, by_caller, guess };
        match attempt.check(user).await? {
            Ok(checked) => {
                // Only a caller with the password gets this far, so the limit reveals no account.
                let success = admit_success(issuer, checked.user.id).await?;
                Ok(FirstFactor { attempt, checked, success })
            }
            Err(failed) => Err(attempt.refuse(&failed)),
        }
    }

    /// Finds the user by the login name, and whether the user has signed in or reset the password from the caller's address
    /// before.
    async fn find(&self, issuer: &Issuer) -> Result<Option<(User, bool)>, Refusal> {
        let login = self.login.clone();
        let address = self.from.address;
        let found = issuer.store.read(move |tx| {
            let Some(user) = tx.user_by_login(&login)? else { return Ok(None) };
            let known = tx.knows_address(user.id, prefix(address))?;
            Ok(Some((user, known)))
        });
        found.await.map_err(|error: StoreError| error.into())
    }
}

/// Admits a successful sign-in to an account. The caller counts it when the session is stored.
pub(super) async fn admit_success(issuer: &Issuer, user: UserId) -> Result<Attempt<'_>, Refusal> {
    Ok(issuer.throttle.admit(Limit::SignInSuccessAccount, AttemptKey::Account(user)).await?)
}

impl FirstFactor<'_> {
    /// The user, as the store had it before the check.
    pub(super) fn user(&self) -> &User {
        &self.checked.user
    }

    /// Counts the success without a session, because the sign-in is refused for another reason.
    pub(super) fn count_success(self) {
        self.success.count();
    }

    /// Runs `finish` in a transaction, with the user as the store has it now. `finish` opens or updates a session of this
    /// user. Refuses if the user was deleted or disabled, or ceased to be admitted. If the user got another hash, finds
    /// the user by the login name again, and repeats the check.
    pub(super) async fn complete<T, F>(self, finish: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Fn(&dyn Write, User) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        let Self { attempt, mut checked, success } = self;
        let mut checks = 1;
        let failed = loop {
            let user = checked.user.id;
            match attempt.complete(checked, finish.clone()).await? {
                CompletionResult::Completed(result) => {
                    success.count();
                    attempt.issuer.counters.add(Count::SignedIn);
                    return Ok(result);
                }
                CompletionResult::Failed(failed) => break failed,
                CompletionResult::HashReplaced if checks == CHECKS_MAX => {
                    break FailedCheck { problem: CredentialsProblem::HashReplaced, user: Some(user) };
                }
                CompletionResult::HashReplaced => {}
            }
            checks += 1;
            let user = attempt.request.find(attempt.issuer).await?.map(|(user, _)| user);
            checked = match attempt.check(user).await? {
                Ok(checked) => checked,
                Err(failed) => break failed,
            };
        };
        Err(attempt.refuse(&failed))
    }
}

/// Who may sign in now, with a correct password.
#[derive(Clone, Copy, Debug)]
struct SignInLimits {
    admitted: AdmittedUsers,
    now: Timestamp,
    temporary_lifetime: Duration,
}

impl SignInLimits {
    fn check(self, user: &User) -> Result<(), CredentialsProblem> {
        self.admitted.check(user)?;
        let has_expired = user.has_expired_password(self.now, self.temporary_lifetime);
        if has_expired { Err(CredentialsProblem::TemporaryExpired) } else { Ok(()) }
    }
}

impl AdmittedAttempt<'_> {
    fn limits(&self) -> SignInLimits {
        let temporary_lifetime = self.issuer.settings().temporary_lifetime();
        SignInLimits { admitted: self.request.admitted, now: self.issuer.clock.now(), temporary_lifetime }
    }

    /// Checks the password of the user; `None` if no user has the login name.
    async fn check(&self, user: Option<User>) -> Result<Result<CheckedUser, FailedCheck>, Refusal> {
        let hash = user.as_ref().and_then(|user| user.password.clone());
        // The password of a user who may not sign in is checked too. Otherwise the response time would reveal the user.
        let check = self.issuer.check_password(self.request.password.clone(), hash).await?;
        let Some(user) = user else {
            return Ok(Err(FailedCheck { problem: CredentialsProblem::UnknownUser, user: None }));
        };
        let checked = match check {
            PasswordCheck::Right => Ok(None),
            PasswordCheck::Outdated(hash) => Ok(Some(hash)),
            PasswordCheck::Wrong if user.password.is_none() => Err(CredentialsProblem::NoPassword),
            PasswordCheck::Wrong => Err(CredentialsProblem::WrongPassword),
        };
        let limits = self.limits();
        let checked = checked.and_then(|upgraded| limits.check(&user).map(|()| upgraded));
        Ok(match checked {
            Ok(upgraded) => Ok(CheckedUser { user, upgraded }),
            Err(problem) => Err(FailedCheck { problem, user: Some(user.id) }),
        })
    }

    /// Checks the user again, stores a new hash if the stored one is outdated, and runs `finish`.
    async fn complete<T, F>(&self, checked: CheckedUser, finish: F) -> Result<CompletionResult<T>, Refusal>
    where
        T: Send + 'static,
        F: Fn(&dyn Write, User) -> Result<T, StoreError> + Send + 'static,
    {
        let limits = self.limits();
        let result = self.issuer.store.write_for_user(checked.user.id, move |tx| {
            let CheckedUser { user, upgraded } = &checked;
            let failed = |problem| CompletionResult::Failed(FailedCheck { problem, user: Some(user.id) });
            let Some(current) = tx.user(user.id)? else { return Ok(failed(CredentialsProblem::UnknownUser)) };
            if let Err(problem) = limits.check(&current) {
                return Ok(failed(problem));
            }
            if current.password != user.password {
                return Ok(CompletionResult::HashReplaced);
            }
            if let (Some(old), Some(new)) = (&user.password, upgraded) {
                tx.upgrade_hash(current.id, old, new)?;
            }
            finish(tx, current).map(CompletionResult::Completed)
        });
        result.await.map_err(|error: StoreError| error.into())
    }

    /// Counts the attempt, and returns the refusal. Only the operator learns the cause.
    fn refuse(self, failed: &FailedCheck) -> Refusal {
        self.by_caller.count();
        self.guess.count();
        let place = self.request.place;
        self.issuer.record_failed_sign_in(failed.user, place, self.request.from);
        let problem = failed.problem;
        tracing::debug!(error = %problem, user = failed.user.map(|user| user.0), "sign-in refused");
        Refusal::WrongCredentials(problem)
    }
}
