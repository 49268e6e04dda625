//! Errors in the communication with a provider, for the operator's log. A message names the provider, the step and the
//! problem. It contains no secret and, apart from error codes, endpoint URLs and the issuer of a discovery document, no
//! text of a response.

use crate::domain::social::ProviderName;

/// Why a request to a provider failed, or why its response was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider could not be reached, was too slow, or responded with 429 or 5xx. A later attempt may succeed.
    #[error("{0}")]
    Unreachable(String),
    /// Too many requests wait for the provider already, so nothing was sent. A later attempt may succeed.
    #[error("{0}")]
    Busy(String),
    /// The provider refused the request. The message ends with its error code (RFC 6749 §5.2), such as `invalid_grant`,
    /// or with the HTTP status, such as `http_403`.
    #[error("{0}")]
    Refused(String),
    /// The callback has an error code (RFC 6749 §4.1.2.1), such as `access_denied`, instead of an authorization code.
    #[error("the provider returned the error {0}")]
    CallbackError(String),
    /// The provider issued no access token, or issues no refresh tokens.
    #[error("the provider issued no access token")]
    NoToken,
    /// The provider's response is malformed, the settings of the provider are invalid, or TLS cannot be set up.
    #[error("{0}")]
    InvalidResponse(String),
    /// The response may not come from the provider, or may not be meant for this client: for example, its signature,
    /// issuer, audience or nonce is wrong. Also an attempt of another provider or without a valid PKCE verifier.
    #[error("{0}")]
    Untrusted(String),
}

/// A step in the communication with a provider, for error messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProviderStep<'a> {
    /// The provider.
    pub(super) provider: &'a ProviderName,
    /// The action, such as "fetching the JWKS".
    pub(super) operation: &'static str,
}

impl ProviderStep<'_> {
    pub(super) fn unreachable(self, what: impl std::fmt::Display) -> ProviderError {
        ProviderError::Unreachable(self.message(what))
    }

    pub(super) fn busy(self, waiting: usize) -> ProviderError {
        ProviderError::Busy(self.message(format_args!("{waiting} requests already wait for the provider")))
    }

    pub(super) fn refused(self, code: &str) -> ProviderError {
        ProviderError::Refused(self.message(format_args!("the provider refused the request: {code}")))
    }

    pub(super) fn invalid_response(self, what: impl std::fmt::Display) -> ProviderError {
        ProviderError::InvalidResponse(self.message(what))
    }

    pub(super) fn untrusted(self, what: impl std::fmt::Display) -> ProviderError {
        ProviderError::Untrusted(self.message(what))
    }

    fn message(self, what: impl std::fmt::Display) -> String {
        format!("{}: {}: {what}", self.provider, self.operation)
    }
}
