//! The admin zone's own sessions: opened by a superuser's password, known by a cookie's token, ended early.

use std::net::IpAddr;

use crate::crypto::admin::hash;
use crate::domain::admin_session::{AdminHash, AdminSession, AdminToken};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::domain::user::{Login, User};
use crate::issuer::authenticate_password::{OnAuthenticated, PasswordAttempt};
use crate::issuer::{Caller, Issuer, Refusal};
use crate::store::{StoreError, Write};
use crate::throttle::prefix;

/// What the log says of a session here, in place of a dialect's.
const DETAIL: &str = "admin zone";

/// An active superuser in a live session of the admin zone. Only this module makes one.
#[derive(Clone, Debug)]
pub struct AdminSignedIn {
    user: User,
    session: AdminSession,
    hash: AdminHash,
}

impl AdminSignedIn {
    /// Who.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// In which session.
    pub fn session(&self) -> &AdminSession {
        &self.session
    }

    /// What the session is found by: forms are bound to it.
    pub fn hash(&self) -> &AdminHash {
        &self.hash
    }
}

/// A superuser comes to the door.
#[derive(Debug)]
pub struct SignInAdmin {
    /// A user name or an e-mail address.
    pub login: Login,
    /// Any text.
    pub password: Password,
    /// The token of a session that this one takes the place of: whoever signs in is in one session, a new one.
    pub instead_of: Option<AdminToken>,
    /// From where.
    pub from: Caller,
}

impl SignInAdmin {
    /// Opens a session with a token nobody had before. Whoever is no superuser is refused as for a wrong password.
    pub async fn run(self, issuer: &Issuer) -> Result<AdminToken, Refusal> {
        let Self { login, password, instead_of, from } = self;
        let before = instead_of.as_ref().map(hash);
        let opening = |user: &User| -> OnAuthenticated<AdminToken> {
            let new = NewSession::of(issuer, user.id, from);
            Box::new(move |tx, user| {
                if let Some(before) = before {
                    tx.end_admin_session(before)?;
                }
                new.open(tx, user.id)
            })
        };
        PasswordAttempt { login, password, from }.authenticate(issuer, |user| user.is_superuser, opening).await
    }
}

/// A session about to be opened.
pub(in crate::issuer) struct NewSession {
    token: AdminToken,
    session: AdminSession,
}

impl NewSession {
    /// One that begins now. Where the user is only made in the transaction that opens it, any id will do.
    pub(in crate::issuer) fn of(issuer: &Issuer, user: UserId, from: Caller) -> Self {
        let session = AdminSession::opened(user, issuer.clock.now(), Some(from.address));
        Self { token: AdminToken::from_random(issuer.random.bytes()), session }
    }

    /// Stores it for that user, with all that a sign-in leaves behind.
    pub(in crate::issuer) fn open(self, tx: &dyn Write, user: UserId) -> Result<AdminToken, StoreError> {
        let session = AdminSession { user, ..self.session };
        tx.open_admin_session(hash(&self.token), &session)?;
        tx.record_sign_in(user, session.opened_at, session.address.map(prefix))?;
        let at = session.opened_at;
        let address = session.address;
        let detail = DETAIL.to_owned();
        tx.record(&AuditEntry { at, action: Action::SignedIn, user: Some(user), actor: None, address, detail })?;
        Ok(self.token)
    }
}

/// Somebody shows a token.
#[derive(Debug)]
pub struct ResumeAdminSession {
    /// The cookie's.
    pub token: AdminToken,
}

impl ResumeAdminSession {
    /// Finds the superuser in the session, in one read; writes down that they were seen, once a minute. None where the
    /// session has ended, or its user may not be here any more.
    pub async fn run(self, issuer: &Issuer) -> Result<Option<AdminSignedIn>, Refusal> {
        let hash = hash(&self.token);
        let now = issuer.clock.now();
        let found = issuer.store.read(move |tx| tx.admin_session(hash)).await?;
        let Some((session, user)) =
            found.filter(|(session, user)| session.is_live(now) && user.is_active && user.is_superuser)
        else {
            return Ok(None);
        };
        let Some(seen) = session.touched(now) else { return Ok(Some(AdminSignedIn { user, session, hash })) };
        let after = seen.clone();
        issuer.store.write(move |tx| tx.update_admin_session(hash, &after)).await?;
        Ok(Some(AdminSignedIn { user, session: seen, hash }))
    }
}

/// A superuser gives the password once more, before something dangerous.
#[derive(Debug)]
pub struct StepUp {
    /// Any text.
    pub password: Password,
    /// From where.
    pub from: Caller,
}

impl StepUp {
    /// Remembers it in the session. Counts and costs as a sign-in does.
    pub async fn run(self, who: &AdminSignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        let Self { password, from } = self;
        let id = who.user.id;
        let hash = who.hash;
        let now = issuer.clock.now();
        let opening = |_: &User| -> OnAuthenticated<()> {
            Box::new(move |tx, _| {
                // As it is now: another request may have moved its end meanwhile.
                let Some((session, _)) = tx.admin_session(hash)? else { return Ok(()) };
                tx.update_admin_session(hash, &session.stepped_up(now))
            })
        };
        let login = Login::new(who.user.username.as_str());
        let is_same = move |user: &User| user.id == id && user.is_superuser;
        PasswordAttempt { login, password, from }.authenticate(issuer, is_same, opening).await
    }
}

/// A superuser leaves.
#[derive(Debug)]
pub struct SignOutAdmin {
    /// From where.
    pub from: Caller,
}

impl SignOutAdmin {
    /// Ends the session for good.
    pub async fn run(self, who: &AdminSignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        let hash = who.hash;
        let user = Some(who.user.id);
        let at = issuer.clock.now();
        let address: Option<IpAddr> = Some(self.from.address);
        let ended = issuer.store.write(move |tx| {
            if tx.end_admin_session(hash)? {
                let action = Action::SignedOut;
                let detail = DETAIL.to_owned();
                tx.record(&AuditEntry { at, action, user, actor: None, address, detail })?;
            }
            Ok(())
        });
        ended.await.map_err(|error: StoreError| error.into())
    }
}

/// A superuser ends the other sessions of theirs, having perhaps left one open somewhere.
#[derive(Debug)]
pub struct SignOutOthers {
    /// From where.
    pub from: Caller,
}

impl SignOutOthers {
    /// Ends all but this one. How many.
    pub async fn run(self, who: &AdminSignedIn, issuer: &Issuer) -> Result<usize, Refusal> {
        let hash = who.hash;
        let id = who.user.id;
        let at = issuer.clock.now();
        let address = Some(self.from.address);
        let ended = issuer.store.write(move |tx| {
            let count = tx.end_admin_sessions_of(id, Some(hash))?;
            let detail = format!("{DETAIL}: {count} other sessions ended");
            tx.record(&AuditEntry { at, action: Action::SignedOut, user: Some(id), actor: None, address, detail })?;
            Ok(count)
        });
        ended.await.map_err(|error: StoreError| error.into())
    }
}
