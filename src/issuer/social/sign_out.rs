//! Signing out of a session, and of what the provider gave for it.

use crate::issuer::sign_out::end;
use crate::issuer::signed_in::SignedIn;
use crate::issuer::{Caller, Issuer, Refusal};
use crate::store::StoreError;

/// Somebody leaves who may have come by a provider.
#[derive(Debug)]
pub struct SignOutWithProvider {
    /// From where.
    pub from: Caller,
}

impl SignOutWithProvider {
    /// Ends the session and forgets the provider's access token: that of the provider who opened it, or, where a
    /// password did, those of all. Refresh tokens are kept.
    pub async fn run(self, who: &SignedIn, issuer: &Issuer) -> Result<(), Refusal> {
        let now = issuer.clock.now();
        let session = who.session().clone();
        let left = issuer.store.write(move |tx| {
            let ended = end(tx, &session, self.from, now)?;
            if ended {
                tx.forget_social_access(session.user, session.provider.as_ref())?;
            }
            Ok(ended)
        });
        let ended: Result<bool, StoreError> = left.await;
        issuer.counted_ended(usize::from(ended?));
        Ok(())
    }
}
