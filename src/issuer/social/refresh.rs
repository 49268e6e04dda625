//! Renewing what a provider gave us.

use super::refusal::SocialRefusal;
use super::tokens::{ProviderTokenKind, open, seal};
use super::{entry, live_user, may_change_sign_in_methods, provider_refusal, same_issuer};
use crate::domain::audit::Action;
use crate::domain::social::ProviderName;
use crate::issuer::signed_in::SignedIn;
use crate::issuer::{Caller, Issuer, Refusal};

/// A signed-in user wants a newer access token of a provider's to be had for them.
#[derive(Debug)]
pub struct RefreshProvider {
    /// Of which.
    pub provider: ProviderName,
    /// From where.
    pub from: Caller,
}

impl RefreshProvider {
    /// Asks the provider, and keeps what it gives. A refresh token that it does not give anew is kept as it was.
    pub async fn run(self, who: &SignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        may_change_sign_in_methods(who)?;
        let user = who.user().id;
        let session = who.session().id;
        // One that is not offered is one without a refresh token, to whoever asks.
        let asked = issuer.providers.find(self.provider.as_str()).ok_or(SocialRefusal::NoRefreshToken)?;
        let name = self.provider.clone();
        let account = issuer.store.read(move |tx| tx.social_account_of(user, &name)).await.map_err(Refusal::from)?;
        let account = account.filter(|_| asked.can_refresh()).ok_or(SocialRefusal::NoRefreshToken)?;
        same_issuer(&account, asked.issuer())?;
        let token = open(issuer, &account, ProviderTokenKind::Refresh).ok_or(SocialRefusal::NoRefreshToken)?;
        let given = asked.refresh(&token, issuer.clock.now()).await;
        let given = given.map_err(|error| provider_refusal(&self.provider, "refreshing a provider's token", &error))?;
        let now = issuer.clock.now();
        let tokens = seal(issuer, &self.provider, &account.social_id, &given);
        issuer
            .store
            .write(move |tx| {
                // Who has signed out meanwhile had the provider's access token forgotten.
                live_user(tx, session, now)?;
                // Unlinked meanwhile, or linked to another of the provider's accounts: the tokens are nobody's then.
                let present = tx.social_account_of(user, &self.provider)?;
                if present.is_none_or(|present| present.social_id != account.social_id) {
                    return Err(SocialRefusal::NoRefreshToken.into());
                }
                let refresh = tokens.refresh.as_ref();
                tx.keep_social_tokens(user, &self.provider, &tokens.access, refresh, tokens.expires_at)?;
                Ok(tx.record(&entry(now, Action::SocialRefreshed, user, Some(self.from.address), &self.provider))?)
            })
            .await
    }
}
