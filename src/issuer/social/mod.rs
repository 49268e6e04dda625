//! Sign-in with identity providers, linking, unlinking, and the providers' tokens.
//!
//! The provider's response proves only an identity at the provider. [`crate::domain::social::decide_link`] decides
//! which user it signs in. Nothing is written before the provider has answered; then one transaction makes all changes.

pub mod accounts;
pub mod begin;
pub mod finish;
mod link;
pub mod refresh;
mod refusal;
pub mod sign_out;
mod tokens;
pub mod unlink;

pub use refusal::SocialRefusal;

use std::net::IpAddr;

use super::refusal::Unauthenticated;
use super::signed_in::SignedIn;
use super::{Issuer, Refusal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, UserId};
use crate::domain::social::{ProviderName, SocialAccount};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::social::{Provider, SocialError};
use crate::store::Read;

/// Returns the provider of that name, if it is configured.
fn provider<'i>(issuer: &'i Issuer, name: &ProviderName) -> Result<&'i Provider, Refusal> {
    issuer.providers.find(name.as_str()).ok_or_else(|| SocialRefusal::NotConfigured.into())
}

/// Logs the cause of a failure at a provider for the operator, and returns the refusal for the caller.
fn provider_refusal(name: &ProviderName, step: &'static str, error: &SocialError) -> Refusal {
    tracing::warn!(provider = %name, step, %error, "provider flow failed");
    let refusal = match error {
        SocialError::Unreachable(_) => SocialRefusal::Unreachable,
        SocialError::Refused(_) => SocialRefusal::Refused,
        SocialError::CallbackError(code) => match code.as_str() {
            "access_denied" => SocialRefusal::Denied,
            "temporarily_unavailable" | "server_error" => SocialRefusal::Unreachable,
            _ => SocialRefusal::Refused,
        },
        SocialError::NoToken => SocialRefusal::NoToken,
        SocialError::InvalidResponse(_) => SocialRefusal::InvalidResponse,
        SocialError::Untrusted(_) => SocialRefusal::Untrusted,
    };
    refusal.into()
}

/// Checks that the session may change the user's sign-in methods. A token that resource servers of another dialect
/// receive must not allow this.
fn may_change_sign_in_methods(signed_in: &SignedIn) -> Result<(), Refusal> {
    signed_in.may_act_in(Dialect::RestSocial).map_err(Refusal::from)
}

/// Returns the user of a live session. Call it in the write transaction: the session may have ended during the request
/// to the provider, and an ended session must not change anything.
fn live_user(tx: &dyn Read, session: SessionId, now: Timestamp) -> Result<User, Refusal> {
    let live = tx.session(session)?.filter(|(session, user)| session.is_live(now) && user.is_active);
    live.map(|(_, user)| user).ok_or_else(|| Unauthenticated::SessionEnded.into())
}

/// Checks that a linked account belongs to the issuer that is now configured under the provider's name.
///
/// If the settings name another issuer, the same id may belong to another person. That person must not be signed in,
/// and the tokens of the account must not be sent to that issuer.
fn same_issuer(account: &SocialAccount, issuer: Option<&str>) -> Result<(), Refusal> {
    if account.is_of(issuer) {
        return Ok(());
    }
    tracing::warn!(
        provider = %account.provider,
        user = %account.user,
        linked = account.issuer.as_deref().unwrap_or_default(),
        configured = issuer.unwrap_or_default(),
        "provider account was linked under another issuer; configure the new issuer under another provider name"
    );
    Err(SocialRefusal::Untrusted.into())
}

fn entry(at: Timestamp, action: Action, user: UserId, address: Option<IpAddr>, provider: &ProviderName) -> AuditEntry {
    AuditEntry { at, action, user: Some(user), actor: None, address, detail: provider.to_string() }
}
