//! Why a use case refused a request. A refusal is for the caller and states what to change.
//!
//! A fault is for the operator. The HTTP layer logs it once; the response to the caller contains only a request id.

use std::time::Duration;

use crate::crypto::password_hash::HashError;
use crate::crypto::token::TokenFault;
use crate::domain::field::{Field, FieldProblem};
use crate::domain::id::SessionId;
use crate::store::StoreError;
use crate::throttle::LimitReached;

/// Why a request was refused. Each dialect has a response for each variant.
#[derive(Debug)]
pub enum Refusal {
    /// Fields are missing or invalid, in the order of the request body.
    Invalid(Vec<(Field, FieldProblem)>),
    /// Another user has this user name or address.
    Taken(Field),
    /// The user is unknown or may not sign in, or the password is wrong. The caller does not learn which.
    WrongCredentials(CredentialsProblem),
    /// The caller sent no token, or one that is invalid, expired or revoked.
    NotSignedIn(Unauthenticated),
    /// The caller is signed in, but may not change the password, the address or the linked accounts.
    ChangeRefused(ChangeProblem),
    /// The password is correct, but the user must confirm the address before a sign-in.
    EmailNotConfirmed,
    /// Registration is closed; only an operator creates accounts.
    RegistrationClosed,
    /// A rate limit is reached.
    RateLimited {
        /// How long until the next attempt is admitted; at least 1 s.
        retry_after: Duration,
    },
    /// The server is overloaded, or the store is unavailable. Nothing was changed.
    Busy(Busy),
    /// An internal error, which the caller cannot correct.
    Fault(Fault),
}

/// How long a caller should wait, because the server is overloaded or the store is unavailable.
#[derive(Debug)]
pub struct Busy {
    retry_after: Duration,
    /// Why the store is unavailable; `None` if the server is overloaded.
    cause: Option<StoreError>,
}

impl Busy {
    /// Logs why the store is unavailable, and returns how long the caller should wait before a retry. To be called once,
    /// where the refusal leaves the program. A transaction may run several times, so it must not log.
    pub fn log(self) -> Duration {
        if let Some(error) = self.cause {
            tracing::error!(%error, "store unavailable");
        }
        self.retry_after
    }
}

/// Why a sign-in with a password was refused. This is for the operator: callers get the same response for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsProblem {
    /// No user has the login name.
    #[error("no user has this name or e-mail address")]
    UnknownUser,
    /// The user has no password, and signs in through a provider.
    #[error("the user has no password")]
    NoPassword,
    /// The password is wrong.
    #[error("the password is wrong")]
    WrongPassword,
    /// The password is correct, but it is a temporary one that has expired.
    #[error("the temporary password has expired")]
    TemporaryExpired,
    /// The password is correct, but the user is disabled.
    #[error("the user is disabled")]
    Disabled,
    /// The password is correct, but the user may not sign in here.
    #[error("the user may not sign in here")]
    NotAdmitted,
    /// The stored hash was replaced during each of several checks.
    #[error("the password was replaced during the check")]
    HashReplaced,
}

/// Why a signed-in caller may not change the password, the address or the linked accounts. The text is for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeProblem {
    /// The caller sent no current password, and the last sign-in is not recent.
    #[error(
        "this change needs your current password; send it as current_password, or sign in again and retry within 5 minutes"
    )]
    ProofMissing,
    /// The current password is wrong, or was changed by another request.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The user is a superuser.
    #[error(
        "the password, e-mail address and linked accounts of a superuser are changed in the admin zone or on the command line"
    )]
    Superuser,
}

impl ChangeProblem {
    /// The machine-readable name of the problem.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ProofMissing => "proof_required",
            Self::WrongPassword => "wrong_current_password",
            Self::Superuser => "superuser",
        }
    }
}

/// Why a caller was not authenticated by a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// The caller sent no token.
    #[error("no token was sent")]
    NoToken,
    /// The token is invalid.
    #[error("token rejected: {0}")]
    Token(#[from] TokenFault),
    /// The session has ended, its user was deleted or disabled, or the token names no session.
    #[error("the session has ended")]
    SessionEnded,
    /// The refresh token was used before. Its session was ended, because the token may be stolen.
    #[error("the refresh token was used before")]
    Reused,
    /// The refresh token is authentic, but its session has not reached its generation.
    #[error("the refresh token is of generation {generation}, but its session is at generation {current}")]
    Ahead {
        /// The session in the token.
        session: SessionId,
        /// The generation in the token.
        generation: u32,
        /// The generation of the session.
        current: u32,
    },
    /// The session was opened in a dialect whose tokens do not allow this operation.
    #[error("tokens of this dialect do not allow the operation")]
    OtherDialect,
    /// Access tokens of this dialect cannot be exchanged for new ones.
    #[error("tokens of this dialect cannot be renewed; use a refresh token")]
    NotRenewable,
}

/// An internal error, for the operator only.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {cause}")]
pub struct Fault {
    operation: &'static str,
    cause: String,
}

impl Fault {
    /// Creates a fault from the failed operation, as a gerund, and its cause. The cause must contain no secret.
    pub fn new(operation: &'static str, cause: &(impl ToString + ?Sized)) -> Self {
        Self { operation, cause: cause.to_string() }
    }
}

impl Refusal {
    /// Creates a refusal for one invalid field.
    pub fn invalid(field: Field, problem: FieldProblem) -> Self {
        Self::Invalid(vec![(field, problem)])
    }
}

impl From<Unauthenticated> for Refusal {
    fn from(why: Unauthenticated) -> Self {
        Self::NotSignedIn(why)
    }
}

impl From<ChangeProblem> for Refusal {
    fn from(problem: ChangeProblem) -> Self {
        Self::ChangeRefused(problem)
    }
}

impl From<TokenFault> for Refusal {
    fn from(fault: TokenFault) -> Self {
        Self::NotSignedIn(Unauthenticated::Token(fault))
    }
}

impl From<LimitReached> for Refusal {
    fn from(limit: LimitReached) -> Self {
        Self::RateLimited { retry_after: limit.retry_after }
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
            HashError::Busy { retry_after } => Self::Busy(Busy { retry_after, cause: None }),
            HashError::Cost | HashError::NoThread => Self::Fault(Fault::new("hashing a password", &error)),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(field) => Self::Taken(field),
            StoreError::Unavailable(_) => Self::Busy(Busy { retry_after: Duration::from_secs(5), cause: Some(error) }),
            // `InUse` is a fault: random UUIDs do not repeat, and a use case checks a given id before it inserts it.
            StoreError::InUse(_) | StoreError::Fault(_) => Self::Fault(Fault::new("accessing the store", &error)),
        }
    }
}
