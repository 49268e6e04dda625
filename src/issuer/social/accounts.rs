//! Returns a signed-in user's linked provider accounts, and a provider's tokens.

use super::permission::may_change_sign_in_methods;
use super::tokens::{ProviderTokenKind, open};
use crate::domain::secret::SecretText;
use crate::domain::social::SocialAccount;
use crate::issuer::context::Issuer;
use crate::issuer::refusal::Refusal;
use crate::issuer::signed_in::SignedIn;
use crate::store::StoreError;

/// The stored tokens of a provider for a user. Either may be missing.
#[derive(Debug)]
pub struct ProviderTokens {
    /// The access token, unless it was deleted at a sign-out.
    pub access: Option<SecretText>,
    /// The refresh token, if the provider issued one.
    pub refresh: Option<SecretText>,
}

/// Returns the user's linked accounts at providers, in the order of the providers' names.
pub async fn accounts(issuer: &Issuer, signed_in: &SignedIn) -> Result<Vec<SocialAccount>, Refusal> {
    let user = signed_in.user().id;
    issuer.store.read(move |tx| tx.social_accounts_of(user)).await.map_err(|error: StoreError| error.into())
}

/// Returns the tokens of the provider through which the session was opened. After a sign-in with a password, returns
/// those of the user's first linked account.
pub async fn provider_tokens(issuer: &Issuer, signed_in: &SignedIn) -> Result<ProviderTokens, Refusal> {
    may_change_sign_in_methods(signed_in)?;
    let session_provider = signed_in.session().provider.as_ref();
    let mut accounts = accounts(issuer, signed_in).await?.into_iter();
    let account = accounts.find(|account| session_provider.is_none_or(|provider| account.provider == *provider));
    let token = |kind| account.as_ref().and_then(|account| open(issuer, account, kind));
    Ok(ProviderTokens { access: token(ProviderTokenKind::Access), refresh: token(ProviderTokenKind::Refresh) })
}
