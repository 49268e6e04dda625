//! The token settings of one origin of sessions.

use std::time::Duration;

use super::algorithm::Algorithm;
use super::claims::ExtraClaim;
use super::session::RefreshPolicy;
use super::token_kind::{TokenKind, Typ};
use super::token_spec::{TokenDefaults, TokenSpec};

/// How the tokens of an origin are issued and refreshed. Built from the runtime settings, never stored.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The lifetime of an access token.
    pub access_lifetime: Duration,
    /// The rules for refreshing sessions.
    pub refresh: RefreshPolicy,
    /// The signature algorithm. `None` means `tokens.algorithm`.
    pub algorithm: Option<Algorithm>,
    /// The `aud` claim of access tokens. `None` means `tokens.audience`.
    pub audience: Option<String>,
    /// The `typ` header of access tokens.
    pub typ: Typ,
    /// The claims that tokens have in addition to the registered claims.
    pub extra_claims: &'static [ExtraClaim],
    /// The name of the claim that contains the integer user id.
    pub user_id_claim: String,
}

impl Profile {
    /// What the tokens of this profile contain.
    pub fn token_spec(&self, defaults: &TokenDefaults) -> TokenSpec {
        TokenSpec {
            issuer: defaults.issuer.clone(),
            audience: self.audience.as_ref().unwrap_or(&defaults.audience).clone(),
            lifetime: self.access_lifetime,
            algorithm: self.algorithm.unwrap_or(defaults.algorithm),
            typ: self.typ,
            extra_claims: self.extra_claims,
            user_id_claim: self.user_id_claim.clone(),
            role: defaults.role.clone(),
        }
    }

    /// The longest lifetime of a token of this kind.
    pub fn longest_lifetime(&self, kind: TokenKind) -> Duration {
        match kind {
            TokenKind::Access | TokenKind::Sliding => self.access_lifetime,
            TokenKind::RefreshJwt => self.refresh.lifetime,
        }
    }
}
