//! Accounts at providers in SQL.

use rusqlite::{Row, params};

use super::error::unreadable;
use super::tx::{Tx, date, maybe_date};
use crate::domain::id::UserId;
use crate::domain::social::{ProviderName, SealedToken, SocialAccount};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::social_accounts::{ReadSocialAccounts, SocialAccountCursor, WriteSocialAccounts};

pub(super) const BY_ID: &str = "SELECT * FROM social_accounts WHERE provider = ?1 AND social_id = ?2";
pub(super) const OF_USER: &str = "SELECT * FROM social_accounts WHERE user_id = ?1 ORDER BY provider";
pub(super) const ONE_OF_USER: &str = "SELECT * FROM social_accounts WHERE user_id = ?1 AND provider = ?2";
const AFTER: &str = "SELECT * FROM social_accounts WHERE user_id > ?1 OR (user_id = ?1 AND provider > ?2)
   ORDER BY user_id, provider LIMIT ?3";
pub(super) const DELETE_ACCESS_TOKEN: &str = "UPDATE social_accounts SET access_token = NULL, expires_at = NULL
   WHERE user_id = ?1 AND provider = coalesce(?2, provider)";

fn account(row: &Row<'_>) -> Result<SocialAccount, StoreError> {
    let provider: String = row.get("provider")?;
    Ok(SocialAccount {
        provider: provider.parse().map_err(|problem| unreadable("provider", problem))?,
        social_id: row.get("social_id")?,
        issuer: row.get("issuer")?,
        user: UserId(row.get("user_id")?),
        access: row.get::<_, Option<Vec<u8>>>("access_token")?.map(SealedToken),
        refresh: row.get::<_, Option<Vec<u8>>>("refresh_token")?.map(SealedToken),
        expires_at: maybe_date(row, "expires_at")?,
        linked_at: date(row, "linked_at")?,
        last_login: maybe_date(row, "last_login")?,
    })
}

impl ReadSocialAccounts for Tx<'_> {
    fn social_account(&self, provider: &ProviderName, social_id: &str) -> Result<Option<SocialAccount>, StoreError> {
        self.one(BY_ID, [provider.as_str(), social_id], account)
    }

    fn social_account_of(&self, user: UserId, provider: &ProviderName) -> Result<Option<SocialAccount>, StoreError> {
        self.one(ONE_OF_USER, params![user.0, provider.as_str()], account)
    }

    fn social_accounts_of(&self, user: UserId) -> Result<Vec<SocialAccount>, StoreError> {
        self.all(OF_USER, [user.0], account)
    }

    fn social_accounts_after(
        &self,
        after: Option<&SocialAccountCursor>,
        limit: u32,
    ) -> Result<Vec<SocialAccount>, StoreError> {
        let (user, provider) = after.map_or((i64::MIN, ""), |(user, provider)| (user.0, provider.as_str()));
        self.all(AFTER, params![user, provider, limit], account)
    }
}

impl WriteSocialAccounts for Tx<'_> {
    fn link_social_account(&self, account: &SocialAccount) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO social_accounts (provider, social_id, user_id, access_token, refresh_token, expires_at,
               linked_at, last_login, issuer)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                account.provider.as_str(),
                account.social_id,
                account.user.0,
                account.access.as_ref().map(|token| &token.0),
                account.refresh.as_ref().map(|token| &token.0),
                account.expires_at.map(Timestamp::unix),
                account.linked_at.unix(),
                account.last_login.map(Timestamp::unix),
                account.issuer,
            ],
        )?;
        Ok(())
    }

    fn store_social_tokens(
        &self,
        user: UserId,
        provider: &ProviderName,
        access: &SealedToken,
        refresh: Option<&SealedToken>,
        expires_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE social_accounts
             SET access_token = ?3, refresh_token = coalesce(?4, refresh_token), expires_at = ?5
             WHERE user_id = ?1 AND provider = ?2",
            params![
                user.0,
                provider.as_str(),
                access.0,
                refresh.map(|token| &token.0),
                expires_at.map(Timestamp::unix)
            ],
        )?;
        Ok(())
    }

    fn reseal_social_tokens(
        &self,
        user: UserId,
        provider: &ProviderName,
        access: Option<&SealedToken>,
        refresh: Option<&SealedToken>,
    ) -> Result<(), StoreError> {
        let [access, refresh] = [access, refresh].map(|token| token.map(|token| &token.0));
        self.execute(
            "UPDATE social_accounts SET access_token = ?3, refresh_token = ?4 WHERE user_id = ?1 AND provider = ?2",
            params![user.0, provider.as_str(), access, refresh],
        )?;
        Ok(())
    }

    fn set_social_issuer(&self, user: UserId, provider: &ProviderName, issuer: &str) -> Result<(), StoreError> {
        self.execute(
            "UPDATE social_accounts SET issuer = ?3 WHERE user_id = ?1 AND provider = ?2 AND issuer IS NULL",
            params![user.0, provider.as_str(), issuer],
        )?;
        Ok(())
    }

    fn record_social_sign_in(&self, user: UserId, provider: &ProviderName, at: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE social_accounts SET last_login = ?3 WHERE user_id = ?1 AND provider = ?2",
            params![user.0, provider.as_str(), at.unix()],
        )?;
        Ok(())
    }

    fn delete_social_access_token(&self, user: UserId, provider: Option<&ProviderName>) -> Result<(), StoreError> {
        self.execute(DELETE_ACCESS_TOKEN, params![user.0, provider.map(ProviderName::as_str)])?;
        Ok(())
    }

    fn unlink_social_account(&self, user: UserId, provider: &ProviderName) -> Result<bool, StoreError> {
        let sql = "DELETE FROM social_accounts WHERE user_id = ?1 AND provider = ?2";
        Ok(self.execute(sql, params![user.0, provider.as_str()])? == 1)
    }
}
