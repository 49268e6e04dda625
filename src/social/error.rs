//! What can go wrong at a provider, in words for the operator: who was asked, what for, and what was wrong. Never a
//! secret, never what the provider wrote beyond its error code.

use crate::domain::social::ProviderName;

/// Why a provider's word was not had, or not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocialError {
    /// It could not be asked, or was too slow, or is out of order: trying again later may help.
    #[error("{0}")]
    Unreachable(String),
    /// It said no. The words end with its error code (RFC 6749 §5.2), such as `invalid_grant`.
    #[error("{0}")]
    Refused(String),
    /// It sent the browser back without a code. Holds its error code (RFC 6749 §4.1.2.1), such as `access_denied`.
    #[error("the provider sent the browser back: {0}")]
    SentBack(String),
    /// It gave no access token.
    #[error("the provider gave no access token")]
    NoToken,
    /// What it said can't be understood, or it is not set up as it must be.
    #[error("{0}")]
    Nonsense(String),
    /// What it said may not be its own word, or is not meant for us: a wrong signature, issuer, audience or nonce.
    #[error("{0}")]
    Untrusted(String),
}

/// One thing that is done with a provider, for the words of an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProviderStep<'a> {
    /// With whom.
    pub(super) provider: &'a ProviderName,
    /// What, as in "fetching its keys".
    pub(super) doing: &'static str,
}

impl ProviderStep<'_> {
    pub(super) fn unreachable(self, what: impl std::fmt::Display) -> SocialError {
        SocialError::Unreachable(self.message(what))
    }

    pub(super) fn refused(self, code: &str) -> SocialError {
        SocialError::Refused(self.message(format_args!("the provider refused: {code}")))
    }

    pub(super) fn invalid_response(self, what: impl std::fmt::Display) -> SocialError {
        SocialError::Nonsense(self.message(what))
    }

    pub(super) fn untrusted(self, what: impl std::fmt::Display) -> SocialError {
        SocialError::Untrusted(self.message(what))
    }

    fn message(self, what: impl std::fmt::Display) -> String {
        format!("{}: {}: {what}", self.provider, self.doing)
    }
}
