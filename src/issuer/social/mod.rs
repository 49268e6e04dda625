//! Signing in at a provider, and what follows from it: linking, unlinking, the provider's tokens. One verb a file.
//!
//! A provider's word proves who somebody is at the provider, and no more: whose account that opens here is decided by
//! [`crate::domain::social::decide_link`]. Nothing is written before the provider has answered, and then all at once.

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

/// The provider of that name, if it is offered.
fn provider<'i>(issuer: &'i Issuer, name: &ProviderName) -> Result<&'i Provider, Refusal> {
    issuer.providers.find(name.as_str()).ok_or_else(|| SocialRefusal::NotOffered.into())
}

/// What went wrong at a provider: the operator is told the cause here, once; the caller what to do about it.
fn provider_refusal(name: &ProviderName, doing: &'static str, error: &SocialError) -> Refusal {
    tracing::warn!(provider = %name, %error, "{doing} failed");
    let refusal = match error {
        SocialError::Unreachable(_) => SocialRefusal::Unreachable,
        SocialError::Refused(_) => SocialRefusal::Refused,
        SocialError::SentBack(code) => match code.as_str() {
            "access_denied" => SocialRefusal::Denied,
            "temporarily_unavailable" | "server_error" => SocialRefusal::Unreachable,
            _ => SocialRefusal::Refused,
        },
        SocialError::NoToken => SocialRefusal::NoToken,
        SocialError::Nonsense(_) => SocialRefusal::Nonsense,
        SocialError::Untrusted(_) => SocialRefusal::Untrusted,
    };
    refusal.into()
}

/// Whether somebody may change which doors their account has. A token that the resource servers of another dialect see
/// must not open the account to them.
fn may_change_sign_in_methods(who: &SignedIn) -> Result<(), Refusal> {
    who.may_act_in(Dialect::RestSocial).map_err(Refusal::from)
}

/// The user of a session that still lives. To be asked in the write itself: the session may have been ended while a
/// provider was asked, and what is ended stays ended.
fn live_user(tx: &dyn Read, session: SessionId, now: Timestamp) -> Result<User, Refusal> {
    let live = tx.session(session)?.filter(|(session, user)| session.is_live(now) && user.is_active);
    live.map(|(_, user)| user).ok_or_else(|| Unauthenticated::SessionEnded.into())
}

/// Whether a linked account is one of the issuer that its provider's name stands for now. Where the settings have put
/// another in its place, the same id is another person's: nothing is opened for them, and nothing of the account shown to
/// that issuer.
fn same_issuer(account: &SocialAccount, issuer: Option<&str>) -> Result<(), Refusal> {
    if account.is_of(issuer) {
        return Ok(());
    }
    tracing::warn!(
        provider = %account.provider,
        user = %account.user,
        linked = account.issuer.as_deref().unwrap_or_default(),
        configured = issuer.unwrap_or_default(),
        "an account was linked at another issuer than the one that is configured under this name now, and is not opened \
         by it: give the new issuer a name of its own"
    );
    Err(SocialRefusal::Untrusted.into())
}

fn entry(at: Timestamp, action: Action, user: UserId, address: Option<IpAddr>, provider: &ProviderName) -> AuditEntry {
    AuditEntry { at, action, user: Some(user), actor: None, address, detail: provider.to_string() }
}
