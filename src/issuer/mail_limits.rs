//! The rate limits of e-mails to an account that callers request without a sign-in: reset and confirmation e-mails. All
//! such use cases admit their e-mails here, so that the limits count them together. The request for another address
//! uses the same limits, but reports a reached one.

use super::context::{Caller, Issuer};
use crate::domain::id::UserId;
use crate::domain::limit::Limit;
use crate::store::{Read, StoreError};
use crate::throttle::{AttemptKey, prefix};

/// Whether the user has signed in or reset the password from the address of the caller before.
pub(super) fn is_known_caller(tx: &dyn Read, user: UserId, from: Caller) -> Result<bool, StoreError> {
    tx.knows_address(user, prefix(from.address))
}

/// Counts an e-mail to a user, and returns whether it may be sent. Each caller has a limit of its own for the account.
/// Callers that never signed in to the account have a second limit together, so that they cannot use up the e-mails of
/// the owner. An e-mail that one limit rejects counts towards neither.
///
/// A reached limit is not a refusal, because that would reveal that the account exists.
pub(super) async fn admit_mail(issuer: &Issuer, user: UserId, from: Caller, is_known_caller: bool) -> bool {
    let key = AttemptKey::account_by_caller(user, from.address);
    let Ok(by_caller) = issuer.throttle.admit(Limit::ResetMailAccount, key).await else { return false };
    if !is_known_caller {
        let key = AttemptKey::Account(user);
        let Ok(by_new_callers) = issuer.throttle.admit(Limit::ResetMailNewCallers, key).await else { return false };
        by_new_callers.count();
    }
    by_caller.count();
    true
}
