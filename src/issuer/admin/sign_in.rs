//! The sessions of the admin zone. A session is opened with a superuser's password, or when the first superuser is
//! created through a link. A cookie identifies it. It expires after 30 min without a request, and after 12 h at most.

use std::time::Duration;

use crate::crypto::browser::hash;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::browser_session::{BrowserSession, BrowserToken, BrowserTokenHash, SessionLifetime};
use crate::domain::failure_log::SignInPlace;
use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::domain::session::SESSIONS_MAX;
use crate::domain::user::{Login, User};
use crate::issuer::authenticate_password::{AdmittedUsers, PasswordAttempt};
use crate::issuer::context::{Caller, Issuer};
use crate::issuer::notices::Notices;
use crate::issuer::refusal::Refusal;
use crate::store::{StoreError, Write};
use crate::throttle::prefix;

/// When a session of the admin zone ends.
pub const LIFETIME: SessionLifetime =
    SessionLifetime { idle_timeout: Duration::from_mins(30), max_lifetime: Duration::from_hours(12) };
/// The audit detail for an admin session. For other sessions, the detail names the dialect.
const AUDIT_DETAIL: &str = "admin zone";

/// An active superuser in a live session of the admin zone. Only this module creates one.
#[derive(Clone, Debug)]
pub struct AdminSignedIn {
    user: User,
    session: BrowserSession,
    hash: BrowserTokenHash,
}

impl AdminSignedIn {
    /// The superuser.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The session.
    pub fn session(&self) -> &BrowserSession {
        &self.session
    }

    /// The hash by which the session is stored. Forms are bound to it.
    pub fn hash(&self) -> &BrowserTokenHash {
        &self.hash
    }
}

/// A request to sign in to the admin zone.
#[derive(Debug)]
pub struct SignInAdmin {
    /// A user name or an e-mail address.
    pub login: Login,
    /// The password; any text.
    pub password: Password,
    /// The tokens of the browser's previous sessions, which the new session replaces.
    pub replaces: Vec<BrowserToken>,
    /// The caller.
    pub from: Caller,
}

impl SignInAdmin {
    /// Opens a session with a new token. A user who is not a superuser gets the refusal for a wrong password.
    pub async fn run(self, issuer: &Issuer) -> Result<BrowserToken, Refusal> {
        let Self { login, password, replaces, from } = self;
        let replaced: Vec<BrowserTokenHash> = replaces.iter().map(hash).collect();
        let attempt = PasswordAttempt {
            login,
            password,
            admitted: AdmittedUsers::Superusers,
            place: SignInPlace::AdminZone,
            from,
        };
        let factor = attempt.authenticate(issuer).await?;
        let (token, new) = NewSession::of(issuer, factor.user().id, from);
        let notices = Notices::new(issuer);
        let finish = move |tx: &dyn Write, user: User| {
            for replaced in &replaced {
                tx.end_admin_session(*replaced)?;
            }
            notices.sign_in(tx, &user, Some(from.address))?;
            new.open(tx, user.id)
        };
        factor.complete(finish).await?;
        Ok(token)
    }
}

/// A session that is not stored yet.
#[derive(Clone)]
pub(in crate::issuer) struct NewSession {
    hash: BrowserTokenHash,
    session: BrowserSession,
}

impl NewSession {
    /// Creates a session that begins now, and its token. `user` may be any id if the transaction that opens the session
    /// creates the user.
    pub(in crate::issuer) fn of(issuer: &Issuer, user: UserId, from: Caller) -> (BrowserToken, Self) {
        let session = BrowserSession::opened(user, issuer.clock.now(), LIFETIME, Some(from.address));
        let token = BrowserToken::from_random(issuer.random.bytes());
        let hash = hash(&token);
        (token, Self { hash, session })
    }

    /// Stores the session and the date and address of the sign-in of `user`, and records the sign-in in the audit log.
    pub(in crate::issuer) fn open(&self, tx: &dyn Write, user: UserId) -> Result<(), StoreError> {
        let session = BrowserSession { user, ..self.session.clone() };
        tx.remove_least_recently_used_admin_sessions(user, SESSIONS_MAX - 1)?;
        tx.open_admin_session(self.hash, &session)?;
        tx.record_sign_in(user, session.opened_at, session.address.map(prefix))?;
        let entry = AuditEntry::by_user(session.opened_at, Action::SignedIn, user, session.address, AUDIT_DETAIL);
        tx.record(&entry)
    }
}

/// A request to continue an admin session.
#[derive(Debug)]
pub struct ResumeAdminSession {
    /// The token in the cookie.
    pub token: BrowserToken,
}

impl ResumeAdminSession {
    /// Reads the session and its superuser in one read. Records the time of the request, at most once a minute. `None`
    /// if the session has ended, or if its user is disabled or no longer a superuser.
    pub async fn run(self, issuer: &Issuer) -> Result<Option<AdminSignedIn>, Refusal> {
        let hash = hash(&self.token);
        let now = issuer.clock.now();
        let found = issuer.store.read(move |tx| tx.admin_session(hash)).await?;
        let Some((session, user)) =
            found.filter(|(session, user)| session.is_live(now) && user.is_active && user.is_superuser)
        else {
            return Ok(None);
        };
        let Some(continued) = session.with_activity(now, LIFETIME) else {
            return Ok(Some(AdminSignedIn { user, session, hash }));
        };
        let stored = continued.clone();
        issuer.store.write(move |tx| tx.update_admin_session(hash, &stored)).await?;
        Ok(Some(AdminSignedIn { user, session: continued, hash }))
    }
}

/// A superuser's request to confirm the password before an irreversible action.
#[derive(Debug)]
pub struct StepUp {
    /// The password; any text.
    pub password: Password,
    /// The caller.
    pub from: Caller,
}

impl StepUp {
    /// Records the step-up in the session. The rate limits and the cost are those of a sign-in. If the session has
    /// ended in the meantime, records nothing and returns no error.
    pub async fn run(self, signed_in: &AdminSignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        let Self { password, from } = self;
        let id = signed_in.user.id;
        let hash = signed_in.hash;
        let now = issuer.clock.now();
        let login = Login::new(signed_in.user.username.as_str());
        let attempt = PasswordAttempt {
            login,
            password,
            admitted: AdmittedUsers::Superuser(id),
            place: SignInPlace::AdminZone,
            from,
        };
        let factor = attempt.authenticate(issuer).await?;
        let finish = move |tx: &dyn Write, _| {
            // Reads the session again, because another request may have extended it.
            let Some((session, _)) = tx.admin_session(hash)? else { return Ok(()) };
            tx.update_admin_session(hash, &session.stepped_up(now))
        };
        factor.complete(finish).await
    }
}

/// A superuser's request to sign out.
#[derive(Debug)]
pub struct SignOutAdmin {
    /// The caller.
    pub from: Caller,
}

impl SignOutAdmin {
    /// Ends the session permanently.
    pub async fn run(self, signed_in: &AdminSignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        let hash = signed_in.hash;
        let user = signed_in.user.id;
        let now = issuer.clock.now();
        let ended = issuer.store.write(move |tx| {
            if tx.end_admin_session(hash)? {
                tx.record(&AuditEntry::by_user(now, Action::SignedOut, user, self.from.address, AUDIT_DETAIL))?;
            }
            Ok(())
        });
        ended.await.map_err(|error: StoreError| error.into())
    }
}

/// A superuser's request to end all of the superuser's other admin sessions, for example on another computer.
#[derive(Debug)]
pub struct SignOutOthers {
    /// The caller.
    pub from: Caller,
}

impl SignOutOthers {
    /// Ends all sessions except the current one. Returns the number of ended sessions.
    pub async fn run(self, signed_in: &AdminSignedIn, issuer: &Issuer) -> Result<usize, Refusal> {
        let hash = signed_in.hash;
        let id = signed_in.user.id;
        let now = issuer.clock.now();
        let ended = issuer.store.write(move |tx| {
            let count = tx.end_admin_sessions_of(id, Some(hash))?;
            let detail = format!("{AUDIT_DETAIL}; other sessions ended: {count}");
            tx.record(&AuditEntry::by_user(now, Action::SignedOut, id, self.from.address, detail))?;
            Ok(count)
        });
        ended.await.map_err(|error: StoreError| error.into())
    }
}
