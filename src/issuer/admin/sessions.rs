//! Lists sessions, and ends one.

use crate::domain::audit::{Action, Operator};
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::{EndReason, Session};
use crate::issuer::context::Issuer;
use crate::issuer::denied::{Denied, OperatorRule};
use crate::issuer::end_sessions::{EndScope, end_sessions};
use crate::issuer::refusal::Refusal;
use crate::store::{SessionPage, SessionQuery};

/// Returns a page of the live sessions, newest first.
pub async fn page(issuer: &Issuer, query: SessionQuery) -> Result<SessionPage, Refusal> {
    let now = issuer.clock.now();
    let settings = issuer.settings();
    let mut page: SessionPage = issuer.store.read(move |tx| tx.session_page(&query, now)).await?;
    page.sessions.retain(|(session, _)| session.is_live(now, settings.policy_of(session)));
    Ok(page)
}

/// Returns the live sessions of a user, newest first, at most 1000.
pub async fn live_sessions_of(issuer: &Issuer, user: UserId) -> Result<Vec<Session>, Refusal> {
    let now = issuer.clock.now();
    let settings = issuer.settings();
    let mut sessions: Vec<Session> = issuer.store.read(move |tx| tx.sessions_of(user, now)).await?;
    sessions.retain(|session| session.is_live(now, settings.policy_of(session)));
    Ok(sessions)
}

/// An operator's request to end one session.
#[derive(Debug)]
pub struct EndSession {
    /// The session.
    pub id: SessionId,
    /// The operator.
    pub by: Operator,
}

impl EndSession {
    /// Ends the session. Its refresh tokens are rejected from now on; its access tokens stay valid until they expire.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Denied> {
        let now = issuer.clock.now();
        let ended = issuer.store.write(move |tx| {
            let (session, _) = tx.session(self.id)?.ok_or(OperatorRule::NoSession)?;
            if end_sessions(tx, EndScope::One(self.id), EndReason::Operator, now)? == 0 {
                return Err(OperatorRule::NoSession.into());
            }
            let entry = self.by.entry(now, Action::SessionsEnded, Some(session.user), self.id.to_string());
            Ok::<(), Denied>(tx.record(&entry)?)
        });
        ended.await.inspect(|()| issuer.counted_ended(1))
    }
}
