//! Renews an access token: exchanges an unexpired token of a live session for a new one.

use super::authenticate::Authenticate;
use super::context::Issuer;
use super::refusal::{Refusal, Unauthenticated};
use super::signed_in::SignedIn;
use crate::domain::dialect::RefreshStyle;
use crate::domain::session::{RefreshOutcome, Session};
use crate::store::{RefreshStep, SessionAdvance, SessionKey};

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
        let renewed = issuer.store.refresh_session(SessionKey::Id(id), move |found| {
            let rejected = |why| RefreshStep::Unchanged(Err(why));
            let Some((session, user)) = found else { return rejected(Unauthenticated::SessionEnded) };
            if session.opened_by.refresh_style() != RefreshStyle::SelfRenewing {
                return rejected(Unauthenticated::NotRenewable);
            }
            match session.evaluate_refresh(session.generation, None, now, settings.policy_of(&session)) {
                RefreshOutcome::Advance { to, expires_at, invalidates_earlier } if user.is_active => {
                    let advance =
                        SessionAdvance { to, now, from: None, expires_at, invalidates_earlier, new_refresh_key: None };
                    let session = Session { expires_at, used_at: now, ..session };
                    RefreshStep::Advance(advance, Ok(SignedIn::authenticated(user, session)))
                }
                _ => rejected(Unauthenticated::SessionEnded),
            }
        });
        Ok(renewed.await??)
    }
}
