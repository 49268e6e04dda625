//! Refreshes a session with a verified refresh token: one conditional update of the session's row.

use std::sync::Arc;
use std::time::Duration;

use super::context::{Caller, Issuer};
use super::end_sessions::{EndScope, end_sessions};
use super::refresh_token::PresentedRefreshToken;
use super::refusal::{Refusal, Unauthenticated};
use super::signed_in::SignedIn;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::RefreshStyle;
use crate::domain::network::CallerNetwork;
use crate::domain::refresh_key::RefreshKey;
use crate::domain::session::{EndReason, RefreshOutcome, Repeat, Session};
use crate::domain::time::Timestamp;
use crate::random::Random;
use crate::store::{AuditQuery, RefreshStep, SessionAdvance, StoreError, Write};

/// How many audit lines about a user are searched for an equal line about a token that is ahead of its session, and how
/// far back.
const SEARCHED_LINES: u32 = 20;
const SEARCHED_TIME: Duration = Duration::from_hours(24);

/// A request to refresh a session.
#[derive(Debug)]
pub struct Refresh {
    /// The presented refresh token.
    pub token: PresentedRefreshToken,
    /// The caller.
    pub from: Caller,
}

/// A refreshed session.
#[derive(Debug)]
pub struct Refreshed {
    /// The user and the session.
    pub signed_in: SignedIn,
    /// Whether the session's refresh tokens rotate, so that the response must contain the current one.
    pub rotated: bool,
}

/// The result of the transaction. A rejected token is not an error of the transaction: after reuse, the end of the
/// session must be committed and not rolled back.
type RefreshResult = Result<Refreshed, Unauthenticated>;

impl Refresh {
    /// Advances the session, repeats the previous result for a retry, or ends the session if its token was reused.
    pub async fn run(self, issuer: &Issuer) -> Result<Refreshed, Refusal> {
        let now = issuer.clock.now();
        let settings = issuer.settings();
        let random = issuer.random.clone();
        let refresh_tokens = Arc::clone(&issuer.refresh_tokens);
        let Self { token, from } = self;
        let outcome = issuer.store.refresh_session(token.key(), move |found| {
            let rejected = RefreshStep::Unchanged(Err(Unauthenticated::SessionEnded));
            let Some((session, user)) = found.filter(|(_, user)| user.is_active) else { return rejected };
            let Some(generation) = token.generation_in(&session, &refresh_tokens) else { return rejected };
            let policy = settings.policy_of(&session);
            let refreshed = |user, session| {
                let signed_in = SignedIn::authenticated(user, session);
                Refreshed { signed_in, rotated: policy.rotate }
            };
            let network = CallerNetwork::of(from.address);
            match session.evaluate_refresh(generation, Some(network), now, policy) {
                RefreshOutcome::Advance { to, expires_at, invalidates_earlier } => {
                    let new_refresh_key = missing_key(&session, to, &random);
                    let from = Some(network);
                    let advance = SessionAdvance { to, now, from, expires_at, invalidates_earlier, new_refresh_key };
                    let refresh_key = new_refresh_key.or(session.refresh_key);
                    let rotated_at = if to == session.generation { session.rotated_at } else { now };
                    let session =
                        Session { generation: to, rotated_at, used_at: now, expires_at, refresh_key, ..session };
                    RefreshStep::Advance(advance, Ok(refreshed(user, session)))
                }
                RefreshOutcome::Repeat(Repeat::StillValid) => RefreshStep::Unchanged(Ok(refreshed(user, session))),
                RefreshOutcome::Repeat(repeat) => {
                    let rotated = policy.rotate;
                    RefreshStep::Write(Box::new(move |tx| {
                        record_repeat(tx, &session, repeat, from, now)?;
                        let signed_in = SignedIn::authenticated(user.clone(), session.clone());
                        Ok(Ok(Refreshed { signed_in, rotated }))
                    }))
                }
                RefreshOutcome::Reuse => {
                    RefreshStep::Write(Box::new(move |tx| end_reused(tx, &session, generation, from, now).map(Err)))
                }
                RefreshOutcome::Ahead => {
                    RefreshStep::Write(Box::new(move |tx| record_ahead(tx, &session, generation, from, now).map(Err)))
                }
                RefreshOutcome::Rejected => rejected,
            }
        });
        let outcome: Result<RefreshResult, StoreError> = outcome.await;
        issuer.counted_refresh(outcome.map_err(Refusal::from).and_then(|refreshed| Ok(refreshed?)))
    }
}

/// A key for a session that needs one and was opened before sessions had keys. `None` if the session needs none, or if
/// its generation does not change: the refresh UUID of a generation never changes.
fn missing_key(session: &Session, to: u32, random: &Random) -> Option<RefreshKey> {
    let needs_key = session.refresh_key.is_none()
        && to != session.generation
        && session.opened_by.refresh_style() == RefreshStyle::Uuid;
    needs_key.then(|| RefreshKey::new(random.bytes(), to))
}

/// Counts a repeat, and records it in the audit log if another network than the one that rotated the token made it.
fn record_repeat(
    tx: &dyn Write,
    session: &Session,
    repeat: Repeat,
    from: Caller,
    now: Timestamp,
) -> Result<(), StoreError> {
    let from_other_network = repeat == Repeat::OtherNetwork;
    if !tx.count_repeat(session, from_other_network)? {
        return Err(StoreError::Unavailable("the session was refreshed at the same time".to_owned()));
    }
    if !from_other_network {
        return Ok(());
    }
    let rotated_from = session.repeats.rotated_from.map(|network| format!("; rotated from {network}"));
    let detail =
        format!("generation {} of session {}{}", session.generation, session.id, rotated_from.unwrap_or_default());
    let action = Action::RefreshRepeatedElsewhere;
    tx.record(&AuditEntry::by_user(now, action, session.user, from.address, detail))
}

/// Ends a session because its spent refresh token was presented again. Records nothing if another request has ended it
/// meanwhile.
pub(super) fn end_reused(
    tx: &dyn Write,
    session: &Session,
    generation: u32,
    from: Caller,
    now: Timestamp,
) -> Result<Unauthenticated, StoreError> {
    if end_sessions(tx, EndScope::One(session.id), EndReason::Reuse, now)? == 0 {
        return Ok(Unauthenticated::SessionEnded);
    }
    let detail = format!("generation {generation} of session {} (now {})", session.id, session.generation);
    tx.record(&AuditEntry::by_user(now, Action::RefreshReused, session.user, from.address, detail))?;
    Ok(Unauthenticated::Reused)
}

/// Records an authentic refresh token of a generation that its session has not reached. Equal lines are recorded once
/// a day, so that a client that retries does not fill the audit log. The session stays as it is: after a restore of an older
/// database, the presenter may be its owner.
pub(super) fn record_ahead(
    tx: &dyn Write,
    session: &Session,
    generation: u32,
    from: Caller,
    now: Timestamp,
) -> Result<Unauthenticated, StoreError> {
    let detail = format!("generation {generation} of session {} (now {})", session.id, session.generation);
    let action = Action::RefreshAhead;
    let query = AuditQuery {
        user: Some(session.user),
        action: Some(action),
        from: Some(now - SEARCHED_TIME),
        limit: SEARCHED_LINES,
        ..AuditQuery::default()
    };
    if !tx.audit_page(&query)?.lines.iter().any(|line| line.detail == detail) {
        tx.record(&AuditEntry::by_user(now, action, session.user, from.address, detail))?;
    }
    Ok(Unauthenticated::Ahead { session: session.id, generation, current: session.generation })
}
