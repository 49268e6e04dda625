//! The token settings of one dialect, as they stand at the moment.

use std::time::Duration;

use super::algorithm::Algorithm;
use super::dialect::Dialect;
use super::session::RefreshPolicy;

/// How a dialect's tokens are made and refreshed. Built from the runtime settings; never stored.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Whose profile it is.
    pub dialect: Dialect,
    /// How long an access token is good for.
    pub access_lifetime: Duration,
    /// The rules of its sessions' refreshes.
    pub refresh: RefreshPolicy,
    /// The signer; None for `tokens.algorithm`.
    pub algorithm: Option<Algorithm>,
    /// The `aud` of access tokens; None for `tokens.audience`.
    pub audience: Option<String>,
    /// The access token's `typ`.
    pub typ: AccessType,
    /// The claim that carries the integer id.
    pub user_id_claim: String,
}

/// The `typ` header of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessType {
    /// `JWT` (RFC 7519 §5.1), which every verifier takes.
    Jwt,
    /// `at+jwt` (RFC 9068 §2.1), which some verifiers must be told to take.
    AtJwt,
}

/// A claim that a profile adds to the registered ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraClaim {
    /// The integer id, as a number, by the profile's `user_id_claim`.
    UserId,
    /// The integer id as a text, by the name `userid`.
    UserIdText,
    /// The user name.
    Username,
    /// The configured role.
    Role,
    /// The provider whose word opened the session; none where a password or an operator did.
    Provider,
}

impl Profile {
    /// The claims this dialect's tokens carry besides the registered ones.
    pub fn extra_claims(&self) -> &'static [ExtraClaim] {
        match self.dialect {
            Dialect::JwtIssuer | Dialect::DrfPyjwt => &[ExtraClaim::UserId, ExtraClaim::Username],
            Dialect::RestJwt => &[ExtraClaim::Role, ExtraClaim::UserIdText],
            Dialect::RestSocial => &[ExtraClaim::Role, ExtraClaim::UserIdText, ExtraClaim::Provider],
            Dialect::Simplejwt => &[ExtraClaim::UserId],
        }
    }
}
