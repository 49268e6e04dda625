//! Mints an access token or a sliding token for an authenticated user.

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use uuid::Uuid;

use super::context::Issuer;
use super::refusal::{Fault, Refusal};
use super::signed_in::SignedIn;
use crate::crypto::key_ring::KeyRing;
use crate::domain::algorithm::Algorithm;
use crate::domain::claims::{ExtraClaim, is_reserved, is_same_name};
use crate::domain::count::Count;
use crate::domain::excerpt::excerpt;
use crate::domain::id::UserId;
use crate::domain::origin::Origin;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;
use crate::domain::token_kind::{TokenKind, Typ};
use crate::domain::token_spec::TokenSpec;
use crate::keys::signer::{SignError, Signer};

/// A signed access token and its lifetime.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The compact JWS.
    pub text: SecretText,
    /// The token's `exp`.
    pub expires_at: Timestamp,
    /// The time from the issue of the token to its `exp`.
    pub lifetime: Duration,
    /// The user of the token.
    pub user: UserId,
}

/// Mints an access token by the spec of the session's origin. Its `exp` is at most the time until which its key
/// stays published. If the session ends earlier, the token cannot be renewed, but it stays valid until `exp`, because
/// verifiers are offline.
pub async fn access_token(issuer: &Issuer, signed_in: &SignedIn) -> Result<AccessToken, Refusal> {
    token(issuer, signed_in, TokenKind::Access).await
}

/// Mints a sliding token: an access token that can be exchanged for a newer one before its `exp`. Its `refresh_exp` is
/// the end of its session. An exchange does not change `refresh_exp`, and no `exp` is later.
pub async fn sliding_token(issuer: &Issuer, signed_in: &SignedIn) -> Result<AccessToken, Refusal> {
    token(issuer, signed_in, TokenKind::Sliding).await
}

async fn token(issuer: &Issuer, signed_in: &SignedIn, kind: TokenKind) -> Result<AccessToken, Refusal> {
    let settings = issuer.current_settings.load_full();
    let spec = settings.token_spec(signed_in.session().opened_by);
    let refresh_exp = (kind == TokenKind::Sliding).then_some(signed_in.session().expires_at);
    let ring = issuer.ring();
    let now = issuer.clock.now();
    let signer = signer(issuer, &ring, spec.algorithm, now)?;
    let full_expiry = now + spec.lifetime;
    let session_expiry = refresh_exp.map_or(full_expiry, |end| full_expiry.min(end));
    let expires_at = signer.published_until().map_or(session_expiry, |end| session_expiry.min(end));
    let claims = AccessClaims { signed_in, spec, kind, now, expires_at, refresh_exp, jti: issuer.random.uuid() };
    let text = sign(signer, spec.typ, &claims).await?;
    let Origin::Dialect(dialect) = signed_in.session().opened_by;
    issuer.counters.add(Count::Issued(dialect, spec.algorithm));
    Ok(AccessToken { text, expires_at, lifetime: expires_at.since(now), user: signed_in.user().id })
}

/// Returns the signer for `algorithm`.
pub(super) fn signer<'a>(
    issuer: &'a Issuer,
    ring: &'a KeyRing,
    algorithm: Algorithm,
    now: Timestamp,
) -> Result<Signer<'a>, Refusal> {
    issuer.signing_queue.signer(ring, algorithm, now).ok_or_else(|| {
        let cause = format!("no {algorithm} key is active; run `countersign keys rotate --now`");
        Fault::new("choosing a signing key", &cause).into()
    })
}

/// Signs claims as a token of the given `typ`.
pub(super) async fn sign(signer: Signer<'_>, typ: Typ, claims: &impl Serialize) -> Result<SecretText, Refusal> {
    signer.sign(typ, claims).await.map_err(|error| {
        let operation = match error {
            SignError::Fault(_) => "minting a token",
            SignError::Queue(_) => "waiting to sign a token",
            SignError::Thread(_) => "signing a token",
        };
        Fault::new(operation, &error).into()
    })
}

/// The claims, serialised without intermediate values.
struct AccessClaims<'a> {
    signed_in: &'a SignedIn,
    spec: &'a TokenSpec,
    kind: TokenKind,
    now: Timestamp,
    expires_at: Timestamp,
    /// Only in a sliding token.
    refresh_exp: Option<Timestamp>,
    jti: Uuid,
}

impl Serialize for AccessClaims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let user = self.signed_in.user();
        let session = self.signed_in.session();
        let spec = self.spec;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", &spec.issuer)?;
        map.serialize_entry("sub", &user.sub)?;
        map.serialize_entry("aud", &spec.audience)?;
        map.serialize_entry("iat", &self.now.unix())?;
        map.serialize_entry("nbf", &self.now.unix())?;
        map.serialize_entry("exp", &self.expires_at.unix())?;
        map.serialize_entry("jti", &self.jti)?;
        map.serialize_entry("sid", &session.id)?;
        map.serialize_entry("token_type", self.kind.row().token_type)?;
        if let Some(end) = self.refresh_exp {
            map.serialize_entry("refresh_exp", &end.unix())?;
        }
        let has_own_claim = |name: &str| user.claims.iter().any(|(claim, _)| claim == name);
        for extra in spec.extra_claims {
            match extra {
                ExtraClaim::UserId => map.serialize_entry(&spec.user_id_claim, &user.id)?,
                ExtraClaim::UserIdText => map.serialize_entry("userid", &user.id.to_string())?,
                ExtraClaim::Username => map.serialize_entry("username", user.shown_username())?,
                // The role in the user's own claims takes precedence over the configured role.
                ExtraClaim::Role if has_own_claim("role") => {}
                ExtraClaim::Provider => {
                    if let Some(provider) = &session.provider {
                        map.serialize_entry("provider", provider)?;
                    }
                }
                ExtraClaim::Role => map.serialize_entry("role", &spec.role)?,
            }
        }
        if session.temporary_since.is_some() {
            map.serialize_entry("must_change_password", &true)?;
        }
        for (name, value) in user.claims.iter() {
            // The claims may have been stored under earlier rules, or before the setting was changed.
            if is_reserved(name) || is_same_name(name, &spec.user_id_claim) {
                tracing::warn!(user = %user.id, claim = excerpt(name), "user's own claim left out of a token; its name is reserved");
            } else {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}
