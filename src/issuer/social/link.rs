//! Another way in for somebody who is signed in: the second half, when they come back from the provider.

use super::super::authenticate::live;
use super::super::refusal::Unproven;
use super::super::signed_in::SignedIn;
use super::super::{Caller, Issuer, Refusal};
use super::finish::new_account;
use super::refusal::SocialRefusal;
use super::tokens::seal_of;
use super::{entry, same_issuer, still_live};
use crate::domain::audit::Action;
use crate::domain::id::{SessionId, Subject};
use crate::domain::social::SocialIdentity;

/// Who began it, if the same session still lives.
pub async fn still_here(issuer: &Issuer, sub: Subject, session: SessionId) -> Result<SignedIn, Refusal> {
    let who = live(issuer, session).await?;
    if who.user().sub == sub { Ok(who) } else { Err(Unproven::SessionEnded.into()) }
}

/// Links the account at the provider to the user's. One that is linked to it already only brings its new tokens.
pub async fn link(issuer: &Issuer, who: &SignedIn, identity: SocialIdentity, from: Caller) -> Result<(), Refusal> {
    let (now, tokens) = (issuer.clock.now(), seal_of(issuer, &identity));
    let (session, user) = (who.session().id, who.user().id);
    issuer
        .store
        .write(move |tx| {
            still_live(tx, session, now)?;
            let provider = &identity.provider;
            match tx.social_account(provider, &identity.social_id)? {
                Some(account) if account.user == user => {
                    same_issuer(&account, identity.issuer.as_deref())?;
                    if let Some(issuer) = &identity.issuer {
                        tx.learn_social_issuer(user, provider, issuer)?;
                    }
                    let (access, refresh) = (&tokens.access, tokens.refresh.as_ref());
                    return Ok(tx.keep_social_tokens(user, provider, access, refresh, tokens.expires_at)?);
                }
                Some(_) => return Err(SocialRefusal::Anothers.into()),
                None => {}
            }
            if tx.social_account_of(user, provider)?.is_some() {
                return Err(SocialRefusal::HasOne.into());
            }
            tx.link_social_account(&new_account(&identity, tokens, user, now))?;
            Ok(tx.record(&entry(now, Action::SocialLinked, user, Some(from.address), provider))?)
        })
        .await
}
