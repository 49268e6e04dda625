//! Why an operator's request was denied: because of a rule for operators, or with a refusal that all callers can get.

use super::refusal::{Fault, Refusal};
use crate::domain::key;
use crate::store::StoreError;

/// Why an operator's request was denied.
#[derive(Debug)]
pub enum Denied {
    /// A rule for operators. Its text is shown to the operator.
    Rule(OperatorRule),
    /// A refusal that all callers can get.
    Refused(Refusal),
}

/// The rules for operators.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorRule {
    /// Without this user, no active superuser would remain.
    #[error("cannot remove the last active superuser; make another user a superuser first")]
    LastSuperuser,
    /// The user was deleted, or has never existed.
    #[error("user not found; it may have been deleted")]
    NoUser,
    /// The session has ended, or has never existed.
    #[error("session not found; it may have ended")]
    NoSession,
    /// The user has no linked account at the provider, or at any provider.
    #[error("the user has no such linked account")]
    NotLinked,
    /// The user has no address to which an e-mail could be sent.
    #[error("the user has no e-mail address; set one first, or set a temporary password")]
    NoEmail,
    /// The address needs no confirmation.
    #[error("the e-mail address is already verified, and no other address was requested")]
    EmailVerified,
    /// The user is disabled and could not sign in after a reset.
    #[error("the user is disabled; enable the user first")]
    Disabled,
    /// The e-mail was sent, it expired, or the server gave up after 24 h. In both cases its content was deleted.
    #[error("the e-mail is no longer waiting, and its content was deleted; send a new reset e-mail to the user")]
    NotWaiting,
    /// The e-mail is being sent at the moment, and a second attempt would send it twice.
    #[error("the e-mail is being sent at this moment; reload the page in a minute to see the result")]
    BeingSent,
    /// The key ring does not allow the change.
    #[error(transparent)]
    Key(#[from] key::KeyChangeError),
}

impl From<OperatorRule> for Denied {
    fn from(rule: OperatorRule) -> Self {
        Self::Rule(rule)
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Denied {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}
