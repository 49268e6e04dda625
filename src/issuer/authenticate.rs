//! Recognising somebody by an access token: the signature first, then whether its session still lives.

use uuid::Uuid;

use super::refusal::Unproven;
use super::signed_in::SignedIn;
use super::{Issuer, Refusal};
use crate::crypto::verify::VerifiedToken;
use crate::domain::id::SessionId;

/// Somebody shows an access token.
#[derive(Debug)]
pub struct Authenticate<'a> {
    /// The token; None where none was sent.
    pub token: Option<&'a str>,
}

impl Authenticate<'_> {
    /// Finds the live session and the active user it stands for.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let id = self.session_id(issuer)?;
        let now = issuer.clock.now();
        let found = issuer.store.read(move |tx| tx.session(id)).await?;
        let live = found.filter(|(session, user)| session.is_live(now) && user.is_active);
        live.map(|(session, user)| SignedIn::proven(user, session)).ok_or_else(|| Unproven::SessionEnded.into())
    }

    /// The session the token names, by its signature alone: the store is not asked.
    pub(super) fn session_id(&self, issuer: &Issuer) -> Result<SessionId, Refusal> {
        let token = self.token.ok_or(Unproven::NoToken)?;
        let verified: VerifiedToken = issuer.verify_access(token)?;
        let sid = verified.text("sid").and_then(|sid| Uuid::try_parse(sid).ok());
        sid.map(SessionId).ok_or_else(|| Unproven::SessionEnded.into())
    }
}
