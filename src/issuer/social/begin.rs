//! Begins the provider flow: redirects a browser to a provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::permission::may_change_sign_in_methods;
use super::provider::{provider, provider_refusal};
use super::refusal::SocialError;
use crate::domain::secret::SecretText;
use crate::domain::social::{AttemptPurpose, ProviderName, SignInAttempt};
use crate::issuer::change_permit::{ChangePermit, OwnerProof};
use crate::issuer::context::Issuer;
use crate::issuer::signed_in::SignedIn;

/// A request to begin a sign-in with a provider, or the linking of an account at a provider.
#[derive(Debug)]
pub struct BeginFlow<'a> {
    /// The provider.
    pub provider: &'a ProviderName,
    /// The signed-in user whose account is to be linked, and the proof that the caller is the owner; `None` to sign in.
    pub link_to: Option<(&'a SignedIn, OwnerProof)>,
}

/// A started flow.
#[derive(Debug)]
pub struct StartedFlow {
    /// The attempt that the browser must return. It is stored in an encrypted and authenticated cookie.
    pub attempt: SignInAttempt,
    /// The URL of the provider to redirect to.
    pub url: String,
}

impl BeginFlow<'_> {
    /// Creates an attempt with a state, a nonce and a PKCE verifier of 256 bits each. Stores nothing in the database.
    pub async fn run(self, issuer: &Issuer) -> Result<StartedFlow, SocialError> {
        let provider = provider(issuer, self.provider)?;
        let purpose = match self.link_to {
            None => AttemptPurpose::SignIn,
            Some((signed_in, proof)) => {
                may_change_sign_in_methods(signed_in)?;
                // The attempt is encrypted and names the session, so it needs no further proof until it expires.
                ChangePermit::request(issuer, signed_in, proof).await?;
                AttemptPurpose::Link { sub: signed_in.user().sub, session: signed_in.session().id }
            }
        };
        // 43 characters each, the minimum length of a PKCE verifier (RFC 7636 §4.1).
        let secret = || SecretText::new(URL_SAFE_NO_PAD.encode(issuer.random.bytes::<32>()));
        let attempt = SignInAttempt {
            provider: self.provider.clone(),
            state: secret(),
            nonce: secret(),
            verifier: secret(),
            started_at: issuer.clock.now(),
            purpose,
        };
        let url = provider.authorize_url(&attempt).await;
        let url = url.map_err(|error| provider_refusal(self.provider, "redirecting to the provider", &error))?;
        Ok(StartedFlow { attempt, url })
    }
}
