//! Links an account at a provider to the signed-in user, after the return from the provider.

use super::provider::other_issuer;
use super::refusal::{SocialError, SocialRefusal};
use super::tokens::{SealedTokens, seal_identity};
use crate::domain::account_change::AccountChange;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::id::{SessionId, Subject, UserId};
use crate::domain::social::{SocialAccount, SocialIdentity};
use crate::domain::time::Timestamp;
use crate::issuer::authenticate::{live_session, live_user};
use crate::issuer::change_permit::check_ordinary;
use crate::issuer::context::{Caller, Issuer};
use crate::issuer::notices::Notices;
use crate::issuer::refusal::{Refusal, Unauthenticated};
use crate::issuer::signed_in::SignedIn;

/// Returns the user who began the flow, if the same session is still live.
pub async fn still_signed_in(issuer: &Issuer, sub: Subject, session: SessionId) -> Result<SignedIn, Refusal> {
    let signed_in = live_session(issuer, session).await?;
    if signed_in.user().sub == sub { Ok(signed_in) } else { Err(Unauthenticated::SessionEnded.into()) }
}

/// Links the account at the provider to the user. If it is linked to this user already, updates its tokens and issuer.
pub async fn link(
    issuer: &Issuer,
    signed_in: &SignedIn,
    identity: SocialIdentity,
    from: Caller,
) -> Result<(), SocialError> {
    let now = issuer.clock.now();
    let settings = issuer.settings();
    let tokens = seal_identity(issuer, &identity);
    let session = signed_in.session().id;
    let user = signed_in.user().id;
    let configured = identity.issuer.clone();
    let notices = Notices::new(issuer);
    let of_other_issuer: Result<Option<SocialAccount>, SocialError> = issuer
        .store
        .write(move |tx| {
            let owner = live_user(tx, session, &settings, now)?;
            check_ordinary(&owner)?;
            let provider = &identity.provider;
            match tx.social_account(provider, &identity.social_id)? {
                Some(account) if account.user == user => {
                    if !account.is_of(&identity.issuer) {
                        return Ok(Some(account));
                    }
                    tx.set_social_issuer(user, provider, &identity.issuer)?;
                    let access = &tokens.access;
                    let refresh = tokens.refresh.as_ref();
                    tx.store_social_tokens(user, provider, access, refresh, tokens.expires_at)?;
                    return Ok(None);
                }
                Some(_) => return Err(SocialRefusal::LinkedToOther.into()),
                None => {}
            }
            if tx.social_account_of(user, provider)?.is_some() {
                return Err(SocialRefusal::AlreadyLinked.into());
            }
            tx.link_social_account(&new_account(&identity, tokens.clone(), user, now))?;
            tx.record(&AuditEntry::by_user(now, Action::SocialLinked, user, from.address, provider.to_string()))?;
            notices.queue(tx, &owner, &[AccountChange::Linked(provider.clone())])?;
            Ok(None)
        })
        .await;
    match of_other_issuer? {
        Some(account) => Err(other_issuer(&account, &configured).into()),
        None => Ok(()),
    }
}

/// Creates the link between an account at the provider and a user. Does not store it.
pub fn new_account(
    identity: &SocialIdentity,
    tokens: SealedTokens,
    user: UserId,
    linked_at: Timestamp,
) -> SocialAccount {
    SocialAccount {
        provider: identity.provider.clone(),
        social_id: identity.social_id.clone(),
        issuer: Some(identity.issuer.clone()),
        user,
        access: Some(tokens.access),
        refresh: tokens.refresh,
        expires_at: tokens.expires_at,
        linked_at,
        last_login: None,
    }
}
