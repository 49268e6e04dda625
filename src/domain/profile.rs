//! The token settings of one dialect.

use std::time::Duration;

use super::algorithm::Algorithm;
use super::claims::ExtraClaim;
use super::closed_set::closed_set;
use super::dialect::Dialect;
use super::session::RefreshPolicy;

/// How the tokens of a dialect are issued and refreshed. Built from the runtime settings, never stored.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The dialect.
    pub dialect: Dialect,
    /// The lifetime of an access token.
    pub access_lifetime: Duration,
    /// The rules for refreshing sessions.
    pub refresh: RefreshPolicy,
    /// The signature algorithm. `None` means `tokens.algorithm`.
    pub algorithm: Option<Algorithm>,
    /// The `aud` claim of access tokens. `None` means `tokens.audience`.
    pub audience: Option<String>,
    /// The `typ` header of access tokens.
    pub typ: AccessType,
    /// The name of the claim that contains the integer user id.
    pub user_id_claim: String,
}

closed_set! {
    /// The `typ` header of an access token.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum AccessType {
        /// `JWT` (RFC 7519 §5.1), which every verifier accepts.
        Jwt = "JWT",
        /// `at+jwt` (RFC 9068 §2.1), which some verifiers accept only if they are configured to.
        AtJwt = "at+jwt",
    }
}

impl Profile {
    /// The claims that tokens of this dialect have in addition to the registered claims.
    pub fn extra_claims(&self) -> &'static [ExtraClaim] {
        self.dialect.row().extra_claims
    }
}
