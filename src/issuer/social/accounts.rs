//! What a signed-in user may know of their accounts at providers: which there are, and the provider's tokens.

use super::may_change_sign_in_methods;
use super::tokens::{ProviderTokenKind, open};
use crate::domain::secret::SecretText;
use crate::domain::social::SocialAccount;
use crate::issuer::signed_in::SignedIn;
use crate::issuer::{Issuer, Refusal};
use crate::store::StoreError;

/// What a provider gave us for somebody. Either may be missing.
#[derive(Debug)]
pub struct ProviderTokens {
    /// The access token, unless it was forgotten.
    pub access: Option<SecretText>,
    /// The refresh token, where the provider gives one.
    pub refresh: Option<SecretText>,
}

/// The accounts at providers that open the user's, in order of the provider's name.
pub async fn accounts(issuer: &Issuer, who: &SignedIn) -> Result<Vec<SocialAccount>, Refusal> {
    let user = who.user().id;
    issuer.store.read(move |tx| tx.social_accounts_of(user)).await.map_err(|error: StoreError| error.into())
}

/// What the provider gave who opened the session; where a password did, the first that the user has.
pub async fn provider_tokens(issuer: &Issuer, who: &SignedIn) -> Result<ProviderTokens, Refusal> {
    may_change_sign_in_methods(who)?;
    let opened_by = who.session().provider.as_ref();
    let mut accounts = accounts(issuer, who).await?.into_iter();
    let account = accounts.find(|account| opened_by.is_none_or(|provider| account.provider == *provider));
    let token = |kind| account.as_ref().and_then(|account| open(issuer, account, kind));
    Ok(ProviderTokens { access: token(ProviderTokenKind::Access), refresh: token(ProviderTokenKind::Refresh) })
}
