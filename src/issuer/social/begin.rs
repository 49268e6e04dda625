//! Sending a browser to a provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::signed_in::SignedIn;
use super::super::{Issuer, Refusal};
use super::{may_change_doors, provider, trouble};
use crate::domain::secret::SecretText;
use crate::domain::social::{ProviderName, Purpose, SignInAttempt};

/// Somebody wants to go to a provider.
#[derive(Debug)]
pub struct Begin<'a> {
    /// To which.
    pub provider: &'a ProviderName,
    /// Who wants it for another way in to their account; None to sign in.
    pub link_to: Option<&'a SignedIn>,
}

/// Somebody on the way to a provider.
#[derive(Debug)]
pub struct Begun {
    /// What the browser must bring back, to be kept in it where nobody can read or change it.
    pub attempt: SignInAttempt,
    /// Where to send it.
    pub url: String,
}

impl Begin<'_> {
    /// Makes an attempt, with a state, a nonce and a PKCE verifier of 256 bits each. Nothing is stored.
    pub async fn run(self, issuer: &Issuer) -> Result<Begun, Refusal> {
        let provider = provider(issuer, self.provider)?;
        let purpose = match self.link_to {
            None => Purpose::SignIn,
            Some(who) => {
                may_change_doors(who)?;
                Purpose::Link { sub: who.user().sub, session: who.session().id }
            }
        };
        // 43 characters each, as many as RFC 7636 §4.1 wants of a verifier at least.
        let secret = || SecretText::new(URL_SAFE_NO_PAD.encode(issuer.chance.bytes::<32>()));
        let attempt = SignInAttempt {
            provider: self.provider.clone(),
            state: secret(),
            nonce: secret(),
            verifier: secret(),
            begun_at: issuer.clock.now(),
            purpose,
        };
        let url = provider.authorize_url(&attempt).await;
        let url = url.map_err(|error| trouble(self.provider, "sending a browser to a provider", &error))?;
        Ok(Begun { attempt, url })
    }
}
