//! Signing out: the session ends, and stays ended.

use super::{Caller, Issuer, Refusal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::id::SessionId;
use crate::domain::session::EndReason;

/// Somebody who was recognised leaves.
#[derive(Debug)]
pub struct SignOut {
    /// The session to end.
    pub session: SessionId,
    /// From where.
    pub from: Caller,
}

impl SignOut {
    /// Ends the session. False where it had ended before.
    pub async fn run(self, issuer: &Issuer) -> Result<bool, Refusal> {
        let now = issuer.clock.now();
        issuer
            .store
            .write(move |tx| {
                let Some((session, _)) = tx.session(self.session)? else { return Ok(false) };
                let was_live = session.is_live(now) && tx.end_session(session.id, now, EndReason::SignOut)?;
                if was_live {
                    let (user, address) = (Some(session.user), Some(self.from.address));
                    let detail = session.id.to_string();
                    tx.record(&AuditEntry { at: now, action: Action::SignedOut, user, address, detail })?;
                }
                Ok(was_live)
            })
            .await
    }
}
