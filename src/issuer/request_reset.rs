//! Asking for a reset mail. The answer is the same whether or not anybody has the address.

use super::{Caller, Denied, Issuer, OperatorRule, Refusal};
use crate::domain::audit::{Action, AuditEntry, Operator};
use crate::domain::count::Count;
use crate::domain::id::UserId;
use crate::domain::limit::Limit;
use crate::domain::mail_item::NewMail;
use crate::domain::reset_code::{Delivery, LinkToken, ResetCode, ResetSecret};
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User, Username};
use crate::mail::Mail;
use crate::store::{CodeHash, StoreError, Write};
use crate::throttle::{Attempt, AttemptKey};

/// Somebody forgot their password.
#[derive(Debug)]
pub struct RequestReset {
    /// The address they say is theirs.
    pub email: Email,
    /// What the mail is to carry.
    pub delivery: Delivery,
    /// From where.
    pub from: Caller,
}

/// What is written for somebody who gets a mail.
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
    /// Puts a mail with a code or a link into the outbox, in place of any earlier one of either kind.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Refusal> {
        issuer.throttle.admit(Limit::ResetMailCaller, AttemptKey::caller(self.from.address)).await?.count();
        let email = self.email.clone();
        let user = issuer
            .store
            .read(move |tx| tx.user_by_email(&email))
            .await
            .map_err(|error: StoreError| Refusal::from(error))?;
        let user = user.filter(|user| user.is_active);
        let within_limit = match &user {
            Some(user) => is_within_limit(issuer, user.id).await,
            None => false,
        };
        let prepared = if let Some(user) = user {
            write(issuer, user, self.delivery)?.filter(|_| within_limit)
        } else {
            // Written for nobody, too, and thrown away: the time it takes must not tell.
            let nobody = Username::from_stored("nobody".to_owned());
            contents(issuer, nobody, &self.email, self.delivery)?;
            None
        };

        let at = issuer.clock.now();
        let address = Some(self.from.address);
        let asked: Result<(), StoreError> = issuer
            .store
            .write(move |tx| {
                // The address may have been changed since the letter was written: then it must not reach the old one.
                let now = prepared.as_ref().map(|prepared| tx.user(prepared.user.id)).transpose()?.flatten();
                let prepared = prepared.filter(|prepared| now.is_some_and(|now| prepared.is_for(&now)));
                let (user, detail) = match &prepared {
                    Some(prepared) => (Some(prepared.user.id), "mail queued"),
                    None => (None, "no mail"),
                };
                if let Some(prepared) = &prepared {
                    prepared.queue(tx)?;
                }
                // Written for unknown addresses too: both answers wait for one commit.
                tx.record(&AuditEntry {
                    at,
                    action: Action::ResetRequested,
                    user,
                    actor: None,
                    address,
                    detail: detail.to_owned(),
                })
            })
            .await;
        asked?;
        issuer.counters.add(Count::ResetAsked);
        Ok(())
    }
}

/// An operator sends a user a reset mail: in the user's own interest, so no limit holds.
#[derive(Debug)]
pub struct SendReset {
    /// To whom.
    pub user: UserId,
    /// What the mail is to carry.
    pub delivery: Delivery,
    /// Who does it.
    pub by: Operator,
}

impl SendReset {
    /// Puts the mail into the outbox, in place of any earlier one of either kind. Refuses where it would reach nobody or
    /// open nothing.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Denied> {
        let Self { user, delivery, by } = self;
        let found = issuer.store.read(move |tx| tx.user(user)).await;
        let found = found.map_err(|error: StoreError| Denied::from(error))?.ok_or(OperatorRule::NoUser)?;
        if !found.is_active {
            return Err(OperatorRule::Disabled.into());
        }
        let prepared = write(issuer, found, delivery)?.ok_or(OperatorRule::NoEmail)?;
        let at = issuer.clock.now();
        let sent = issuer.store.write(move |tx| {
            let now = tx.user(user)?.ok_or(OperatorRule::NoUser)?;
            if !prepared.is_for(&now) {
                return Err(StoreError::Unavailable("the user was changed meanwhile".to_owned()).into());
            }
            prepared.queue(tx)?;
            Ok::<(), Denied>(tx.record(&by.entry(at, Action::ResetRequested, Some(user), "mail queued".to_owned()))?)
        });
        sent.await
    }
}

/// An account's limit is no refusal: telling would tell that the account is there.
async fn is_within_limit(issuer: &Issuer, user: UserId) -> bool {
    let asked = issuer.throttle.admit(Limit::ResetMailAccount, AttemptKey::Account(user)).await;
    asked.map(Attempt::count).is_ok()
}

/// The mail goes to the address that is stored, never to the one that was typed: they may differ by more than case.
fn write(issuer: &Issuer, user: User, delivery: Delivery) -> Result<Option<PreparedReset>, Refusal> {
    let Some(to) = &user.email else { return Ok(None) };
    let (hash, expires_at, mail) = contents(issuer, user.username.clone(), to, delivery)?;
    Ok(Some(PreparedReset { user, hash, expires_at, mail }))
}

/// A new secret as it is kept, until when it is good, and the mail that tells it.
fn contents(
    issuer: &Issuer,
    username: Username,
    to: &Email,
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
            let link = token.link(&issuer.policy.restore_url);
            (ResetSecret::Link(token), Mail::RestoreLink { username, link, valid_for })
        }
    };
    Ok((issuer.hash_reset(&secret), now + valid_for, issuer.prepare_mail(&mail, to)?))
}
