//! Signing in with a password: the one way to do it, for every dialect.

use std::net::IpAddr;

use super::refresh_token::{Opened, uuid_hash};
use super::signed_in::SignedIn;
use super::{Caller, Issuer, Refusal};
use crate::crypto::password_hash::Checked;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, UserId};
use crate::domain::limit::Limit;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::session::Session;
use crate::domain::user::{Login, User};
use crate::store::StoreError;
use crate::throttle::{Counted, prefix};

/// How often a sign-in begins anew because the stored hash was replaced while it was being compared.
const ATTEMPTS: usize = 3;

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

/// What came of one comparison.
enum Attempt {
    SignedIn(Box<SignedIn>),
    Wrong,
    /// The hash was replaced meanwhile: by a newer form of the same password, or by another password.
    HashReplaced,
}

impl SignIn {
    /// Opens a session. Unknown and disabled users, empty, overlong and wrong passwords are one refusal after one hash.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let caller_try = issuer.throttle.ask(Limit::SignInCaller, Counted::caller(self.from.address)).await?;
        let (mut user, counted) = self.find(issuer).await?;
        let account_try = issuer.throttle.ask(Limit::SignInAccount, counted).await?;
        for _ in 0..ATTEMPTS {
            match self.attempt(issuer, user).await? {
                Attempt::SignedIn(who) => return Ok(*who),
                Attempt::Wrong => break,
                Attempt::HashReplaced => user = self.find(issuer).await?.0,
            }
        }
        caller_try.count();
        account_try.count();
        Err(Refusal::WrongCredentials)
    }

    /// Whose name it is, and for whom the try is counted.
    async fn find(&self, issuer: &Issuer) -> Result<(Option<User>, Counted), Refusal> {
        let (login, address) = (self.login.clone(), self.from.address);
        let found = issuer.store.read(move |tx| {
            let Some(user) = tx.user_by_login(&login)? else { return Ok((None, Counted::nobody(login.key()))) };
            let known = tx.has_signed_in_from(user.id, prefix(address))?;
            let counted = if known { Counted::known(user.id, address) } else { Counted::Account(user.id) };
            Ok((Some(user), counted))
        });
        found.await.map_err(|error: StoreError| error.into())
    }

    async fn attempt(&self, issuer: &Issuer, user: Option<User>) -> Result<Attempt, Refusal> {
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let checked = issuer.check_password(self.password.clone(), hash).await?;
        // A disabled user's password is compared like any other's, or the time would tell.
        let user = user.filter(|user| user.is_active);
        let (user, upgraded) = match (user, checked) {
            (Some(user), Checked::Right) => (user, None),
            (Some(user), Checked::Outdated(hash)) => (user, Some(hash)),
            (_, Checked::Wrong) | (None, _) => return Ok(Attempt::Wrong),
        };
        let session = open(issuer, &user, self.dialect, Some(self.from.address));
        store_session(issuer, user, session, upgraded).await
    }
}

/// A session that begins now, not yet stored.
pub(super) fn open(issuer: &Issuer, user: &User, dialect: Dialect, address: Option<IpAddr>) -> Session {
    Session { must_change_password: user.must_change_password, ..begin(issuer, user.id, dialect, address) }
}

/// As [`open`], for somebody who came in without a password.
pub(super) fn begin(issuer: &Issuer, user: UserId, dialect: Dialect, address: Option<IpAddr>) -> Session {
    let now = issuer.clock.now();
    let policy = issuer.settings().profile(dialect).refresh;
    let session = Session {
        id: SessionId(issuer.chance.uuid()),
        user,
        dialect,
        generation: 0,
        good_from: 0,
        opened_at: now,
        rotated_at: now,
        expires_at: now,
        ended: None,
        must_change_password: false,
        address,
        provider: None,
    };
    Session { expires_at: session.slid(now, &policy), ..session }
}

/// Stores the session, unless the user was disabled or the hash replaced while it was being compared.
async fn store_session(
    issuer: &Issuer,
    user: User,
    session: Session,
    upgraded: Option<PasswordHash>,
) -> Result<Attempt, Refusal> {
    let named = Opened { session: session.id, generation: session.generation };
    let refresh = session.dialect.keeps_refresh_hashes().then(|| uuid_hash(issuer, named));
    let stored = issuer.store.write(move |tx| {
        let Some(mut now) = tx.user(user.id)?.filter(|now| now.is_active) else { return Ok(Attempt::Wrong) };
        if now.password != user.password {
            return Ok(Attempt::HashReplaced);
        }
        tx.open_session(&session)?;
        if let Some(hash) = refresh {
            tx.keep_refresh(hash, session.id, session.generation)?;
        }
        tx.record_sign_in(now.id, session.opened_at, session.address.map(prefix))?;
        if let (Some(old), Some(new)) = (&user.password, &upgraded) {
            tx.upgrade_hash(now.id, old, new)?;
        }
        tx.record(&entry(&session))?;
        now.last_login = Some(session.opened_at);
        Ok(Attempt::SignedIn(Box::new(SignedIn::proven(now, session))))
    });
    stored.await.map_err(|error: StoreError| error.into())
}

fn entry(session: &Session) -> AuditEntry {
    AuditEntry {
        at: session.opened_at,
        action: Action::SignedIn,
        user: Some(session.user),
        address: session.address,
        detail: format!("{} {}", session.dialect, session.id),
    }
}
