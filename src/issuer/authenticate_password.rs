//! Authenticates a user by a password. All sign-ins with a password use this module.

use super::context::{Caller, Issuer};
use super::refusal::Refusal;
use crate::crypto::password_hash::PasswordCheck;
use crate::domain::count::Count;
use crate::domain::limit::Limit;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::user::{Login, User};
use crate::store::{StoreError, Write};
use crate::throttle::{AttemptKey, prefix};

/// The maximum number of password checks. A check is repeated if the stored hash was replaced meanwhile.
const ATTEMPTS: usize = 3;

/// A login name and the password to check.
#[derive(Debug)]
pub(super) struct PasswordAttempt {
    /// A user name or an e-mail address.
    pub(super) login: Login,
    /// Any text. A password that cannot be correct, such as an empty one, takes as long to check as any other.
    pub(super) password: Password,
    /// The caller.
    pub(super) from: Caller,
}

/// Opens or updates a session for an authenticated user, in the transaction that has read this user.
pub(super) type OnAuthenticated<T> = Box<dyn FnOnce(&dyn Write, User) -> Result<T, StoreError> + Send>;

/// The result of one password check.
enum AttemptResult<T> {
    Opened(T),
    Wrong,
    /// The stored hash was replaced during the check: by a newer form of the same password, or by another password.
    HashReplaced,
}

impl PasswordAttempt {
    /// Checks the password. If it is correct, the user is active and `admits` returns true, runs the closure that
    /// `on_authenticated` returns, which opens or updates a session. An unknown, disabled or not admitted user gets the
    /// same refusal as an empty, overlong or wrong password, and after as much hashing.
    pub(super) async fn authenticate<T: Send + 'static>(
        &self,
        issuer: &Issuer,
        admits: impl Fn(&User) -> bool + Copy + Send + Sync + 'static,
        on_authenticated: impl Fn(&User) -> OnAuthenticated<T> + Send + Sync,
    ) -> Result<T, Refusal> {
        // Under overload most requests are rejected here, before an attempt is counted or the store is read.
        issuer.check_queue(issuer.hasher.check_capacity())?;
        let caller_attempt = issuer.throttle.admit(Limit::SignInCaller, AttemptKey::caller(self.from.address)).await?;
        let (mut user, key) = self.find(issuer).await?;
        let account_attempt = issuer.throttle.admit(Limit::SignInAccount, key).await?;
        for _ in 0..ATTEMPTS {
            let attempt = match self.check(issuer, user, admits).await? {
                Some((user, upgraded)) => {
                    run_on_authenticated(issuer, on_authenticated(&user), user, upgraded, admits).await?
                }
                None => AttemptResult::Wrong,
            };
            match attempt {
                AttemptResult::Opened(result) => {
                    issuer.counters.add(Count::SignedIn);
                    return Ok(result);
                }
                AttemptResult::Wrong => break,
                AttemptResult::HashReplaced => user = self.find(issuer).await?.0,
            }
        }
        caller_attempt.count();
        account_attempt.count();
        issuer.counters.add(Count::SignInFailed);
        Err(Refusal::WrongCredentials)
    }

    /// Finds the user by the login name, and chooses the key by which the attempt is counted.
    async fn find(&self, issuer: &Issuer) -> Result<(Option<User>, AttemptKey), Refusal> {
        let login = self.login.clone();
        let address = self.from.address;
        let found = issuer.store.read(move |tx| {
            let Some(user) = tx.user_by_login(&login)? else {
                return Ok((None, AttemptKey::unknown_name(login.key())));
            };
            let known = tx.knows_address(user.id, prefix(address))?;
            let key = if known { AttemptKey::known_address(user.id, address) } else { AttemptKey::Account(user.id) };
            Ok((Some(user), key))
        });
        found.await.map_err(|error: StoreError| error.into())
    }

    /// Checks the password. Returns the user if it is correct, with a new hash if the stored one is outdated.
    async fn check(
        &self,
        issuer: &Issuer,
        user: Option<User>,
        admits: impl Fn(&User) -> bool,
    ) -> Result<Option<(User, Option<PasswordHash>)>, Refusal> {
        let hash = user.as_ref().and_then(|user| user.password.clone());
        // The password of a user who may not sign in is checked too. Otherwise the response time would reveal the user.
        let user = user.filter(|user| user.is_active && admits(user));
        let checked = issuer.check_password(self.password.clone(), hash).await?;
        Ok(match (user, checked) {
            (Some(user), PasswordCheck::Right) => Some((user, None)),
            (Some(user), PasswordCheck::Outdated(hash)) => Some((user, Some(hash))),
            (_, PasswordCheck::Wrong) | (None, _) => None,
        })
    }
}

/// Runs the closure, unless the user was deleted or disabled, ceased to be admitted, or got another hash during the
/// check.
async fn run_on_authenticated<T: Send + 'static>(
    issuer: &Issuer,
    on_authenticated: OnAuthenticated<T>,
    user: User,
    upgraded: Option<PasswordHash>,
    admits: impl Fn(&User) -> bool + Send + 'static,
) -> Result<AttemptResult<T>, Refusal> {
    let result = issuer.store.write(move |tx| {
        let Some(current) = tx.user(user.id)?.filter(|current| current.is_active && admits(current)) else {
            return Ok(AttemptResult::Wrong);
        };
        if current.password != user.password {
            return Ok(AttemptResult::HashReplaced);
        }
        if let (Some(old), Some(new)) = (&user.password, &upgraded) {
            tx.upgrade_hash(current.id, old, new)?;
        }
        on_authenticated(tx, current).map(AttemptResult::Opened)
    });
    result.await.map_err(|error: StoreError| error.into())
}
