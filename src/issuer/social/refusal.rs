//! Why a request that involves a provider was refused: for a reason that only these requests have, or with a refusal
//! that all callers can get.

use crate::issuer::refusal::Refusal;

/// Why a use case that involves a provider failed.
#[derive(Debug)]
pub enum SocialError {
    /// A reason that only these use cases have.
    Social(SocialRefusal),
    /// A refusal that all callers can get.
    Refused(Refusal),
}

impl From<SocialRefusal> for SocialError {
    fn from(refusal: SocialRefusal) -> Self {
        Self::Social(refusal)
    }
}

impl<E: Into<Refusal>> From<E> for SocialError {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Why a request that involves a provider was refused. The text is for the caller, and quotes no text of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocialRefusal {
    /// No provider of that name is configured.
    #[error("this provider is not configured")]
    NotConfigured,
    /// The callback does not match an attempt of this browser. It may come from another page or another provider, or
    /// the attempt is too old.
    #[error("the sign-in was not started in this browser, or more than 10 minutes ago; start again")]
    NotStarted,
    /// The callback contains no authorization code.
    #[error("the provider returned no authorization code; start again")]
    NoCode,
    /// The user denied access at the provider.
    #[error("access was denied at the provider; start again to sign in")]
    Denied,
    /// The provider is down or too slow, responds with 429 or 5xx, or reports a temporary error in the callback. Also if
    /// too many requests wait for it already.
    #[error("the provider cannot be reached; try again later")]
    Unreachable,
    /// The provider refused the code or the refresh token.
    #[error("the provider rejected the request; start again")]
    Refused,
    /// The provider issued no access token. The documented API fixes this text.
    #[error("No access token provided")]
    NoToken,
    /// The provider's response is malformed.
    #[error("the provider returned an invalid response; try again later")]
    InvalidResponse,
    /// The response is not authenticated as the provider's, or is for another recipient.
    #[error("the provider's response could not be verified; start again")]
    Untrusted,
    /// The access token of the new session is too large for a cookie, so that the browser would ignore it.
    #[error(
        "the access token of your account is too large for a cookie; the operator of this service must shorten your claims or names"
    )]
    TokenTooLarge,
    /// The linked user is disabled.
    #[error("this account is disabled; contact the operator of this service")]
    Disabled,
    /// The account at the provider is linked to another user.
    #[error("the account at the provider is linked to another user")]
    LinkedToOther,
    /// The user is linked to another account at this provider.
    #[error("you have already linked another account at this provider; unlink it first")]
    AlreadyLinked,
    /// The account is the user's only sign-in method.
    #[error("this is your only way to sign in; set a password first")]
    LastSignInMethod,
    /// The user has no linked account at this provider.
    #[error("no account at this provider is linked to your account")]
    NotLinked,
    /// No refresh token can be used. The provider issued none (some never do) or is not configured, the user has no
    /// account there, or the stored token cannot be decrypted.
    #[error("the provider issued no refresh token")]
    NoRefreshToken,
}
