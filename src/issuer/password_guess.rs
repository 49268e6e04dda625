//! The rate limits of guesses at a password: per typed name and per account.
//!
//! A typed name has a limit of its own, whether or not a user has it. A limit per account alone would reveal which name
//! and which address belong to one account.

use std::net::IpAddr;

use super::context::Issuer;
use crate::domain::id::UserId;
use crate::domain::limit::Limit;
use crate::domain::user::Login;
use crate::throttle::{Attempt, AttemptKey, LimitReached};

/// A guess within the limits of its name and its account. It counts only if it is wrong.
#[derive(Debug)]
pub(super) struct PasswordGuess<'i> {
    by_name: Attempt<'i>,
    /// `None` if the limit of the name is used up and admits a guess at intervals. The limit of the account must not
    /// refuse such guesses: the intervals of two names would then depend on whether they belong to one account.
    by_account: Option<Attempt<'i>>,
}

impl<'i> PasswordGuess<'i> {
    /// Admits a guess with this typed name. `owner` is the user who has the name, and whether the user has signed in or
    /// reset the password from this address before.
    pub(super) async fn admit(
        issuer: &'i Issuer,
        login: &Login,
        owner: Option<(UserId, bool)>,
        address: IpAddr,
    ) -> Result<Self, LimitReached> {
        let name = issuer.name_hasher.hash(login.key());
        // The owner's callers have limits of their own, so that an attacker cannot lock the owner out.
        let (name_key, account_key) = match owner {
            Some((user, true)) => {
                (AttemptKey::name_by_caller(name, address), AttemptKey::account_by_caller(user, address))
            }
            Some((user, false)) => (AttemptKey::Name(name), AttemptKey::Account(user)),
            None => (AttemptKey::Name(name), AttemptKey::Name(name)),
        };
        let by_name = issuer.throttle.admit(Limit::SignInName, name_key).await?;
        let by_account = if by_name.is_within_rate() {
            Some(issuer.throttle.admit(Limit::SignInAccount, account_key).await?)
        } else {
            None
        };
        Ok(Self { by_name, by_account })
    }

    /// Counts a wrong guess.
    pub(super) fn count(self) {
        self.by_name.count();
        if let Some(by_account) = self.by_account {
            by_account.count();
        }
    }
}
