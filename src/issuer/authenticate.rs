//! Recognising somebody by an access token: the signature first, then whether its session still lives.

use uuid::Uuid;

use super::refusal::Unauthenticated;
use super::signed_in::SignedIn;
use super::{Issuer, Refusal};
use crate::crypto::verify::VerifiedToken;
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;

/// Somebody shows an access token.
#[derive(Debug)]
pub struct Authenticate<'a> {
    /// The token; None where none was sent.
    pub token: Option<&'a str>,
}

impl Authenticate<'_> {
    /// Finds the live session and the active user it stands for.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        self.run_with_expiry(issuer).await.map(|(who, _)| who)
    }

    /// As [`Authenticate::run`]; tells the token's `exp` too.
    pub async fn run_with_expiry(self, issuer: &Issuer) -> Result<(SignedIn, Timestamp), Refusal> {
        let (id, expires_at) = self.open(issuer)?;
        Ok((live(issuer, id).await?, expires_at))
    }

    /// The session the token names and the token's `exp`, by its signature alone: the store is not asked.
    pub(super) fn open(&self, issuer: &Issuer) -> Result<(SessionId, Timestamp), Refusal> {
        let token = self.token.ok_or(Unauthenticated::NoToken)?;
        let verified: VerifiedToken = issuer.verify_access(token).map_err(|fault| issuer.unauthenticated(fault))?;
        let expires_at = verified.expires_at().ok_or(Unauthenticated::SessionEnded)?;
        Ok((named(&verified)?, expires_at))
    }
}

/// The session a token names.
pub(super) fn named(token: &VerifiedToken) -> Result<SessionId, Refusal> {
    let sid = token.text("sid").and_then(|sid| Uuid::try_parse(sid).ok());
    sid.map(SessionId).ok_or_else(|| Unauthenticated::SessionEnded.into())
}

/// A session that a verified token named, if it is live and its user active.
pub(super) async fn live(issuer: &Issuer, id: SessionId) -> Result<SignedIn, Refusal> {
    let now = issuer.clock.now();
    let found = issuer.store.read(move |tx| tx.session(id)).await?;
    let live = found.filter(|(session, user)| session.is_live(now) && user.is_active);
    live.map(|(session, user)| SignedIn::authenticated(user, session))
        .ok_or_else(|| Unauthenticated::SessionEnded.into())
}
