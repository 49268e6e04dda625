//! Taking a way in away.

use super::refusal::SocialRefusal;
use super::{entry, live_user, may_change_sign_in_methods};
use crate::domain::audit::Action;
use crate::domain::id::UserId;
use crate::domain::social::{ProviderName, SocialAccount};
use crate::domain::time::Timestamp;
use crate::issuer::signed_in::SignedIn;
use crate::issuer::{Caller, Issuer, Refusal};
use crate::store::{StoreError, Write};

/// A signed-in user no longer wants to come in by a provider.
#[derive(Debug)]
pub struct UnlinkAccount {
    /// By which. One that is no longer offered, too.
    pub provider: ProviderName,
    /// From where.
    pub from: Caller,
}

/// The providers that are offered, with their issuers.
type OfferedProviders = Vec<(ProviderName, Option<String>)>;

/// Whether an account is a way in today. One at a provider that is no longer offered is none, nor one at an issuer that
/// another has taken the place of.
fn is_usable(offered: &OfferedProviders, account: &SocialAccount) -> bool {
    offered.iter().any(|(name, issuer)| *name == account.provider && account.is_of(issuer.as_deref()))
}

impl UnlinkAccount {
    /// Forgets the account at the provider and its tokens, unless nothing else opens the user's account.
    pub async fn run(self, who: &SignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        may_change_sign_in_methods(who)?;
        let now = issuer.clock.now();
        let session = who.session().id;
        let offered = issuer.providers.offered();
        let offered: OfferedProviders =
            offered.map(|one| (one.name().clone(), one.issuer().map(str::to_owned))).collect();
        issuer
            .store
            .write(move |tx| {
                let user = live_user(tx, session, now)?;
                let accounts = tx.social_accounts_of(user.id)?;
                if !accounts.iter().any(|account| account.provider == self.provider) {
                    return Err(SocialRefusal::NotLinked.into());
                }
                let mut others = accounts.iter().filter(|account| account.provider != self.provider);
                if user.password.is_none() && !others.any(|account| is_usable(&offered, account)) {
                    return Err(SocialRefusal::LastWayIn.into());
                }
                tx.unlink_social_account(user.id, &self.provider)?;
                let address = Some(self.from.address);
                Ok(tx.record(&entry(now, Action::SocialUnlinked, user.id, address, &self.provider))?)
            })
            .await
    }
}

/// Unlinks whatever opens a user's account, because whoever linked it may not be whose the address turned out to be.
pub(in crate::issuer) fn unlink_all(
    tx: &dyn Write,
    user: UserId,
    from: Caller,
    now: Timestamp,
) -> Result<(), StoreError> {
    for account in tx.social_accounts_of(user)? {
        tx.unlink_social_account(user, &account.provider)?;
        let mut line = entry(now, Action::SocialUnlinked, user, Some(from.address), &account.provider);
        line.detail.push_str(": linked before the address was verified");
        tx.record(&line)?;
    }
    Ok(())
}
