//! Why somebody who came from a provider, or wants something of one, was refused.

use crate::issuer::Refusal;

/// The ways to be refused that only providers bring. Shown, it is what the caller is told: never a provider's own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocialRefusal {
    /// No provider of that name is configured.
    #[error("this provider is not offered here")]
    NotOffered,
    /// No attempt of this browser fits what came back: a foreign page's, an old one, one of another provider.
    #[error("this sign-in was not begun in this browser, or too long ago: begin again")]
    NotBegun,
    /// The provider sent the browser back without what it must bring.
    #[error("the provider sent you back without a code: begin again")]
    NoCode,
    /// The person said no at the provider.
    #[error("you did not let the provider tell who you are: begin again if you want to")]
    Denied,
    /// The provider is down or too slow.
    #[error("the provider can't be reached at the moment: try again later")]
    Unreachable,
    /// The provider refused the code or the refresh token.
    #[error("the provider refused: begin again")]
    Refused,
    /// The provider gave no access token. The words are those of the system this replaces.
    #[error("No access token provided")]
    NoToken,
    /// The provider's answer can't be understood.
    #[error("the provider's answer makes no sense: try again later")]
    Nonsense,
    /// The answer is not proven to be the provider's, or is not meant for us.
    #[error("what came from the provider is not to be trusted: begin again")]
    Untrusted,
    /// The account it opens is disabled.
    #[error("this account is disabled: ask whoever runs this service")]
    Disabled,
    /// The account at the provider opens somebody else's account.
    #[error("that account of the provider's opens another account here")]
    Anothers,
    /// The user has another account of that provider already.
    #[error("your account has one of this provider already: unlink it first")]
    HasOne,
    /// Nothing else opens the account.
    #[error("nothing else opens your account: set a password first")]
    LastWayIn,
    /// The user has no account of that provider.
    #[error("your account has none of this provider")]
    NotLinked,
    /// The provider gave no refresh token, which for some is as it should be.
    #[error("the provider gave no refresh token")]
    NoRefreshToken,
}

impl From<SocialRefusal> for Refusal {
    fn from(refusal: SocialRefusal) -> Self {
        Self::Social(refusal)
    }
}
