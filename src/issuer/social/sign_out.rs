//! Signs a user out, and deletes the provider's access token.

use crate::issuer::context::{Caller, Issuer};
use crate::issuer::refusal::Refusal;
use crate::issuer::sign_out::end;
use crate::issuer::signed_in::SignedIn;
use crate::store::StoreError;

/// A request to sign out of a session that may have been opened through a provider.
#[derive(Debug)]
pub struct SignOutWithProvider {
    /// The caller.
    pub from: Caller,
}

impl SignOutWithProvider {
    /// Ends the session, and deletes the access token of the provider through which it was opened. After a sign-in with
    /// a password, deletes the access tokens of all providers. Refresh tokens are kept.
    pub async fn run(self, signed_in: &SignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        let now = issuer.clock.now();
        let session = signed_in.session().clone();
        let outcome = issuer.store.write(move |tx| {
            let ended = end(tx, &session, self.from, now)?;
            if ended {
                tx.delete_social_access_token(session.user, session.provider.as_ref())?;
            }
            Ok(ended)
        });
        let ended: Result<bool, StoreError> = outcome.await;
        issuer.counted_ended(usize::from(ended?));
        Ok(())
    }
}
