//! The two forms of a refresh token: a UUID and a signed JWT. Both contain the session and the generation.
//!
//! This module verifies or parses a token and returns its content. [`super::refresh`] decides whether the token is
//! still valid. Both forms are derived from the stored session, so that a retry gets a token of the same generation.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::authenticate::session_id_of;
use super::context::Issuer;
use super::issue::{sign, signer};
use super::refusal::{Refusal, Unauthenticated};
use super::signed_in::SignedIn;
use crate::crypto::refresh_token::{RefreshTokens, RefreshUuid};
use crate::domain::dialect::RefreshStyle;
use crate::domain::id::{SessionId, Subject, UserId};
use crate::domain::secret::SecretText;
use crate::domain::session::Session;
use crate::domain::token_kind::{TokenKind, Typ};
use crate::store::SessionKey;

/// A refresh token with a valid signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedRefreshToken {
    /// The session in the token.
    pub session: SessionId,
    /// The generation in the token.
    pub generation: u32,
}

/// A refresh token as the caller presented it.
#[derive(Clone, Copy, Debug)]
pub enum PresentedRefreshToken {
    /// A signed JWT that was verified.
    Verified(VerifiedRefreshToken),
    /// A UUID. It has no signature: the session's key shows whether the issuer made it.
    Uuid(RefreshUuid),
}

impl From<VerifiedRefreshToken> for PresentedRefreshToken {
    fn from(token: VerifiedRefreshToken) -> Self {
        Self::Verified(token)
    }
}

impl PresentedRefreshToken {
    /// Returns the key of the session that the token names.
    pub(super) fn key(self) -> SessionKey {
        match self {
            Self::Verified(token) => SessionKey::Id(token.session),
            Self::Uuid(token) => SessionKey::Prefix(token.session()),
        }
    }

    /// Returns the generation in the token. `None` if the issuer did not issue the token for this session: a UUID for a
    /// session of another dialect, or one that was made without the session's key. All access tokens show the session's
    /// id.
    pub(super) fn generation_in(self, session: &Session, tokens: &RefreshTokens) -> Option<u32> {
        match self {
            Self::Verified(token) => Some(token.generation),
            Self::Uuid(token) if session.opened_by.refresh_style() == RefreshStyle::Uuid => {
                tokens.generation(token, session.id, session.refresh_key.as_ref())
            }
            Self::Uuid(_) => None,
        }
    }
}

/// Parses a refresh UUID, in any notation of a UUID. Does not read the store.
pub fn parse_refresh_uuid(issuer: &Issuer, text: &str) -> Result<PresentedRefreshToken, Refusal> {
    let parsed = Uuid::try_parse(text).ok().and_then(|token| issuer.refresh_tokens.parse_refresh_uuid(token));
    let token = parsed.ok_or_else(|| Unauthenticated::SessionEnded.into());
    token.map(PresentedRefreshToken::Uuid).inspect_err(|refusal| issuer.count_refused(refusal))
}

/// Verifies a signed refresh token, including its expiry. Does not read the store.
pub fn verify_refresh_jwt(issuer: &Issuer, text: &str) -> Result<VerifiedRefreshToken, Refusal> {
    verify_refresh_claims(issuer, text).inspect_err(|refusal| issuer.count_refused(refusal))
}

fn verify_refresh_claims(issuer: &Issuer, text: &str) -> Result<VerifiedRefreshToken, Refusal> {
    let token = issuer.verify(text, TokenKind::RefreshJwt)?;
    let session = session_id_of(&token)?;
    let generation = token.number("generation").and_then(|generation| u32::try_from(generation).ok());
    generation
        .map(|generation| VerifiedRefreshToken { session, generation })
        .ok_or_else(|| Unauthenticated::SessionEnded.into())
}

/// Returns the refresh UUID of a session, for its current generation.
pub fn refresh_uuid(issuer: &Issuer, signed_in: &SignedIn) -> Uuid {
    let session = signed_in.session();
    issuer.refresh_tokens.refresh_uuid(session.id, session.refresh_key.as_ref(), session.generation)
}

/// The claims of a refresh token.
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
    /// One entry: the user id, under the claim name that the profile sets.
    #[serde(flatten)]
    user_id: BTreeMap<&'a str, UserId>,
}

/// Signs the refresh token of a session, for its current generation. It is valid until the end of the session, even if
/// its key retires earlier: the ring keeps the public key for as long as a session may need it.
pub async fn sign_refresh_jwt(issuer: &Issuer, signed_in: &SignedIn) -> Result<SecretText, Refusal> {
    let user = signed_in.user();
    let session = signed_in.session();
    let settings = issuer.current_settings.load_full();
    let spec = settings.token_spec(session.opened_by);
    let rotated_at = session.rotated_at.unix();
    let claims = RefreshClaims {
        iss: &spec.issuer,
        sub: user.sub,
        aud: &issuer.policy.tokens.refresh_audience,
        iat: rotated_at,
        nbf: rotated_at,
        exp: session.expires_at.unix(),
        jti: issuer.refresh_tokens.jti(session.id, session.generation),
        sid: session.id,
        generation: session.generation,
        token_type: TokenKind::RefreshJwt.row().token_type,
        user_id: BTreeMap::from([(spec.user_id_claim.as_str(), user.id)]),
    };
    let ring = issuer.ring();
    sign(signer(issuer, &ring, spec.algorithm, issuer.clock.now())?, Typ::RefreshJwt, &claims).await
}
