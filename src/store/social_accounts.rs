//! Accounts at providers, as the store is asked for them.

use super::StoreError;
use crate::domain::id::UserId;
use crate::domain::social::{ProviderName, SealedToken, SocialAccount};
use crate::domain::time::Timestamp;

/// Asking for accounts at providers.
pub trait ReadSocialAccounts {
    /// The account of that id at the provider. Ids are compared byte by byte.
    fn social_account(&self, provider: &ProviderName, social_id: &str) -> Result<Option<SocialAccount>, StoreError>;
    /// The user's account at the provider.
    fn social_account_of(&self, user: UserId, provider: &ProviderName) -> Result<Option<SocialAccount>, StoreError>;
    /// All accounts of a user, in order of the provider's name.
    fn social_accounts_of(&self, user: UserId) -> Result<Vec<SocialAccount>, StoreError>;
}

/// Changing accounts at providers. Those that name an account nobody has change nothing.
pub trait WriteSocialAccounts {
    /// Lets an account at a provider open a user's. A fault where it is anybody's already, or the user has another one
    /// of that provider: to be asked before, in the same closure.
    fn link_social_account(&self, account: &SocialAccount) -> Result<(), StoreError>;
    /// Keeps what the provider gave anew. A refresh token that it did not give again stays as it was.
    fn keep_social_tokens(
        &self,
        user: UserId,
        provider: &ProviderName,
        access: &SealedToken,
        refresh: Option<&SealedToken>,
        expires_at: Option<Timestamp>,
    ) -> Result<(), StoreError>;
    /// Keeps which issuer the account is of, where that is not known yet.
    fn learn_social_issuer(&self, user: UserId, provider: &ProviderName, issuer: &str) -> Result<(), StoreError>;
    /// Remembers that the account opened its user's.
    fn record_social_sign_in(&self, user: UserId, provider: &ProviderName, at: Timestamp) -> Result<(), StoreError>;
    /// Forgets the access token, of one provider or (None) of all, and keeps the refresh token.
    fn forget_social_access(&self, user: UserId, provider: Option<&ProviderName>) -> Result<(), StoreError>;
    /// Forgets the account with its tokens. False if there is none.
    fn unlink_social_account(&self, user: UserId, provider: &ProviderName) -> Result<bool, StoreError>;
}
