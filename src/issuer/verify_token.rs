//! Whether a token of any kind is good, asked by somebody who can't verify it.

use super::authenticate::named;
use super::refresh_token::open_jwt;
use super::refusal::Unproven;
use super::sliding::Slide;
use super::{Issuer, Refusal};
use crate::crypto::token::TokenFault;
use crate::domain::session::Presented;

/// Somebody asks about a token.
#[derive(Debug)]
pub struct VerifyToken<'a> {
    /// An access, sliding or signed refresh token.
    pub token: &'a str,
}

impl VerifyToken<'_> {
    /// An access token is good until it expires, as it is for every resource server: the store is not asked. The others are
    /// good if they could be exchanged; asking spends nothing and ends nothing.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Refusal> {
        match issuer.verify_access(self.token) {
            Ok(token) => return named(&token).map(drop),
            Err(TokenFault::Kind) => {}
            Err(fault) => return Err(issuer.unproven(fault)),
        }
        match (Slide { token: self.token }).run(issuer).await {
            Err(Refusal::NotSignedIn(Unproven::Token(TokenFault::Kind))) => self.refresh(issuer).await,
            other => other.map(drop),
        }
    }

    async fn refresh(self, issuer: &Issuer) -> Result<(), Refusal> {
        let token = open_jwt(issuer, self.token)?;
        let (now, settings) = (issuer.clock.now(), issuer.settings());
        let found = issuer.store.read(move |tx| tx.session(token.session)).await?;
        let (session, user) = found.ok_or(Unproven::SessionEnded)?;
        match session.present(token.generation, now, &settings.profile(session.dialect).refresh) {
            Presented::Advance { .. } | Presented::Repeat if user.is_active => Ok(()),
            _ => Err(Unproven::SessionEnded.into()),
        }
    }
}
