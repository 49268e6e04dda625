//! Making a token by hand: an operator opens a session in a user's place.

use super::issue::{AccessToken, access_token};
use super::refresh_token::{refresh_uuid, sign_refresh_jwt};
use super::sign_in;
use super::signed_in::SignedIn;
use super::{Issuer, Refusal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::Dialect;
use crate::domain::secret::SecretText;
use crate::domain::user::User;

/// An operator wants a token for a user.
#[derive(Debug)]
pub struct MintTokens {
    /// For whom.
    pub user: User,
    /// With which profile.
    pub dialect: Dialect,
}

/// What a session begins with.
#[derive(Debug)]
pub struct MintedTokens {
    /// Its access token.
    pub access: AccessToken,
    /// Its refresh token, as its dialect spells it; None where a dialect has none.
    pub refresh: Option<SecretText>,
}

impl MintTokens {
    /// Opens a session and mints its first tokens. A disabled user gets none.
    pub async fn run(self, issuer: &Issuer) -> Result<MintedTokens, Refusal> {
        let session = sign_in::open(issuer, &self.user, self.dialect, None);
        let who = SignedIn::authenticated(self.user, session.clone());
        let at = session.opened_at;
        let user = Some(session.user);
        let detail = format!("{} {}", session.dialect, session.id);
        let opened = issuer.store.write(move |tx| {
            let active = tx.user(session.user)?.filter(|user| user.is_active);
            active.ok_or(Refusal::WrongCredentials)?;
            tx.open_session(&session)?;
            tx.record(&AuditEntry { at, action: Action::TokenMinted, user, actor: None, address: None, detail })?;
            Ok::<(), Refusal>(())
        });
        opened.await?;
        let refresh = match self.dialect {
            Dialect::Simplejwt => Some(sign_refresh_jwt(issuer, &who).await?),
            Dialect::DrfPyjwt => Some(SecretText::new(refresh_uuid(issuer, &who).to_string())),
            Dialect::JwtIssuer | Dialect::RestJwt | Dialect::RestSocial => None,
        };
        Ok(MintedTokens { access: access_token(issuer, &who).await?, refresh })
    }
}
