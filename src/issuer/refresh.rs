//! Refreshing a session by a refresh token: the MAC before the store, then one conditional update of one row.

use super::refusal::Unproven;
use super::signed_in::SignedIn;
use super::{Caller, Issuer, Refusal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::id::SessionId;
use crate::domain::session::{EndReason, Presented, Session};
use crate::domain::time::Timestamp;
use crate::store::{StoreError, Write};

/// Somebody presents a refresh token that has been opened: its MAC, signature or hash was found right.
#[derive(Debug)]
pub struct Refresh {
    /// The session it names.
    pub session: SessionId,
    /// The generation it names.
    pub generation: u32,
    /// From where.
    pub from: Caller,
}

/// What the transaction came to. A token that proves nothing is no error *in* it: where it was a spent one, the
/// session's end must be committed, not undone.
type Outcome = Result<SignedIn, Unproven>;

impl Refresh {
    /// Moves the session on, answers a retry as before, or ends a session whose spent token came back.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let (now, settings) = (issuer.clock.now(), issuer.settings());
        let outcome = issuer.store.write(move |tx| {
            let Some((session, user)) = tx.session(self.session)? else { return Ok(Err(Unproven::SessionEnded)) };
            let policy = settings.profile(session.dialect).refresh;
            match session.present(self.generation, now, &policy) {
                _ if !user.is_active => Ok(Err(Unproven::SessionEnded)),
                Presented::Advance { to, expires_at } => {
                    let rotated_at = if to == session.generation { session.rotated_at } else { now };
                    let moved = tx.advance_session(session.id, session.generation, to, now, expires_at)?;
                    let session = Session { generation: to, rotated_at, expires_at, ..session };
                    Ok(if moved { Ok(SignedIn::proven(user, session)) } else { Err(Unproven::SessionEnded) })
                }
                Presented::Repeat => Ok(Ok(SignedIn::proven(user, session))),
                Presented::Reuse => self.end_reused(tx, &session, now).map(Err),
                Presented::Dead => Ok(Err(Unproven::SessionEnded)),
            }
        });
        let outcome: Result<Outcome, StoreError> = outcome.await;
        Ok(outcome??)
    }

    fn end_reused(&self, tx: &dyn Write, session: &Session, now: Timestamp) -> Result<Unproven, StoreError> {
        tx.end_session(session.id, now, EndReason::Reuse)?;
        let detail = format!("generation {} of session {} (now {})", self.generation, session.id, session.generation);
        let (action, user, address) = (Action::RefreshReused, Some(session.user), Some(self.from.address));
        tx.record(&AuditEntry { at: now, action, user, address, detail })?;
        Ok(Unproven::Reused)
    }
}
