//! Exchanges a sliding token for a newer one.
//!
//! A sliding token is an access and a refresh token in one. Its `exp` follows `profiles.simplejwt.access_lifetime`, and
//! its `refresh_exp` follows `profiles.simplejwt.refresh_lifetime`. The Python package djangorestframework-simplejwt
//! has separate settings for both, with the same defaults. `refresh_exp` is the end of the session, and an exchange
//! does not change it.

use super::authenticate::{live_session, session_id_of};
use super::context::Issuer;
use super::refusal::Refusal;
use super::signed_in::SignedIn;
use crate::domain::token_kind::TokenKind;

/// A request to exchange a sliding token that has not expired for a newer one.
#[derive(Debug)]
pub struct RenewSliding<'a> {
    /// The token.
    pub token: &'a str,
}

impl RenewSliding<'_> {
    /// Verifies the token, and returns its live session and active user. Changes nothing.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let renewed = self.renew(issuer).await;
        issuer.counted_refresh(renewed)
    }

    async fn renew(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let token = issuer.verify(self.token, TokenKind::Sliding).map_err(|fault| issuer.unauthenticated(fault))?;
        live_session(issuer, session_id_of(&token)?).await
    }
}
