//! Authenticates a user by an access token: verifies the signature, then checks that the session is live.

use uuid::Uuid;

use super::context::Issuer;
use super::refusal::{Refusal, Unauthenticated};
use super::signed_in::SignedIn;
use crate::crypto::verify::VerifiedToken;
use crate::domain::id::SessionId;
use crate::domain::session::Session;
use crate::domain::setting::snapshot::Settings;
use crate::domain::time::Timestamp;
use crate::domain::token_kind::TokenKind;
use crate::domain::user::User;
use crate::store::Read;

/// A request to authenticate by an access token.
#[derive(Debug)]
pub struct Authenticate<'a> {
    /// The token; `None` if none was sent.
    pub token: Option<&'a str>,
}

impl Authenticate<'_> {
    /// Verifies the token, and returns its live session and active user.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        self.run_with_expiry(issuer).await.map(|(signed_in, _)| signed_in)
    }

    /// Like [`Authenticate::run`], and also returns the token's `exp`.
    pub async fn run_with_expiry(self, issuer: &Issuer) -> Result<(SignedIn, Timestamp), Refusal> {
        let (id, expires_at) = self.open(issuer)?;
        Ok((live_session(issuer, id).await?, expires_at))
    }

    /// Verifies the signature, and returns the token's session id and `exp`. Does not read the store.
    pub(super) fn open(&self, issuer: &Issuer) -> Result<(SessionId, Timestamp), Refusal> {
        let token = self.token.ok_or(Unauthenticated::NoToken)?;
        let verified = issuer.verify(token, TokenKind::Access).map_err(|fault| issuer.unauthenticated(fault))?;
        let expires_at = verified.expires_at().ok_or(Unauthenticated::SessionEnded)?;
        Ok((session_id_of(&verified)?, expires_at))
    }
}

/// Returns the session id in a verified token.
pub(super) fn session_id_of(token: &VerifiedToken) -> Result<SessionId, Refusal> {
    let sid = token.text("sid").and_then(|sid| Uuid::try_parse(sid).ok());
    sid.map(SessionId).ok_or_else(|| Unauthenticated::SessionEnded.into())
}

/// Reads the session of a verified token. Refuses unless the session is live and its user is active.
pub(super) async fn live_session(issuer: &Issuer, id: SessionId) -> Result<SignedIn, Refusal> {
    let now = issuer.clock.now();
    let settings = issuer.settings();
    let found = issuer.store.read(move |tx| tx.session(id)).await?;
    let (session, user) = check_live(found, &settings, now)?;
    Ok(SignedIn::authenticated(user, session))
}

/// Returns the user of a live session. Call it in the write transaction: the session may have ended after the request
/// was authenticated, and an ended session must not change anything.
pub(super) fn live_user(
    tx: &dyn Read,
    session: SessionId,
    settings: &Settings,
    now: Timestamp,
) -> Result<User, Refusal> {
    Ok(check_live(tx.session(session)?, settings, now)?.1)
}

fn check_live(
    found: Option<(Session, User)>,
    settings: &Settings,
    now: Timestamp,
) -> Result<(Session, User), Unauthenticated> {
    let is_live = |session: &Session| session.is_live(now, settings.policy_of(session));
    found.filter(|(session, user)| is_live(session) && user.is_active).ok_or(Unauthenticated::SessionEnded)
}
