//! What the issuer needs to know about a token before it mints one.

use std::time::Duration;

use super::algorithm::Algorithm;
use super::claims::ExtraClaim;
use super::token_kind::Typ;

/// What a token of a profile contains, apart from the user and the session. Made together with the snapshot of the
/// settings, so that minting a token copies nothing.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// The time from the issue of a token to its `exp`, unless its key leaves the JWKS earlier.
    pub lifetime: Duration,
    /// The signature algorithm.
    pub algorithm: Algorithm,
    /// The `typ` header.
    pub typ: Typ,
    /// The claims in addition to the registered claims.
    pub extra_claims: &'static [ExtraClaim],
    /// The name of the claim that contains the integer user id.
    pub user_id_claim: String,
    /// The `role` claim of users whose own claims contain no `role`.
    pub role: String,
}

/// The boot settings for tokens. A profile may override the audience and the algorithm.
#[derive(Clone, Debug)]
pub struct TokenDefaults {
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` if the profile sets none.
    pub audience: String,
    /// The `aud` of refresh tokens; see [`refresh_audience`].
    pub refresh_audience: String,
    /// The signing algorithm if the profile sets none.
    pub algorithm: Algorithm,
    /// The `role` claim of users whose own claims contain no `role`, in the dialects that have this claim.
    pub role: String,
}

/// The `aud` of the refresh tokens of an issuer: `<issuer>/refresh`. It is not the audience of any resource server, so
/// a verifier that checks `aud` but not `token_type` rejects refresh tokens (RFC 8725 §3.12).
pub fn refresh_audience(issuer: &str) -> String {
    format!("{issuer}/refresh")
}
