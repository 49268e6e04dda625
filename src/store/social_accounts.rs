//! Accounts at providers: reads and writes.

use super::error::StoreError;
use crate::domain::id::UserId;
use crate::domain::social::{ProviderName, SealedToken, SocialAccount};
use crate::domain::time::Timestamp;

/// Reads accounts at providers.
pub trait ReadSocialAccounts {
    /// Returns the account with that id at the provider. Ids are compared byte by byte.
    fn social_account(&self, provider: &ProviderName, social_id: &str) -> Result<Option<SocialAccount>, StoreError>;
    /// Returns the user's account at the provider.
    fn social_account_of(&self, user: UserId, provider: &ProviderName) -> Result<Option<SocialAccount>, StoreError>;
    /// Returns all provider accounts of a user, ordered by provider name.
    fn social_accounts_of(&self, user: UserId) -> Result<Vec<SocialAccount>, StoreError>;
    /// Returns at most `limit` accounts of all users, ordered by user and provider, from the first after `after`.
    fn social_accounts_after(
        &self,
        after: Option<&SocialAccountCursor>,
        limit: u32,
    ) -> Result<Vec<SocialAccount>, StoreError>;
}

/// A position in the list of all accounts at providers: the user and the provider of an account.
pub type SocialAccountCursor = (UserId, ProviderName);

/// Changes accounts at providers. Methods that name an account that does not exist change nothing.
pub trait WriteSocialAccounts {
    /// Links a provider account to a user. Returns [`StoreError::InUse`] if the account is already linked, or if the
    /// user already has an account of that provider.
    fn link_social_account(&self, account: &SocialAccount) -> Result<(), StoreError>;
    /// Stores the tokens that the provider returned. If `refresh` is `None`, the stored refresh token stays.
    fn store_social_tokens(
        &self,
        user: UserId,
        provider: &ProviderName,
        access: &SealedToken,
        refresh: Option<&SealedToken>,
        expires_at: Option<Timestamp>,
    ) -> Result<(), StoreError>;
    /// Replaces the stored tokens by the same tokens sealed with another key; `None` removes a token.
    fn reseal_social_tokens(
        &self,
        user: UserId,
        provider: &ProviderName,
        access: Option<&SealedToken>,
        refresh: Option<&SealedToken>,
    ) -> Result<(), StoreError>;
    /// Stores the issuer of the account. If an issuer is already stored, it stays.
    fn set_social_issuer(&self, user: UserId, provider: &ProviderName, issuer: &str) -> Result<(), StoreError>;
    /// Records a sign-in through the account.
    fn record_social_sign_in(&self, user: UserId, provider: &ProviderName, at: Timestamp) -> Result<(), StoreError>;
    /// Deletes the access token of one provider, or of all providers if `provider` is `None`. The refresh token stays.
    fn delete_social_access_token(&self, user: UserId, provider: Option<&ProviderName>) -> Result<(), StoreError>;
    /// Deletes the account with its tokens. Returns false if there is none.
    fn unlink_social_account(&self, user: UserId, provider: &ProviderName) -> Result<bool, StoreError>;
}
