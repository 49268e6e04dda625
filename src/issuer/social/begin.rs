//! Begins the provider flow: redirects a browser to a provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{may_change_sign_in_methods, provider, provider_refusal};
use crate::domain::secret::SecretText;
use crate::domain::social::{AttemptPurpose, ProviderName, SignInAttempt};
use crate::issuer::signed_in::SignedIn;
use crate::issuer::{Issuer, Refusal};

/// A request to begin a sign-in or a linking at a provider.
#[derive(Debug)]
pub struct BeginFlow<'a> {
    /// The provider.
    pub provider: &'a ProviderName,
    /// The signed-in user whose account is to be linked; `None` to sign in.
    pub link_to: Option<&'a SignedIn>,
}

/// A flow that was begun.
#[derive(Debug)]
pub struct BegunFlow {
    /// The attempt that the browser must return. It is stored in an encrypted and authenticated cookie.
    pub attempt: SignInAttempt,
    /// The URL of the provider to redirect to.
    pub url: String,
}

impl BeginFlow<'_> {
    /// Creates an attempt with a state, a nonce and a PKCE verifier of 256 bits each. Stores nothing in the database.
    pub async fn run(self, issuer: &Issuer) -> Result<BegunFlow, Refusal> {
        let provider = provider(issuer, self.provider)?;
        let purpose = match self.link_to {
            None => AttemptPurpose::SignIn,
            Some(who) => {
                may_change_sign_in_methods(who)?;
                AttemptPurpose::Link { sub: who.user().sub, session: who.session().id }
            }
        };
        // 43 characters each, the minimum length of a PKCE verifier (RFC 7636 §4.1).
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
        let url = url.map_err(|error| provider_refusal(self.provider, "redirecting to the provider", &error))?;
        Ok(BegunFlow { attempt, url })
    }
}
