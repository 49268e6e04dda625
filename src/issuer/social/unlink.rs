//! Taking a way in away.

use super::super::signed_in::SignedIn;
use super::super::{Caller, Issuer, Refusal};
use super::refusal::SocialRefusal;
use super::{entry, may_change_doors, still_live};
use crate::domain::audit::Action;
use crate::domain::id::UserId;
use crate::domain::social::ProviderName;
use crate::domain::time::Timestamp;
use crate::store::{StoreError, Write};

/// A signed-in user no longer wants to come in by a provider.
#[derive(Debug)]
pub struct Unlink {
    /// By which. One that is no longer offered, too.
    pub provider: ProviderName,
    /// From where.
    pub from: Caller,
}

impl Unlink {
    /// Forgets the account at the provider and its tokens, unless nothing else opens the user's account.
    pub async fn run(self, who: &SignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        may_change_doors(who)?;
        let (now, session) = (issuer.clock.now(), who.session().id);
        issuer
            .store
            .write(move |tx| {
                let user = still_live(tx, session, now)?;
                let accounts = tx.social_accounts_of(user.id)?;
                if !accounts.iter().any(|account| account.provider == self.provider) {
                    return Err(SocialRefusal::NotLinked.into());
                }
                if user.password.is_none() && accounts.len() == 1 {
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
