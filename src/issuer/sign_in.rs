//! Signs a user in with a password, for any dialect.

use std::net::IpAddr;

use super::authenticate_password::{AdmittedUsers, PasswordAttempt};
use super::context::{Caller, Issuer};
use super::must_confirm::check_confirmed;
use super::notices::Notices;
use super::refusal::Refusal;
use super::signed_in::SignedIn;
use crate::domain::amr::Amr;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::{Dialect, RefreshStyle};
use crate::domain::failure_log::SignInPlace;
use crate::domain::id::{SessionId, UserId};
use crate::domain::origin::Origin;
use crate::domain::password::Password;
use crate::domain::refresh_key::RefreshKey;
use crate::domain::session::{RefreshPolicy, Repeats, SESSIONS_MAX, Session};
use crate::domain::time::Timestamp;
use crate::domain::user::{Login, User};
use crate::store::{StoreError, Write};
use crate::throttle::prefix;

/// A request to sign in with a login name and a password.
#[derive(Debug)]
pub struct SignIn {
    /// A user name or an e-mail address.
    pub login: Login,
    /// Any text. A password that cannot be correct, such as an empty one, takes as long to check as any other.
    pub password: Password,
    /// The dialect whose profile applies to the session.
    pub dialect: Dialect,
    /// The caller.
    pub from: Caller,
}

impl SignIn {
    /// Opens a session. An unknown or disabled user gets the same refusal as an empty, overlong or wrong password, and
    /// after as much hashing. A user with a correct password may have to confirm the address first.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let Self { login, password, dialect, from } = self;
        let place = SignInPlace::Dialect(dialect);
        let attempt = PasswordAttempt { login, password, admitted: AdmittedUsers::All, place, from };
        let factor = attempt.authenticate(issuer).await?;
        if let Err(refusal) = check_confirmed(issuer, factor.user(), from).await {
            factor.count_success();
            return Err(refusal);
        }
        let opened = begin(issuer, factor.user().id, dialect, Some(from.address));
        let session = Session { amr: Some(Amr::Password), ..opened };
        let policy = *issuer.settings().policy_of(&session);
        let notices = Notices::new(issuer);
        let finish = move |tx: &dyn Write, user| store_session(tx, user, &session, &policy, &notices);
        let (signed_in, ended) = factor.complete(finish).await?;
        issuer.counted_ended(ended);
        Ok(signed_in)
    }
}

/// Makes a session that begins now, for a user who need not change the password. Does not store it.
pub(super) fn begin(issuer: &Issuer, user: UserId, dialect: Dialect, address: Option<IpAddr>) -> Session {
    let now = issuer.clock.now();
    let has_key = dialect.row().refresh == RefreshStyle::Uuid;
    let session = Session {
        id: SessionId(issuer.random.uuid()),
        user,
        opened_by: Origin::Dialect(dialect),
        generation: 0,
        min_generation: 0,
        opened_at: now,
        auth_time: now,
        amr: None,
        rotated_at: now,
        used_at: now,
        expires_at: now,
        ended: None,
        temporary_since: None,
        address,
        provider: None,
        refresh_key: has_key.then(|| RefreshKey::new(issuer.random.bytes(), 0)),
        repeats: Repeats::default(),
    };
    let expires_at = session.extended_expiry(now, issuer.settings().policy_of(&session));
    Session { expires_at, ..session }
}

/// Returns a session that begins now, with the temporary password with which it was opened, if it was one.
pub(super) fn with_temporary_password(
    session: Session,
    temporary_since: Option<Timestamp>,
    policy: &RefreshPolicy,
) -> Session {
    let session = Session { temporary_since, ..session };
    let expires_at = session.extended_expiry(session.opened_at, policy);
    Session { expires_at, ..session }
}

/// Stores a new session. If its user has too many, ends the least recently used ones first. Returns how many; the caller
/// counts them after the commit. All sessions of dialects are stored here.
pub(super) fn open_session(tx: &dyn Write, session: &Session) -> Result<usize, StoreError> {
    let ended = tx.remove_least_recently_used(session.user, SESSIONS_MAX - 1, session.opened_at)?;
    tx.open_session(session)?;
    Ok(ended)
}

/// Stores the session of `user` and the date and address of the sign-in, and records the sign-in in the audit log. Also
/// returns how many other sessions of the user ended.
fn store_session(
    tx: &dyn Write,
    mut user: User,
    session: &Session,
    policy: &RefreshPolicy,
    notices: &Notices,
) -> Result<(SignedIn, usize), StoreError> {
    let session = Session { user: user.id, ..session.clone() };
    let session = with_temporary_password(session, user.temporary_since, policy);
    let ended = open_session(tx, &session)?;
    notices.sign_in(tx, &user, session.address)?;
    tx.record_sign_in(user.id, session.opened_at, session.address.map(prefix))?;
    let detail = format!("{} {}", session.opened_by, session.id);
    tx.record(&AuditEntry::by_user(session.opened_at, Action::SignedIn, user.id, session.address, detail))?;
    user.last_login = Some(session.opened_at);
    Ok((SignedIn::authenticated(user, session), ended))
}
