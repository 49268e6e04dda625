//! Sessions, as the store is asked for them.

use super::StoreError;
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, SessionPrefix, UserId};
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::domain::user::User;

/// A place among sessions: the one it goes on after, towards older ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCursor {
    /// When that session was opened.
    pub opened_at: Timestamp,
    /// Which of that second's.
    pub id: SessionId,
}

/// Which live sessions; what is None narrows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionQuery {
    /// Whose.
    pub user: Option<UserId>,
    /// Opened in which dialect.
    pub dialect: Option<Dialect>,
    /// Where the page before ended.
    pub after: Option<SessionCursor>,
    /// At most this many.
    pub limit: u32,
}

/// A page of sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionPage {
    /// Newest first, each with its user. They may be fewer than asked for although there are more: one call looks at so
    /// many sessions only.
    pub sessions: Vec<(Session, User)>,
    /// Where the next page begins; None at the end.
    pub next: Option<SessionCursor>,
}

/// Asking for sessions.
pub trait ReadSessions {
    /// The session and its user, in one look-up by the session's key.
    fn session(&self, id: SessionId) -> Result<Option<(Session, User)>, StoreError>;
    /// The same by what a session's id begins with.
    fn session_by_prefix(&self, prefix: SessionPrefix) -> Result<Option<(Session, User)>, StoreError>;
    /// A user's sessions that are live at `now`, newest first, at most 1000.
    fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError>;
    /// A page of the sessions that are live at `now`, newest first.
    fn session_page(&self, query: &SessionQuery, now: Timestamp) -> Result<SessionPage, StoreError>;
    /// Whether any session of a dialect is remembered, live or ended.
    fn any_session(&self, dialect: Dialect) -> Result<bool, StoreError>;
    /// When the oldest session of a dialect that is live at `now` was opened.
    fn oldest_opening(&self, dialect: Dialect, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;
}

/// Changing sessions.
pub trait WriteSessions {
    /// Opens a session.
    fn open_session(&self, session: &Session) -> Result<(), StoreError>;
    /// Moves a session on from how it was seen: generation, rotation date (where the generation changes) and end, in one
    /// update on the condition that it is still at the generation it was seen at and has not been ended. False where it
    /// isn't so.
    fn advance_session(
        &self,
        seen: &Session,
        to: u32,
        now: Timestamp,
        expires_at: Timestamp,
        spends: bool,
    ) -> Result<bool, StoreError>;
    /// Ends a session; one that has ended before stays as it ended. False where nothing was live.
    fn end_session(&self, id: SessionId, now: Timestamp, reason: EndReason) -> Result<bool, StoreError>;
    /// Ends all live sessions of a user but one. How many.
    fn end_sessions_of(
        &self,
        user: UserId,
        except: Option<SessionId>,
        now: Timestamp,
        reason: EndReason,
    ) -> Result<usize, StoreError>;
    /// Marks the user's session as one opened with the present, no longer temporary, password.
    fn clear_must_change(&self, id: SessionId) -> Result<(), StoreError>;
    /// Forgets at most `limit` sessions whose end by expiry lies on a day (UTC) before that of `before`. How many.
    fn cleanup_sessions(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
