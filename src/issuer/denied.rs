//! Why an operator was told no: by a rule that holds for operators, or as anybody would be.

use super::{Fault, Refusal};
use crate::domain::key;
use crate::store::StoreError;

/// The ways to be told no.
#[derive(Debug)]
pub enum Denied {
    /// What was asked for is not to be; its words are for the operator.
    Rule(OperatorRule),
    /// As anybody would be refused.
    Refused(Refusal),
}

/// What holds for operators, too.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorRule {
    /// Nobody would be left to enter the admin zone.
    #[error("this is the last active superuser: make somebody else one first")]
    LastSuperuser,
    /// Deleted meanwhile, or never there.
    #[error("there is no such user (any more)")]
    NoUser,
    /// Ended meanwhile, or never there.
    #[error("there is no such session (any more)")]
    NoSession,
    /// There is nowhere to send a mail to.
    #[error("the user has no e-mail address: set one first, or set a temporary password")]
    NoEmail,
    /// A reset would open nothing.
    #[error("the user is disabled: enable them first")]
    Disabled,
    /// What is sent or given up has no content any more; and what a reset mail carried is too old by then.
    #[error("the mail does not wait (any more), and its content is forgotten: send a new reset to the user instead")]
    NotWaiting,
    /// The keys refuse the change.
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
