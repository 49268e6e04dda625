//! Unlinks an account at a provider.

use super::permission::may_change_sign_in_methods;
use super::refusal::{SocialError, SocialRefusal};
use crate::domain::account_change::AccountChange;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::id::UserId;
use crate::domain::social::{ProviderName, SocialAccount};
use crate::domain::time::Timestamp;
use crate::issuer::authenticate::live_user;
use crate::issuer::change_permit::{ChangePermit, OwnerProof};
use crate::issuer::context::{Caller, Issuer};
use crate::issuer::notices::Notices;
use crate::issuer::signed_in::SignedIn;
use crate::store::{StoreError, Write};

/// A signed-in user's request to unlink the account at a provider.
#[derive(Debug)]
pub struct UnlinkAccount {
    /// The provider, which may no longer be configured.
    pub provider: ProviderName,
    /// The proof that the caller is the owner of the account.
    pub proof: OwnerProof,
}

/// The configured providers with their issuers.
type OfferedProviders = Vec<(ProviderName, String)>;

/// Whether the user can sign in with a linked account now. This is not possible if its provider is no longer
/// configured, or if another issuer is configured under the provider's name.
fn is_usable(offered: &OfferedProviders, account: &SocialAccount) -> bool {
    offered.iter().any(|(name, issuer)| *name == account.provider && account.is_of(issuer))
}

impl UnlinkAccount {
    /// Deletes the link and its tokens. Refuses if the user has no other way to sign in.
    pub async fn run(self, signed_in: &SignedIn, issuer: &Issuer) -> Result<(), SocialError> {
        may_change_sign_in_methods(signed_in)?;
        let Self { provider, proof } = self;
        let from = proof.from;
        let permit = ChangePermit::request(issuer, signed_in, proof).await?;
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let session = signed_in.session().id;
        let notices = Notices::new(issuer);
        let offered = issuer.providers.offered();
        let offered: OfferedProviders =
            offered.map(|provider| (provider.name().clone(), provider.issuer().to_owned())).collect();
        issuer
            .store
            .write(move |tx| {
                let user = live_user(tx, session, &settings, now)?;
                permit.check(&user)?;
                let accounts = tx.social_accounts_of(user.id)?;
                if !accounts.iter().any(|account| account.provider == provider) {
                    return Err(SocialRefusal::NotLinked.into());
                }
                let mut others = accounts.iter().filter(|account| account.provider != provider);
                if user.password.is_none() && !others.any(|account| is_usable(&offered, account)) {
                    return Err(SocialRefusal::LastSignInMethod.into());
                }
                tx.unlink_social_account(user.id, &provider)?;
                let detail = provider.to_string();
                let entry = AuditEntry::by_user(now, Action::SocialUnlinked, user.id, from.address, detail);
                tx.record(&entry)?;
                Ok(notices.queue(tx, &user, &[AccountChange::Unlinked(provider.clone())])?)
            })
            .await
    }
}

/// Unlinks all of a user's accounts at providers, and returns these changes. An attacker who does not own the user's
/// e-mail address may have linked them.
pub(in crate::issuer) fn unlink_all(
    tx: &dyn Write,
    user: UserId,
    from: Caller,
    now: Timestamp,
) -> Result<Vec<AccountChange>, StoreError> {
    let mut changes = Vec::new();
    for account in tx.social_accounts_of(user)? {
        tx.unlink_social_account(user, &account.provider)?;
        let detail = format!("{}: linked before the address was verified", account.provider);
        tx.record(&AuditEntry::by_user(now, Action::SocialUnlinked, user, from.address, detail))?;
        changes.push(AccountChange::Unlinked(account.provider));
    }
    Ok(changes)
}
