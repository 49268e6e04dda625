//! Exchanging a sliding token for a newer one.
//!
//! A sliding token is access and refresh token in one: its `exp` is as far off as an access token's, its `refresh_exp` as
//! a refresh token's (`profiles.simplejwt.access_lifetime` and `.refresh_lifetime`; the package has settings of their own
//! for both, with the same defaults). `refresh_exp` is the session's end, and no exchange moves it.

use super::authenticate::{live, named};
use super::signed_in::SignedIn;
use super::{Issuer, Refusal};
use crate::crypto::verify::SLIDING;

/// Somebody wants a newer sliding token for one that has not expired.
#[derive(Debug)]
pub struct RenewSliding<'a> {
    /// The token.
    pub token: &'a str,
}

impl RenewSliding<'_> {
    /// Finds the live session and the active user it stands for. Changes nothing.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let slid = self.renewed(issuer).await;
        issuer.counted_refresh(slid)
    }

    async fn renewed(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let token = issuer.verify_for_servers(self.token, SLIDING).map_err(|fault| issuer.unauthenticated(fault))?;
        live(issuer, named(&token)?).await
    }
}
