//! Sending a browser to a provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{may_change_sign_in_methods, provider, provider_refusal};
use crate::domain::secret::SecretText;
use crate::domain::social::{AttemptPurpose, ProviderName, SignInAttempt};
use crate::issuer::signed_in::SignedIn;
use crate::issuer::{Issuer, Refusal};

/// Somebody wants to go to a provider.
#[derive(Debug)]
pub struct BeginFlow<'a> {
    /// To which.
    pub provider: &'a ProviderName,
    /// Who wants it for another way in to their account; None to sign in.
    pub link_to: Option<&'a SignedIn>,
}

/// Somebody on the way to a provider.
#[derive(Debug)]
pub struct BegunFlow {
    /// What the browser must bring back, to be kept in it where nobody can read or change it.
    pub attempt: SignInAttempt,
    /// Where to send it.
    pub url: String,
}

impl BeginFlow<'_> {
    /// Makes an attempt, with a state, a nonce and a PKCE verifier of 256 bits each. Nothing is stored.
    pub async fn run(self, issuer: &Issuer) -> Result<BegunFlow, Refusal> {
        let provider = provider(issuer, self.provider)?;
        let purpose = match self.link_to {
            None => AttemptPurpose::SignIn,
            Some(who) => {
                may_change_sign_in_methods(who)?;
                AttemptPurpose::Link { sub: who.user().sub, session: who.session().id }
            }
        };
        // 43 characters each, as many as RFC 7636 §4.1 wants of a verifier at least.
        let secret = || SecretText::new(URL_SAFE_NO_PAD.encode(issuer.random.bytes::<32>()));
        let attempt = SignInAttempt {
            provider: self.provider.clone(),
            state: secret(),
            nonce: secret(),
            verifier: secret(),
            begun_at: issuer.clock.now(),
            purpose,
        };
        let url = provider.authorize_url(&attempt).await;
        let url = url.map_err(|error| provider_refusal(self.provider, "sending a browser to a provider", &error))?;
        Ok(BegunFlow { attempt, url })
    }
}
