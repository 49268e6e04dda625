//! Replaces the secret from which all symmetric keys are derived.
//!
//! There is no overlap: everything that was made with the old secret becomes invalid, except stored provider tokens and
//! waiting e-mails, which are sealed with the new one. The new secret is stored first, and becomes the current one last.
//! An interrupted renewal is continued by repeating it; until then no server starts.

use super::super::social::tokens::{ProviderTokenKind, purpose};
use super::error::KeysError;
use crate::clock::Clock;
use crate::crypto::aead::Aead;
use crate::crypto::derive::{DerivedKeys, Use};
use crate::domain::audit::{Action, Operator};
use crate::domain::session::EndReason;
use crate::domain::social::{SealedToken, SocialAccount};
use crate::keys::KeySource;
use crate::mail::reseal_mail;
use crate::random::Random;
use crate::store::{MailState, Store, StoreError};

/// How many accounts or e-mails one transaction seals again.
const BATCH: u32 = 500;

/// A request to replace the secret. No server may use the database meanwhile.
#[derive(Debug)]
pub struct RenewSecret {
    /// The operator.
    pub by: Operator,
}

/// What a renewal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenewedSecret {
    /// The sessions that ended.
    pub sessions: usize,
    /// The provider tokens that were sealed again.
    pub tokens: usize,
    /// The waiting e-mails that were sealed again.
    pub mails: usize,
    /// The provider tokens and e-mails that neither secret opens.
    pub unreadable: usize,
}

/// The keys of one use, of the old and of the new secret.
struct KeyPairOfUse {
    old: Aead,
    new: Aead,
}

impl KeyPairOfUse {
    fn new((old, new): &(DerivedKeys, DerivedKeys), key_use: Use) -> Self {
        Self { old: Aead::new(old, key_use), new: Aead::new(new, key_use) }
    }
}

impl RenewSecret {
    /// Replaces the secret. Without a database, only the secret changes.
    pub async fn run(
        self,
        source: &KeySource,
        store: Option<&Store>,
        clock: &Clock,
        random: &Random,
    ) -> Result<RenewedSecret, KeysError> {
        let secrets = source.begin_secret_renewal().map_err(KeysError::Change)?;
        let mut renewed = RenewedSecret::default();
        if let Some(store) = store {
            let stored: Result<(), StoreError> = async {
                reseal_tokens(store, &KeyPairOfUse::new(&secrets, Use::ProviderTokens), random, &mut renewed).await?;
                reseal_mails(store, &KeyPairOfUse::new(&secrets, Use::MailEncryption), random, &mut renewed).await?;
                let now = clock.now();
                let entry = self.by.entry(now, Action::SecretRenewed, None, String::new());
                let ended = store.write(move |tx| {
                    tx.delete_all_reset_codes()?;
                    tx.delete_all_email_confirmations()?;
                    tx.end_all_admin_sessions()?;
                    tx.record(&entry)?;
                    tx.end_all_sessions(now, EndReason::Operator)
                });
                renewed.sessions = ended.await?;
                Ok(())
            }
            .await;
            stored.map_err(KeysError::Renewal)?;
        }
        source.finish_secret_renewal().map_err(KeysError::Change)?;
        Ok(renewed)
    }
}

/// Seals the tokens of all accounts at providers again.
async fn reseal_tokens(
    store: &Store,
    keys: &KeyPairOfUse,
    random: &Random,
    renewed: &mut RenewedSecret,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let start = after.take();
        let accounts: Result<Vec<SocialAccount>, StoreError> =
            store.read(move |tx| tx.social_accounts_after(start.as_ref(), BATCH)).await;
        let mut accounts = accounts?;
        let Some(last) = accounts.last() else { return Ok(()) };
        after = Some((last.user, last.provider.clone()));
        for account in &mut accounts {
            let [access, refresh] = [
                (ProviderTokenKind::Access, account.access.take()),
                (ProviderTokenKind::Refresh, account.refresh.take()),
            ]
            .map(|(kind, token)| {
                let data = purpose(kind, &account.provider, &account.social_id);
                token.map(|token| reseal_token(token, &data, keys, random, renewed))
            });
            (account.access, account.refresh) = (access, refresh);
        }
        let stored: Result<(), StoreError> = store
            .write(move |tx| {
                accounts.iter().try_for_each(|account| {
                    let [access, refresh] = [&account.access, &account.refresh].map(Option::as_ref);
                    tx.reseal_social_tokens(account.user, &account.provider, access, refresh)
                })
            })
            .await;
        stored?;
    }
}

/// Seals one token again. A token that the new secret opens was sealed before an interruption. A token that neither
/// secret opens stays as it is, as before the renewal.
fn reseal_token(
    token: SealedToken,
    data: &[u8],
    keys: &KeyPairOfUse,
    random: &Random,
    renewed: &mut RenewedSecret,
) -> SealedToken {
    if let Ok(plain) = keys.old.open(data, &token.0) {
        renewed.tokens += 1;
        return SealedToken(keys.new.seal(data, plain.expose(), random));
    }
    renewed.unreadable += usize::from(keys.new.open(data, &token.0).is_err());
    token
}

/// Seals all waiting e-mails again.
async fn reseal_mails(
    store: &Store,
    keys: &KeyPairOfUse,
    random: &Random,
    renewed: &mut RenewedSecret,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let start = after.take();
        let page: Result<_, StoreError> =
            store.read(move |tx| tx.mail_page(Some(MailState::Waiting), start, BATCH)).await;
        let page = page?;
        let mut resealed = Vec::new();
        for mail in page.mails {
            let Some(sealed) = mail.sealed else { continue };
            match reseal_mail(&sealed, &keys.old, &keys.new, random) {
                Some(sealed) => resealed.push((mail.id, sealed)),
                None if reseal_mail(&sealed, &keys.new, &keys.new, random).is_some() => {}
                None => renewed.unreadable += 1,
            }
        }
        renewed.mails += resealed.len();
        let stored: Result<(), StoreError> =
            store.write(move |tx| resealed.iter().try_for_each(|(id, sealed)| tx.reseal_mail(*id, sealed))).await;
        stored?;
        let Some(next) = page.next else { return Ok(()) };
        after = Some(next);
    }
}
