//! Opens a session for a user at an operator's request, and mints its first tokens.

use super::context::Issuer;
use super::denied::{Denied, OperatorRule};
use super::issue::{AccessToken, access_token};
use super::refresh_token::{refresh_uuid, sign_refresh_jwt};
use super::sign_in;
use super::signed_in::SignedIn;
use crate::domain::audit::{Action, Operator};
use crate::domain::dialect::{Dialect, RefreshStyle};
use crate::domain::secret::SecretText;
use crate::domain::user::User;

/// An operator's request for the tokens of a user.
#[derive(Debug)]
pub struct MintTokens {
    /// The user.
    pub user: User,
    /// The dialect whose profile is used.
    pub dialect: Dialect,
}

/// The first tokens of a session.
#[derive(Debug)]
pub struct MintedTokens {
    /// The access token.
    pub access: AccessToken,
    /// The refresh token in the form of the dialect; `None` if the dialect has no refresh tokens.
    pub refresh: Option<SecretText>,
}

impl MintTokens {
    /// Opens a session and mints its first tokens. Refuses if the user is disabled.
    pub async fn run(self, issuer: &Issuer) -> Result<MintedTokens, Denied> {
        let session = sign_in::begin(issuer, self.user.id, self.dialect, None);
        let settings = issuer.settings();
        // The operator needs no password. If the temporary one has expired, it limits nothing.
        let has_expired = self.user.has_expired_password(session.opened_at, settings.temporary_lifetime());
        let temporary_since = self.user.temporary_since.filter(|_| !has_expired);
        let policy = *settings.policy_of(&session);
        let session = sign_in::with_temporary_password(session, temporary_since, &policy);
        let signed_in = SignedIn::authenticated(self.user, session.clone());
        let user = session.user;
        let detail = format!("{} {}", session.opened_by, session.id);
        let minted = Operator::CommandLine.entry(session.opened_at, Action::TokenMinted, Some(user), detail);
        let opened = issuer.store.write_for_user(user, move |tx| {
            if !tx.user(user)?.ok_or(OperatorRule::NoUser)?.is_active {
                return Err(OperatorRule::Disabled.into());
            }
            let ended = sign_in::open_session(tx, &session)?;
            tx.record(&minted)?;
            Ok::<usize, Denied>(ended)
        });
        issuer.counted_ended(opened.await?);
        let refresh = match self.dialect.row().refresh {
            RefreshStyle::Jwt => Some(sign_refresh_jwt(issuer, &signed_in).await?),
            RefreshStyle::Uuid => Some(SecretText::new(refresh_uuid(issuer, &signed_in).to_string())),
            RefreshStyle::SelfRenewing => None,
        };
        Ok(MintedTokens { access: access_token(issuer, &signed_in).await?, refresh })
    }
}
