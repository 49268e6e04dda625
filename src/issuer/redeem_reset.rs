//! Redeems a reset code or link: sets a new password, and ends all sessions of the user.

use super::context::{Caller, Issuer};
use super::end_sessions::{EndScope, end_sessions};
use super::notices::Notices;
use super::refusal::Refusal;
use super::social::unlink::unlink_all;
use crate::domain::account_change::AccountChange;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::count::Count;
use crate::domain::field::Field;
use crate::domain::limit::Limit;
use crate::domain::password::Password;
use crate::domain::reset_code::{Delivery, ResetSecret, temporary_password};
use crate::domain::secret::SecretText;
use crate::domain::session::EndReason;
use crate::domain::user::User;
use crate::store::CodeHash;
use crate::throttle::{AttemptKey, prefix};

/// A request to set a password with a code or link from an e-mail.
#[derive(Debug)]
pub struct RedeemReset {
    /// The code as the user typed it, or the token of the link.
    pub secret: SecretText,
    /// Whether the secret must be a code or the token of a link.
    pub delivery: Delivery,
    /// The password to set; `None` for a temporary one.
    pub new_password: Option<Password>,
    /// The caller.
    pub from: Caller,
}

/// Why a reset code or link was not redeemed.
#[derive(Debug)]
pub enum RedeemResetError {
    /// The code or link is wrong, used or expired.
    WrongCode,
    /// A refusal that all callers can get.
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for RedeemResetError {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl RedeemReset {
    /// Sets the password and invalidates the code or link. Returns the temporary password if no password was given.
    pub async fn run(self, issuer: &Issuer) -> Result<Option<Password>, RedeemResetError> {
        let guess = issuer.throttle.admit(Limit::ResetGuessCaller, AttemptKey::caller(self.from.address)).await?;
        let (hash, user) = match self.owner(issuer).await {
            Err(RedeemResetError::WrongCode) => {
                guess.count();
                return Err(RedeemResetError::WrongCode);
            }
            found => found?,
        };
        // The secret is correct, so a later failure does not count as a guess.
        drop(guess);

        let temporary = self.new_password.is_none().then(|| temporary_password(issuer.random.bytes()));
        let password = self.new_password.or_else(|| temporary.clone()).ok_or(RedeemResetError::WrongCode)?;
        if temporary.is_none() {
            let checked = issuer.policy.passwords.check(&password, &[user.username.as_str()]);
            checked.map_err(|problem| Refusal::invalid(Field::NewPassword, problem))?;
        }
        let new = issuer.hash_password(password).await?;
        let now = issuer.clock.now();
        let temporary_since = temporary.is_some().then_some(now);
        let notices = Notices::new(issuer);
        let ended = issuer
            .store
            .write_for_user(user.id, move |tx| {
                let id = tx.use_reset_code(hash, now)?.ok_or(RedeemResetError::WrongCode)?;
                let owner = tx.user(id)?.ok_or(RedeemResetError::WrongCode)?;
                let mut changes = vec![AccountChange::Password];
                tx.set_password(id, &new, temporary_since)?;
                // The caller has read the e-mail and so owns the address. If the address was not verified before, an
                // attacker may have registered with it and linked provider accounts.
                if tx.verify_email(id)? {
                    changes.extend(unlink_all(tx, id, self.from, now)?);
                }
                // Attackers may have used up the account's sign-in limit. The owner's address has a limit of its own.
                tx.record_address(id, now, prefix(self.from.address))?;
                let ended =
                    end_sessions(tx, EndScope::OfUser { user: id, except: None }, EndReason::PasswordReset, now)?;
                let detail = format!("sessions ended: {ended}");
                tx.record(&AuditEntry::by_user(now, Action::PasswordReset, id, self.from.address, detail))?;
                notices.queue(tx, &owner, &changes)?;
                Ok::<usize, RedeemResetError>(ended)
            })
            .await?;
        issuer.counters.add(Count::ResetCompleted);
        issuer.counted_ended(ended);
        Ok(temporary)
    }

    async fn owner(&self, issuer: &Issuer) -> Result<(CodeHash, User), RedeemResetError> {
        let secret = ResetSecret::parse(self.delivery, self.secret.expose()).ok_or(RedeemResetError::WrongCode)?;
        let hash = issuer.hash_reset(&secret);
        let now = issuer.clock.now();
        let owner = issuer.store.read(move |tx| {
            let id = tx.reset_code_owner(hash, now)?.ok_or(RedeemResetError::WrongCode)?;
            tx.user(id)?.ok_or(RedeemResetError::WrongCode)
        });
        Ok((hash, owner.await?))
    }
}
