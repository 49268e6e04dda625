//! Renews an access token: exchanges an unexpired token of a live session for a new one.

use super::authenticate::Authenticate;
use super::context::Issuer;
use super::refusal::{Refusal, Unauthenticated};
use super::signed_in::SignedIn;
use crate::domain::dialect::RefreshStyle;
use crate::domain::session::{RefreshOutcome, Session};

/// A request to exchange an access token for a new one.
#[derive(Debug)]
pub struct Renew<'a> {
    /// The access token; `None` if none was sent.
    pub token: Option<&'a str>,
}

impl Renew<'_> {
    /// Extends the session. Only dialects without a refresh token allow this. In the others, a stolen access token must
    /// not be usable after its `exp`.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let renewed = self.renew(issuer).await;
        issuer.counted_refresh(renewed)
    }

    async fn renew(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let (id, _) = Authenticate { token: self.token }.open(issuer)?;
        let now = issuer.clock.now();
        let settings = issuer.settings();
        issuer
            .store
            .write_last(move |tx| {
                let (session, user) = tx.session(id)?.ok_or(Unauthenticated::SessionEnded)?;
                if session.opened_by.refresh_style() != RefreshStyle::SelfRenewing {
                    return Err(Unauthenticated::NotRenewable.into());
                }
                match session.evaluate_refresh(session.generation, now, settings.policy_of(&session)) {
                    RefreshOutcome::Advance { to, expires_at, spends } if user.is_active => {
                        if !tx.advance_session(&session, to, now, expires_at, spends)? {
                            return Err(Unauthenticated::SessionEnded.into());
                        }
                        let session = Session { expires_at, ..session };
                        Ok(SignedIn::authenticated(user, session))
                    }
                    _ => Err(Unauthenticated::SessionEnded.into()),
                }
            })
            .await
    }
}
