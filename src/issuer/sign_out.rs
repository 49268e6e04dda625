//! Signing out by a refresh token: the session ends, and stays ended.

use super::refresh::end_reused;
use super::refresh_token::PresentedRefreshToken;
use super::refusal::Unauthenticated;
use super::{Caller, Issuer, Refusal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::session::{EndReason, RefreshOutcome, Session};
use crate::domain::time::Timestamp;
use crate::store::{StoreError, Write};

/// A user signs out with a refresh token.
#[derive(Debug)]
pub struct SignOutByRefresh {
    /// The token.
    pub token: PresentedRefreshToken,
    /// From where.
    pub from: Caller,
}

impl SignOutByRefresh {
    /// Ends the session, if the token would still refresh it. A spent one ends it as reuse, and is refused.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Refusal> {
        let Self { token, from } = self;
        let now = issuer.clock.now();
        let settings = issuer.settings();
        // A refusal is no error in the transaction: the end of a session whose spent token came back is committed.
        let left = issuer.store.write(move |tx| {
            let Some((session, _)) = token.session(tx)? else { return Ok(Err(Unauthenticated::SessionEnded)) };
            match session.evaluate_refresh(token.generation(), now, &settings.profile(session.dialect).refresh) {
                RefreshOutcome::Advance { .. } | RefreshOutcome::Repeat => end(tx, &session, from, now).map(Ok),
                RefreshOutcome::Reuse => end_reused(tx, &session, token.generation(), from, now).map(Err),
                RefreshOutcome::Dead => Ok(Err(Unauthenticated::SessionEnded)),
            }
        });
        let left: Result<Result<bool, Unauthenticated>, StoreError> = left.await;
        let ended = left.map_err(Refusal::from).and_then(|left| Ok(left?));
        issuer.counted_ended(usize::from(ended.inspect_err(|refusal| issuer.counted_refused(refusal))?));
        Ok(())
    }
}

/// Ends a session and records it. False if it had ended before.
pub(super) fn end(tx: &dyn Write, session: &Session, from: Caller, now: Timestamp) -> Result<bool, StoreError> {
    let ended = tx.end_session(session.id, now, EndReason::SignOut)?;
    if ended {
        let user = Some(session.user);
        let address = Some(from.address);
        let detail = session.id.to_string();
        tx.record(&AuditEntry { at: now, action: Action::SignedOut, user, actor: None, address, detail })?;
    }
    Ok(ended)
}
