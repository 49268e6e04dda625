//! Requests a reset e-mail. The response is the same whether or not a user has the address.

use super::context::{Caller, Issuer};
use super::denied::{Denied, OperatorRule};
use super::mail_limits::{admit_mail, is_known_caller};
use super::refusal::Refusal;
use crate::domain::audit::{Action, AuditEntry, Operator};
use crate::domain::count::Count;
use crate::domain::id::UserId;
use crate::domain::limit::Limit;
use crate::domain::mail_item::NewMail;
use crate::domain::mail_name::MailRecipient;
use crate::domain::reset_code::{Delivery, LinkToken, RESTORE_PARAMETER, ResetCode, ResetSecret};
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User, Username};
use crate::mail::Mail;
use crate::store::{CodeHash, StoreError, Write};
use crate::throttle::AttemptKey;

/// A request for a reset e-mail, from a user who forgot the password.
#[derive(Debug)]
pub struct RequestReset {
    /// The address that the caller entered.
    pub email: Email,
    /// Whether the e-mail contains a code or a link.
    pub delivery: Delivery,
    /// The caller.
    pub from: Caller,
}

/// A reset e-mail for a user, and the hash of its secret.
struct PreparedReset {
    user: User,
    hash: CodeHash,
    expires_at: Timestamp,
    mail: NewMail,
}

impl PreparedReset {
    fn is_for(&self, user: &User) -> bool {
        user.is_active && user.email == self.user.email && user.password == self.user.password
    }

    fn queue(&self, tx: &dyn Write) -> Result<(), StoreError> {
        tx.put_reset_code(self.user.id, self.hash, self.expires_at)?;
        tx.queue_mail(&self.mail).map(drop)
    }
}

impl RequestReset {
    /// Queues an e-mail with a code or a link, which replaces an earlier code or link of the user.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Refusal> {
        issuer.throttle.admit(Limit::ResetMailCaller, AttemptKey::caller(self.from.address)).await?.count();
        let (user, is_known_caller) = self.find(issuer).await?;
        let within_limit = match &user {
            Some(user) => admit_mail(issuer, user.id, self.from, is_known_caller).await,
            None => false,
        };
        let prepared = if let Some(user) = user {
            prepare(issuer, user, self.delivery)?.filter(|_| within_limit)
        } else {
            // If no active user has the address, an e-mail is prepared and discarded, so that the response time
            // reveals nothing.
            let placeholder = Username::from_stored("nobody".to_owned());
            let to = MailRecipient { address: self.email.clone(), is_verified: false };
            contents(issuer, placeholder, &to, self.delivery)?;
            None
        };

        let at = issuer.clock.now();
        let written: Result<(), StoreError> = issuer
            .store
            .write(move |tx| {
                // If the address was changed after the e-mail was prepared, the e-mail must not reach the old address.
                let current = prepared.as_ref().map(|prepared| tx.user(prepared.user.id)).transpose()?.flatten();
                let prepared = prepared.as_ref().filter(|prepared| current.is_some_and(|user| prepared.is_for(&user)));
                let (user, detail) = match prepared {
                    Some(prepared) => (Some(prepared.user.id), "e-mail queued"),
                    None => (None, "no e-mail"),
                };
                if let Some(prepared) = prepared {
                    prepared.queue(tx)?;
                }
                // Unknown addresses are recorded too, so that both responses wait for one commit.
                tx.record(&AuditEntry::by_user(at, Action::ResetRequested, user, self.from.address, detail))
            })
            .await;
        written?;
        issuer.counters.add(Count::ResetRequested);
        Ok(())
    }

    /// Returns the active user with the address, and whether the caller has signed in to the account before. Makes the
    /// same queries if no user has the address.
    async fn find(&self, issuer: &Issuer) -> Result<(Option<User>, bool), Refusal> {
        let email = self.email.clone();
        let from = self.from;
        let found = issuer.store.read(move |tx| {
            let user = tx.user_by_email(&email)?.filter(|user| user.is_active);
            let is_known_caller = is_known_caller(tx, user.as_ref().map_or(UserId(0), |user| user.id), from)?;
            Ok::<_, StoreError>((user, is_known_caller))
        });
        Ok(found.await?)
    }
}

/// An operator's request to send a reset e-mail to a user. No rate limit applies to operators.
#[derive(Debug)]
pub struct SendReset {
    /// The user.
    pub user: UserId,
    /// Whether the e-mail contains a code or a link.
    pub delivery: Delivery,
    /// The operator.
    pub by: Operator,
}

impl SendReset {
    /// Queues the e-mail. Its code or link replaces an earlier one of the user. The request is denied if the user has
    /// no address or is disabled.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Denied> {
        let Self { user, delivery, by } = self;
        let found = issuer.store.read(move |tx| tx.user(user)).await;
        let found = found.map_err(|error: StoreError| Denied::from(error))?.ok_or(OperatorRule::NoUser)?;
        if !found.is_active {
            return Err(OperatorRule::Disabled.into());
        }
        let prepared = prepare(issuer, found, delivery)?.ok_or(OperatorRule::NoEmail)?;
        let at = issuer.clock.now();
        let sent = issuer.store.write_for_user(user, move |tx| {
            let current = tx.user(user)?.ok_or(OperatorRule::NoUser)?;
            if !prepared.is_for(&current) {
                return Err(StoreError::Unavailable("the user was changed at the same time".to_owned()).into());
            }
            prepared.queue(tx)?;
            Ok::<(), Denied>(tx.record(&by.entry(
                at,
                Action::ResetRequested,
                Some(user),
                "e-mail queued".to_owned(),
            ))?)
        });
        sent.await
    }
}

/// Prepares the e-mail; `None` if the user has no address. It goes to the stored address and not to the entered one,
/// because the two may differ in more than case.
fn prepare(issuer: &Issuer, user: User, delivery: Delivery) -> Result<Option<PreparedReset>, Refusal> {
    let Some(address) = user.email.clone() else { return Ok(None) };
    let to = MailRecipient { address, is_verified: user.email_verified };
    let (hash, expires_at, mail) = contents(issuer, user.username.clone(), &to, delivery)?;
    Ok(Some(PreparedReset { user, hash, expires_at, mail }))
}

/// Makes a new code or link. Returns its hash, its expiry, and the e-mail that contains it.
fn contents(
    issuer: &Issuer,
    username: Username,
    to: &MailRecipient,
    delivery: Delivery,
) -> Result<(CodeHash, Timestamp, NewMail), Refusal> {
    let now = issuer.clock.now();
    let valid_for = issuer.settings().reset_timeout();
    let (secret, mail) = match delivery {
        Delivery::Code => {
            let code = ResetCode::from_random(issuer.random.bytes());
            (ResetSecret::Code(code.clone()), Mail::ResetCode { username, code, valid_for })
        }
        Delivery::Link => {
            let token = LinkToken::from_random(issuer.random.bytes());
            let link = token.link(&issuer.policy.restore_url, RESTORE_PARAMETER);
            (ResetSecret::Link(token), Mail::RestoreLink { username, link, valid_for })
        }
    };
    Ok((issuer.hash_reset(&secret), now + valid_for, issuer.prepare_mail(&mail, to)?))
}
