//! Signing in with a password: the one way to do it, for every dialect.

use std::net::IpAddr;

use super::signed_in::SignedIn;
use super::{Caller, Issuer, Refusal};
use crate::crypto::password_hash::Checked;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::Dialect;
use crate::domain::id::SessionId;
use crate::domain::limit::Limit;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::domain::user::{Login, User};
use crate::throttle::{Counted, Try};

/// Somebody says who they are, and proves it with a password.
#[derive(Debug)]
pub struct SignIn {
    /// A user name or an e-mail address.
    pub login: Login,
    /// Any text: what can't be right is wrong after the same hash as everything else.
    pub password: Password,
    /// The dialect whose profile the session will have.
    pub dialect: Dialect,
    /// From where.
    pub from: Caller,
}

impl SignIn {
    /// Opens a session. Unknown and disabled users, empty, overlong and wrong passwords are one refusal after one hash.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let caller_try = issuer.throttle.ask(Limit::SignInCaller, Counted::caller(self.from.address))?;
        let (user, counted) = self.find(issuer).await?;
        let account_try =
            issuer.throttle.ask(Limit::SignInAccount, counted).inspect_err(|_| issuer.throttle.forgive(&caller_try))?;
        let tries = [caller_try, account_try];

        let user = user.filter(|user| user.is_active);
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let checked = issuer.check_password(self.password, hash).await.inspect_err(|_| forgive(issuer, &tries))?;
        let (user, upgraded) = match (user, checked) {
            (Some(user), Checked::Right) => (user, None),
            (Some(user), Checked::Outdated(hash)) => (user, Some(hash)),
            (_, Checked::Wrong) | (None, _) => return Err(Refusal::WrongCredentials),
        };
        forgive(issuer, &tries);
        let session = open(issuer, &user, self.dialect, Some(self.from.address));
        store_session(issuer, user, session, upgraded).await
    }

    /// Whose name it is, and for whom the try is counted.
    async fn find(&self, issuer: &Issuer) -> Result<(Option<User>, Counted), Refusal> {
        let (login, address) = (self.login.clone(), self.from.address);
        issuer
            .store
            .read(move |tx| {
                let Some(user) = tx.user_by_login(&login)? else { return Ok((None, Counted::nobody(login.key()))) };
                let known = tx.has_signed_in_from(user.id, address)?;
                let counted = if known { Counted::known(user.id, address) } else { Counted::Account(user.id) };
                Ok((Some(user), counted))
            })
            .await
    }
}

fn forgive(issuer: &Issuer, tries: &[Try]) {
    for made in tries {
        issuer.throttle.forgive(made);
    }
}

/// A session that begins now, not yet stored.
pub(super) fn open(issuer: &Issuer, user: &User, dialect: Dialect, address: Option<IpAddr>) -> Session {
    let now = issuer.clock.now();
    let policy = issuer.settings().profile(dialect).refresh;
    let session = Session {
        id: SessionId(issuer.chance.uuid()),
        user: user.id,
        dialect,
        generation: 0,
        opened_at: now,
        rotated_at: now,
        expires_at: now,
        ended: None,
        must_change_password: user.must_change_password,
        address,
    };
    Session { expires_at: session.slid(now, &policy), ..session }
}

/// Stores the session, unless the user was disabled or the password changed while it was being checked.
async fn store_session(
    issuer: &Issuer,
    user: User,
    session: Session,
    upgraded: Option<PasswordHash>,
) -> Result<SignedIn, Refusal> {
    issuer
        .store
        .write(move |tx| {
            let unchanged = tx.user(user.id)?.filter(|now| now.is_active && now.password == user.password);
            let mut user = unchanged.ok_or(Refusal::WrongCredentials)?;
            tx.open_session(&session)?;
            tx.record_sign_in(user.id, session.opened_at, session.address)?;
            if let (Some(old), Some(new)) = (&user.password, &upgraded) {
                tx.upgrade_hash(user.id, old, new)?;
            }
            tx.record(&entry(&user, &session))?;
            user.last_login = Some(session.opened_at);
            Ok(SignedIn::proven(user, session))
        })
        .await
}

fn entry(user: &User, session: &Session) -> AuditEntry {
    let at: Timestamp = session.opened_at;
    let detail = format!("{} {}", session.dialect, session.id);
    AuditEntry { at, action: Action::SignedIn, user: Some(user.id), address: session.address, detail }
}
