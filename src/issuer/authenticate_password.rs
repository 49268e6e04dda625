//! Recognising somebody by a password: the one way to do it, whatever is opened for them then.

use super::{Caller, Issuer, Refusal};
use crate::crypto::password_hash::PasswordCheck;
use crate::domain::count::Count;
use crate::domain::limit::Limit;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::user::{Login, User};
use crate::store::{StoreError, Write};
use crate::throttle::{AttemptKey, prefix};

/// How often it begins anew because the stored hash was replaced while it was being compared.
const ATTEMPTS: usize = 3;

/// Who somebody says they are, and their password for it.
#[derive(Debug)]
pub(super) struct PasswordAttempt {
    /// A user name or an e-mail address.
    pub(super) login: Login,
    /// Any text: what can't be right is wrong after the same hash as everything else.
    pub(super) password: Password,
    /// From where.
    pub(super) from: Caller,
}

/// What is opened for a user who was recognised, as they are in the transaction that opens it.
pub(super) type OnAuthenticated<T> = Box<dyn FnOnce(&dyn Write, User) -> Result<T, StoreError> + Send>;

/// What came of one comparison.
enum AttemptResult<T> {
    Opened(T),
    Wrong,
    /// The hash was replaced meanwhile: by a newer form of the same password, or by another password.
    HashReplaced,
}

impl PasswordAttempt {
    /// Opens something for the user whose password it is, if they are active and admitted. Whoever is unknown, disabled or
    /// not admitted, and empty, overlong and wrong passwords, are one refusal after one hash.
    pub(super) async fn authenticate<T: Send + 'static>(
        &self,
        issuer: &Issuer,
        admits: impl Fn(&User) -> bool + Copy + Send + Sync + 'static,
        on_authenticated: impl Fn(&User) -> OnAuthenticated<T> + Send + Sync,
    ) -> Result<T, Refusal> {
        // In a storm most end here, and cost neither a try nor a look into the store.
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

    /// Whose name it is, and for whom the try is counted.
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

    /// The user, if the password is theirs, and a newer form of its hash where the stored one is outdated.
    async fn check(
        &self,
        issuer: &Issuer,
        user: Option<User>,
        admits: impl Fn(&User) -> bool,
    ) -> Result<Option<(User, Option<PasswordHash>)>, Refusal> {
        let hash = user.as_ref().and_then(|user| user.password.clone());
        // Whoever may not be let in has a password compared like anybody's, or the time would tell.
        let user = user.filter(|user| user.is_active && admits(user));
        let checked = issuer.check_password(self.password.clone(), hash).await?;
        Ok(match (user, checked) {
            (Some(user), PasswordCheck::Right) => Some((user, None)),
            (Some(user), PasswordCheck::Outdated(hash)) => Some((user, Some(hash))),
            (_, PasswordCheck::Wrong) | (None, _) => None,
        })
    }
}

/// Opens it, unless the user was disabled or the hash replaced while it was being compared.
async fn run_on_authenticated<T: Send + 'static>(
    issuer: &Issuer,
    on_authenticated: OnAuthenticated<T>,
    user: User,
    upgraded: Option<PasswordHash>,
    admits: impl Fn(&User) -> bool + Send + 'static,
) -> Result<AttemptResult<T>, Refusal> {
    let result = issuer.store.write(move |tx| {
        let Some(now) = tx.user(user.id)?.filter(|now| now.is_active && admits(now)) else {
            return Ok(AttemptResult::Wrong);
        };
        if now.password != user.password {
            return Ok(AttemptResult::HashReplaced);
        }
        if let (Some(old), Some(new)) = (&user.password, &upgraded) {
            tx.upgrade_hash(now.id, old, new)?;
        }
        on_authenticated(tx, now).map(AttemptResult::Opened)
    });
    result.await.map_err(|error: StoreError| error.into())
}
