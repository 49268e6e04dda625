//! The configured provider of a request, and what a failure at a provider means for the caller.

use super::refusal::SocialRefusal;
use crate::domain::social::{ProviderName, SocialAccount};
use crate::issuer::context::Issuer;
use crate::social::{Provider, ProviderError};

/// Returns the provider of that name, if it is configured.
pub fn provider<'i>(issuer: &'i Issuer, name: &ProviderName) -> Result<&'i Provider, SocialRefusal> {
    issuer.providers.find(name.as_str()).ok_or(SocialRefusal::NotConfigured)
}

/// Logs the cause of a failure at a provider for the operator, and returns the refusal for the caller.
pub fn provider_refusal(name: &ProviderName, step: &'static str, error: &ProviderError) -> SocialRefusal {
    // The requests that already wait log why.
    if matches!(error, ProviderError::Busy(_)) {
        tracing::debug!(provider = %name, step, %error, "provider flow refused");
    } else {
        tracing::warn!(provider = %name, step, %error, "provider flow failed");
    }
    match error {
        ProviderError::Unreachable(_) | ProviderError::Busy(_) => SocialRefusal::Unreachable,
        ProviderError::Refused(_) => SocialRefusal::Refused,
        ProviderError::CallbackError(code) => match code.as_str() {
            "access_denied" => SocialRefusal::Denied,
            "temporarily_unavailable" | "server_error" => SocialRefusal::Unreachable,
            _ => SocialRefusal::Refused,
        },
        ProviderError::NoToken => SocialRefusal::NoToken,
        ProviderError::InvalidResponse(_) => SocialRefusal::InvalidResponse,
        ProviderError::Untrusted(_) => SocialRefusal::Untrusted,
    }
}

/// Logs that an account was linked under another issuer than the one that is now configured under the provider's name,
/// and returns the refusal. To be called after the transaction, which may run several times.
///
/// The same id may belong to another person at the new issuer. That person must not be signed in, and the tokens of the
/// account must not be sent to that issuer.
pub fn other_issuer(account: &SocialAccount, issuer: &str) -> SocialRefusal {
    tracing::warn!(
        provider = %account.provider,
        user = %account.user,
        linked = account.issuer.as_deref().unwrap_or_default(),
        configured = issuer,
        "provider account was linked under another issuer; configure the new issuer under another provider name"
    );
    SocialRefusal::Untrusted
}
