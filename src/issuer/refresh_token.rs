//! The two spellings of a refresh token: a UUID and a signed JWT, both of which name all themselves.
//!
//! Opening one shows that we made it and what it stands for; whether it is still good is decided in [`super::refresh`].
//! Both are made from session and generation alone, so that a retry gets what the first try got.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::authenticate::named;
use super::issue::{sign, signer};
use super::refusal::Unauthenticated;
use super::signed_in::SignedIn;
use super::{Issuer, Refusal};
use crate::domain::id::{SessionId, SessionPrefix, Subject, UserId};
use crate::domain::key::Typ;
use crate::domain::secret::SecretText;
use crate::domain::session::Session;
use crate::domain::user::User;
use crate::store::{StoreError, Write};

/// A refresh token that was opened: its signature was found right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedRefreshToken {
    /// The session it stands for.
    pub session: SessionId,
    /// The generation it stands for.
    pub generation: u32,
}

/// A refresh token as it was handed in.
#[derive(Clone, Copy, Debug)]
pub enum PresentedRefreshToken {
    /// One that was opened.
    Verified(VerifiedRefreshToken),
    /// A UUID: if it names a session, it is one of ours.
    Uuid {
        /// What the session's id begins with.
        session: SessionPrefix,
        /// The generation it stands for.
        generation: u32,
    },
}

impl From<VerifiedRefreshToken> for PresentedRefreshToken {
    fn from(token: VerifiedRefreshToken) -> Self {
        Self::Verified(token)
    }
}

impl PresentedRefreshToken {
    /// The session it stands for, and that one's user; None where there is none.
    pub(super) fn session(self, tx: &dyn Write) -> Result<Option<(Session, User)>, StoreError> {
        match self {
            Self::Verified(token) => tx.session(token.session),
            Self::Uuid { session, .. } => tx.session_by_prefix(session),
        }
    }

    /// The generation it stands for.
    pub(super) fn generation(self) -> u32 {
        match self {
            Self::Verified(VerifiedRefreshToken { generation, .. }) | Self::Uuid { generation, .. } => generation,
        }
    }
}

/// Reads a UUID, in any spelling of it. The store is not asked.
pub fn parse_refresh_uuid(issuer: &Issuer, text: &str) -> Result<PresentedRefreshToken, Refusal> {
    let read = Uuid::try_parse(text).ok().and_then(|token| issuer.refresh_tokens.parse_refresh_uuid(token));
    let token = read.ok_or_else(|| Unauthenticated::SessionEnded.into());
    let (session, generation) = token.inspect_err(|refusal| issuer.counted_refused(refusal))?;
    Ok(PresentedRefreshToken::Uuid { session, generation })
}

/// Opens a signed JWT that has not expired. The store is not asked.
pub fn verify_refresh_jwt(issuer: &Issuer, text: &str) -> Result<VerifiedRefreshToken, Refusal> {
    verify_refresh_claims(issuer, text).inspect_err(|refusal| issuer.counted_refused(refusal))
}

fn verify_refresh_claims(issuer: &Issuer, text: &str) -> Result<VerifiedRefreshToken, Refusal> {
    let token = issuer.verify_refresh(text)?;
    let session = named(&token)?;
    let generation = token.number("generation").and_then(|generation| u32::try_from(generation).ok());
    generation
        .map(|generation| VerifiedRefreshToken { session, generation })
        .ok_or_else(|| Unauthenticated::SessionEnded.into())
}

/// The UUID of a session as it is now.
pub fn refresh_uuid(issuer: &Issuer, who: &SignedIn) -> Uuid {
    issuer.refresh_tokens.refresh_uuid(who.session().id, who.session().generation)
}

/// The claims of a refresh token: for the issuer alone, so that no resource server takes it.
#[derive(Serialize)]
struct RefreshClaims<'a> {
    iss: &'a str,
    sub: Subject,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
    sid: SessionId,
    generation: u32,
    token_type: &'static str,
    /// By the name the profile gives it.
    #[serde(flatten)]
    user_id: BTreeMap<&'a str, UserId>,
}

/// Signs the refresh token of a session as it is now. It is good until the session's end, even if its key retires
/// before: the ring keeps the public half as long as a session may need it.
pub async fn sign_refresh_jwt(issuer: &Issuer, who: &SignedIn) -> Result<SecretText, Refusal> {
    let user = who.user();
    let session = who.session();
    let settings = issuer.settings();
    let profile = settings.profile(session.dialect);
    let begun = session.rotated_at.unix();
    let claims = RefreshClaims {
        iss: &issuer.policy.issuer,
        sub: user.sub,
        aud: &issuer.policy.issuer,
        iat: begun,
        nbf: begun,
        exp: session.expires_at.unix(),
        jti: issuer.refresh_tokens.jti(session.id, session.generation),
        sid: session.id,
        generation: session.generation,
        token_type: "refresh",
        user_id: BTreeMap::from([(profile.user_id_claim.as_str(), user.id)]),
    };
    let algorithm = profile.algorithm.unwrap_or(issuer.policy.algorithm);
    sign(issuer, signer(&issuer.ring(), algorithm, issuer.clock.now())?, Typ::RefreshJwt, &claims).await
}
