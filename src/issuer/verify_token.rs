//! Reports whether a token of any kind is valid, for callers that cannot verify it.

use super::authenticate::session_id_of;
use super::context::{Caller, Issuer};
use super::refresh::record_ahead;
use super::refresh_token::verify_refresh_jwt;
use super::refusal::{Refusal, Unauthenticated};
use super::sliding::RenewSliding;
use crate::crypto::token::TokenFault;
use crate::domain::network::CallerNetwork;
use crate::domain::session::RefreshOutcome;
use crate::domain::token_kind::TokenKind;
use crate::store::StoreError;

/// A request to verify a token.
#[derive(Debug)]
pub struct VerifyToken<'a> {
    /// An access, sliding or signed refresh token.
    pub token: &'a str,
    /// The caller.
    pub from: Caller,
}

impl VerifyToken<'_> {
    /// Verifies the token. An access token is valid until it expires, as for every resource server; the store is not
    /// read. A sliding or refresh token is valid if it could be exchanged. Verification neither spends a token nor ends
    /// a session. A refresh token that is ahead of its session is recorded, as in a refresh.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Refusal> {
        match issuer.verify(self.token, TokenKind::Access) {
            Ok(token) => return session_id_of(&token).map(drop),
            Err(TokenFault::WrongKind) => {}
            Err(fault) => return Err(issuer.unauthenticated(fault)),
        }
        match (RenewSliding { token: self.token }).run(issuer).await {
            Err(Refusal::NotSignedIn(Unauthenticated::Token(TokenFault::WrongKind))) => self.refresh(issuer).await,
            other => other.map(drop),
        }
    }

    async fn refresh(self, issuer: &Issuer) -> Result<(), Refusal> {
        let token = verify_refresh_jwt(issuer, self.token)?;
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let found = issuer.store.read(move |tx| tx.session(token.session)).await?;
        let (session, user) = found.ok_or(Unauthenticated::SessionEnded)?;
        let network = Some(CallerNetwork::of(self.from.address));
        match session.evaluate_refresh(token.generation, network, now, settings.policy_of(&session)) {
            RefreshOutcome::Advance { .. } | RefreshOutcome::Repeat(_) if user.is_active => Ok(()),
            RefreshOutcome::Ahead if user.is_active => {
                let from = self.from;
                let recorded = issuer.store.write(move |tx| record_ahead(tx, &session, token.generation, from, now));
                let recorded: Result<Unauthenticated, StoreError> = recorded.await;
                let refusal = Refusal::from(recorded?);
                issuer.count_refused(&refusal);
                Err(refusal)
            }
            _ => Err(Unauthenticated::SessionEnded.into()),
        }
    }
}
