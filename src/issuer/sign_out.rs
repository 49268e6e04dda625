//! Signs a user out by a refresh token: ends the session permanently.

use std::sync::Arc;

use super::context::{Caller, Issuer};
use super::end_sessions::{EndScope, end_sessions};
use super::refresh::{end_reused, record_ahead};
use super::refresh_token::PresentedRefreshToken;
use super::refusal::{Refusal, Unauthenticated};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::network::CallerNetwork;
use crate::domain::session::{EndReason, RefreshOutcome, Session};
use crate::domain::time::Timestamp;
use crate::store::{StoreError, Write};

/// A request to sign out with a refresh token.
#[derive(Debug)]
pub struct SignOutByRefresh {
    /// The presented refresh token.
    pub token: PresentedRefreshToken,
    /// The caller.
    pub from: Caller,
}

impl SignOutByRefresh {
    /// Ends the session if the token could still refresh it. A spent token counts as reuse: the session is ended, and
    /// the request is refused.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Refusal> {
        let Self { token, from } = self;
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let refresh_tokens = Arc::clone(&issuer.refresh_tokens);
        // A refusal is not an error of the transaction, because the end of a session after reuse must be committed.
        let outcome = issuer.store.write(move |tx| {
            let found = token.key().find(tx)?;
            let found = found.and_then(|(session, _)| {
                token.generation_in(&session, &refresh_tokens).map(|generation| (session, generation))
            });
            let Some((session, generation)) = found else { return Ok(Err(Unauthenticated::SessionEnded)) };
            let network = Some(CallerNetwork::of(from.address));
            match session.evaluate_refresh(generation, network, now, settings.policy_of(&session)) {
                RefreshOutcome::Advance { .. } | RefreshOutcome::Repeat(_) => end(tx, &session, from, now).map(Ok),
                RefreshOutcome::Reuse => end_reused(tx, &session, generation, from, now).map(Err),
                RefreshOutcome::Ahead => record_ahead(tx, &session, generation, from, now).map(Err),
                RefreshOutcome::Rejected => Ok(Err(Unauthenticated::SessionEnded)),
            }
        });
        let outcome: Result<Result<bool, Unauthenticated>, StoreError> = outcome.await;
        let ended = outcome.map_err(Refusal::from).and_then(|ended| Ok(ended?));
        issuer.counted_ended(usize::from(ended.inspect_err(|refusal| issuer.count_refused(refusal))?));
        Ok(())
    }
}

/// Ends a session and records it in the audit log. Returns false if it had ended before.
pub(super) fn end(tx: &dyn Write, session: &Session, from: Caller, now: Timestamp) -> Result<bool, StoreError> {
    let ended = end_sessions(tx, EndScope::One(session.id), EndReason::SignOut, now)? == 1;
    if ended {
        let detail = session.id.to_string();
        tx.record(&AuditEntry::by_user(now, Action::SignedOut, session.user, from.address, detail))?;
    }
    Ok(ended)
}
