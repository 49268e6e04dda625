//! Refreshing a session by a refresh token that was opened: one conditional update of the session's row.

use super::refresh_token::PresentedRefreshToken;
use super::refusal::Unauthenticated;
use super::signed_in::SignedIn;
use super::{Caller, Issuer, Refusal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::session::{EndReason, RefreshOutcome, Session};
use crate::domain::time::Timestamp;
use crate::store::{StoreError, Write};

/// Somebody presents a refresh token.
#[derive(Debug)]
pub struct Refresh {
    /// The token.
    pub token: PresentedRefreshToken,
    /// From where.
    pub from: Caller,
}

/// What the transaction came to. A token that proves nothing is no error *in* it: where it was a spent one, the
/// session's end must be committed, not undone.
type RefreshResult = Result<SignedIn, Unauthenticated>;

impl Refresh {
    /// Moves the session on, answers a retry as before, or ends a session whose spent token came back.
    pub async fn run(self, issuer: &Issuer) -> Result<SignedIn, Refusal> {
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let Self { token, from } = self;
        let outcome = issuer.store.write_last(move |tx| {
            let Some((session, user)) = token.session(tx)? else { return Ok(Err(Unauthenticated::SessionEnded)) };
            let policy = settings.profile(session.dialect).refresh;
            match session.evaluate_refresh(token.generation(), now, &policy) {
                _ if !user.is_active => Ok(Err(Unauthenticated::SessionEnded)),
                RefreshOutcome::Advance { to, expires_at, spends } => {
                    let moved = tx.advance_session(&session, to, now, expires_at, spends)?;
                    let rotated_at = if to == session.generation { session.rotated_at } else { now };
                    let session = Session { generation: to, rotated_at, expires_at, ..session };
                    Ok(if moved {
                        Ok(SignedIn::authenticated(user, session))
                    } else {
                        Err(Unauthenticated::SessionEnded)
                    })
                }
                RefreshOutcome::Repeat => Ok(Ok(SignedIn::authenticated(user, session))),
                // Two changes, the last deeds all the same: should the second fail, neither is kept.
                RefreshOutcome::Reuse => end_reused(tx, &session, token.generation(), from, now).map(Err),
                RefreshOutcome::Dead => Ok(Err(Unauthenticated::SessionEnded)),
            }
        });
        let outcome: Result<RefreshResult, StoreError> = outcome.await;
        issuer.counted_refresh(outcome.map_err(Refusal::from).and_then(|moved| Ok(moved?)))
    }
}

/// Ends a session whose spent token came back.
pub(super) fn end_reused(
    tx: &dyn Write,
    session: &Session,
    generation: u32,
    from: Caller,
    now: Timestamp,
) -> Result<Unauthenticated, StoreError> {
    tx.end_session(session.id, now, EndReason::Reuse)?;
    let detail = format!("generation {generation} of session {} (now {})", session.id, session.generation);
    let action = Action::RefreshReused;
    let user = Some(session.user);
    let address = Some(from.address);
    tx.record(&AuditEntry { at: now, action, user, actor: None, address, detail })?;
    Ok(Unauthenticated::Reused)
}
