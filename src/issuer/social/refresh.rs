//! Refreshes a provider's access token.

use super::permission::may_change_sign_in_methods;
use super::provider::{other_issuer, provider_refusal};
use super::refusal::{SocialError, SocialRefusal};
use super::tokens::{ProviderTokenKind, open, seal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::social::ProviderName;
use crate::issuer::authenticate::live_user;
use crate::issuer::context::{Caller, Issuer};
use crate::issuer::signed_in::SignedIn;

/// A signed-in user's request to refresh the stored access token of a provider.
#[derive(Debug)]
pub struct RefreshProvider {
    /// The provider.
    pub provider: ProviderName,
    /// The caller.
    pub from: Caller,
}

impl RefreshProvider {
    /// Requests new tokens from the provider and stores them. If the provider returns no new refresh token, the stored
    /// one is kept.
    pub async fn run(self, signed_in: &SignedIn, issuer: &Issuer) -> Result<(), SocialError> {
        may_change_sign_in_methods(signed_in)?;
        let user = signed_in.user().id;
        let session = signed_in.session().id;
        // A provider that is not configured gets the same refusal as one without a refresh token.
        let provider = issuer.providers.find(self.provider.as_str()).ok_or(SocialRefusal::NoRefreshToken)?;
        let name = self.provider.clone();
        let account =
            issuer.store.read(move |tx| tx.social_account_of(user, &name)).await.map_err(SocialError::from)?;
        let account = account.filter(|_| provider.can_refresh()).ok_or(SocialRefusal::NoRefreshToken)?;
        if !account.is_of(provider.issuer()) {
            return Err(other_issuer(&account, provider.issuer()).into());
        }
        let token = open(issuer, &account, ProviderTokenKind::Refresh).ok_or(SocialRefusal::NoRefreshToken)?;
        let refreshed = provider.refresh(&token, issuer.clock.now()).await;
        let refreshed = refreshed.map_err(|error| provider_refusal(&self.provider, "refreshing a token", &error))?;
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let tokens = seal(issuer, &self.provider, &account.social_id, &refreshed);
        issuer
            .store
            .write(move |tx| {
                // A sign-out during the request deleted the provider's access token, so no new one must be stored.
                live_user(tx, session, &settings, now)?;
                // If the account was unlinked or replaced during the request, the tokens belong to no linked account.
                let present = tx.social_account_of(user, &self.provider)?;
                if present.is_none_or(|present| present.social_id != account.social_id) {
                    return Err(SocialRefusal::NoRefreshToken.into());
                }
                let refresh = tokens.refresh.as_ref();
                tx.store_social_tokens(user, &self.provider, &tokens.access, refresh, tokens.expires_at)?;
                let provider = self.provider.to_string();
                let entry = AuditEntry::by_user(now, Action::SocialRefreshed, user, self.from.address, provider);
                Ok(tx.record(&entry)?)
            })
            .await
    }
}
