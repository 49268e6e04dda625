//! Why a use case said no. A refusal is for the caller and says what to change; a fault is for the operator, is logged
//! once at the edge and answered blandly.

use std::time::Duration;

use super::social::SocialRefusal;
use crate::crypto::password_hash::HashError;
use crate::crypto::token::TokenFault;
use crate::domain::field::{Field, FieldProblem};
use crate::store::StoreError;
use crate::throttle::LimitReached;

/// The ways to be refused. Each dialect has words for every one of them.
#[derive(Debug)]
pub enum Refusal {
    /// Fields are missing or wrong, in the order they are named in.
    Invalid(Vec<(Field, FieldProblem)>),
    /// Somebody else has that user name or address.
    Taken(Field),
    /// Nobody, or somebody who may not sign in, or a wrong password: which, is nobody's business.
    WrongCredentials,
    /// No token, or none that opens anything any more.
    NotSignedIn(Unauthenticated),
    /// The reset code or link is wrong, used up or too old.
    WrongResetCode,
    /// Accounts are made by an operator alone.
    RegistrationClosed,
    /// Too many tries: the next one is let through after this long.
    TooMany {
        /// At least a second.
        retry_after: Duration,
    },
    /// There is more to do than can be done; nothing was changed.
    Busy {
        /// When it may be better.
        retry_after: Duration,
    },
    /// What only sign-in at providers can say no to.
    Social(SocialRefusal),
    /// Something broke that no caller can mend.
    Fault(Fault),
}

/// Why somebody was not recognised by a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// None was sent.
    #[error("no token was sent")]
    NoToken,
    /// It is no good.
    #[error("the token is {0}")]
    Token(#[from] TokenFault),
    /// Its session has ended, or its user is gone or disabled.
    #[error("the session has ended")]
    SessionEnded,
    /// It was a refresh token that had been used before: its session has been ended for safety.
    #[error("the refresh token had been used before")]
    Reused,
    /// It was opened in a dialect whose tokens can't do this.
    #[error("a token of another dialect, which can't do this")]
    OtherDialect,
    /// Tokens of its dialect are not renewed this way.
    #[error("a token that is not renewed this way")]
    NotRenewable,
}

/// What broke, for the operator alone.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct Fault {
    doing: &'static str,
    cause: String,
}

impl Fault {
    /// Names what was being done and what went wrong with it. The cause must hold no secret.
    pub fn new(doing: &'static str, cause: &(impl ToString + ?Sized)) -> Self {
        Self { doing, cause: cause.to_string() }
    }
}

impl Refusal {
    /// One wrong field.
    pub fn invalid(field: Field, problem: FieldProblem) -> Self {
        Self::Invalid(vec![(field, problem)])
    }
}

impl From<Unauthenticated> for Refusal {
    fn from(why: Unauthenticated) -> Self {
        Self::NotSignedIn(why)
    }
}

impl From<TokenFault> for Refusal {
    fn from(fault: TokenFault) -> Self {
        Self::NotSignedIn(Unauthenticated::Token(fault))
    }
}

impl From<LimitReached> for Refusal {
    fn from(too_many: LimitReached) -> Self {
        Self::TooMany { retry_after: too_many.retry_after }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<HashError> for Refusal {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after } => Self::Busy { retry_after },
            HashError::Cost | HashError::NoThread => Self::Fault(Fault::new("hashing a password", &error)),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(field) => Self::Taken(field),
            StoreError::Unavailable(_) => {
                tracing::error!(%error, "the store is unavailable");
                Self::Busy { retry_after: Duration::from_secs(5) }
            }
            // Chance gives no UUID twice, and whoever wants a particular number asks first whose it is.
            StoreError::InUse(_) | StoreError::Fault(_) => Self::Fault(Fault::new("asking the store", &error)),
        }
    }
}
