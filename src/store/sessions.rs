//! Sessions, as the store is asked for them.

use super::StoreError;
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::domain::user::User;

/// A keyed hash of a refresh token that names no session itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshHash(pub [u8; 32]);

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
    /// The session and generation that a refresh token kept by its hash stands for, spent or not.
    fn refresh_by_hash(&self, hash: RefreshHash) -> Result<Option<(SessionId, u32)>, StoreError>;
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
    /// Moves a session on from the generation it was seen at: generation, rotation date (where the generation changes)
    /// and end, in one update on the condition that generation is still `from` and the session has not been ended. False where it isn't so.
    fn advance_session(
        &self,
        id: SessionId,
        from: u32,
        to: u32,
        now: Timestamp,
        expires_at: Timestamp,
        spends: bool,
    ) -> Result<bool, StoreError>;
    /// Keeps by its hash the refresh token of a session's generation, for as long as the session is remembered.
    ///
    /// A session's thousand newest generations are kept: an older token opens nothing either way.
    fn keep_refresh(&self, hash: RefreshHash, session: SessionId, generation: u32) -> Result<(), StoreError>;
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
    /// Forgets at most `limit` hashes of refresh tokens whose session's end by expiry lies before `before`. How many.
    fn sweep_refresh_hashes(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
    /// Forgets at most `limit` sessions whose end by expiry lies before `before` and whose refresh tokens are forgotten:
    /// a slice of a few sessions must not turn out to be one of a million hashes. How many.
    fn sweep_sessions(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
