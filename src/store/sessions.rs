//! Sessions: reads and writes.

use super::error::StoreError;
use crate::domain::id::{SessionId, SessionPrefix, UserId};
use crate::domain::network::CallerNetwork;
use crate::domain::origin::Origin;
use crate::domain::refresh_key::RefreshKey;
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::domain::user::User;

/// A position in a list of sessions. The next page starts after this session, with older sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCursor {
    /// When the session was opened.
    pub opened_at: Timestamp,
    /// The session's id, which orders sessions opened in the same second.
    pub id: SessionId,
}

/// A filter for live sessions. A filter that is `None` matches all sessions.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionQuery {
    /// Only sessions of this user.
    pub user: Option<UserId>,
    /// Only sessions of this origin.
    pub opened_by: Option<Origin>,
    /// The position at which the previous page ended; `None` for the first page.
    pub after: Option<SessionCursor>,
    /// The maximum number of sessions.
    pub limit: u32,
}

/// A page of sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionPage {
    /// The sessions with their users, newest first. A page may have fewer than `limit` sessions although more follow,
    /// because one call examines a limited number of sessions.
    pub sessions: Vec<(Session, User)>,
    /// The position after which the next page starts; `None` at the end.
    pub next: Option<SessionCursor>,
}

/// The state of a session that a change is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenSession {
    /// The session's id.
    pub id: SessionId,
    /// The generation that was read.
    pub generation: u32,
    /// The expiry that was read.
    pub expires_at: Timestamp,
}

impl From<&Session> for SeenSession {
    fn from(session: &Session) -> Self {
        let Session { id, generation, expires_at, .. } = *session;
        Self { id, generation, expires_at }
    }
}

/// A change that continues a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionAdvance {
    /// The new generation; the seen one if the refresh token is not rotated.
    pub to: u32,
    /// The time of the change. If the generation changes, it becomes the rotation date.
    pub now: Timestamp,
    /// The network of the caller. If the generation changes, it becomes the network that rotated, and its repeats start
    /// at 0.
    pub from: Option<CallerNetwork>,
    /// The new expiry.
    pub expires_at: Timestamp,
    /// Whether the generations before `to` become invalid.
    pub invalidates_earlier: bool,
    /// The key that a session without one gets; `None` if the session keeps what it has.
    pub new_refresh_key: Option<RefreshKey>,
}

/// Reads sessions.
pub trait ReadSessions {
    /// Returns a session and its user, in one look-up by the session's key.
    fn session(&self, id: SessionId) -> Result<Option<(Session, User)>, StoreError>;
    /// Returns a session and its user by the first bytes of the session id.
    fn session_by_prefix(&self, prefix: SessionPrefix) -> Result<Option<(Session, User)>, StoreError>;
    /// Returns the user's sessions that are live at `now`, newest first, at most 1000.
    fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError>;
    /// Returns a page of the sessions that are live at `now`, newest first.
    fn session_page(&self, query: &SessionQuery, now: Timestamp) -> Result<SessionPage, StoreError>;
    /// Whether any session of an origin is stored, live or ended.
    fn any_session(&self, opened_by: Origin) -> Result<bool, StoreError>;
    /// Returns when the oldest session of an origin that is live at `now` was opened; `None` if there is none.
    fn oldest_live_session_opened_at(&self, opened_by: Origin, now: Timestamp)
    -> Result<Option<Timestamp>, StoreError>;
}

/// Changes sessions.
pub trait WriteSessions {
    /// Removes the least recently used sessions of a user that were not ended, expired ones first, so that at most `keep`
    /// are left. If a user has thousands of them, one call removes only some. Returns how many unexpired sessions were
    /// removed.
    fn remove_least_recently_used(&self, user: UserId, keep: u32, now: Timestamp) -> Result<usize, StoreError>;
    /// Opens a session.
    fn open_session(&self, session: &Session) -> Result<(), StoreError>;
    /// Atomically advances a session, but only if it still has the generation in `seen` and was not ended. Returns
    /// false if nothing was changed.
    fn advance_session(&self, seen: SeenSession, advance: SessionAdvance) -> Result<bool, StoreError>;
    /// Counts a repeat of the last rotation, by the network that rotated or by another one, but only if the session
    /// still has the generation and the counts of `seen` and was not ended. Returns false if nothing was changed.
    fn count_repeat(&self, seen: &Session, from_other_network: bool) -> Result<bool, StoreError>;
    /// Ends a session. Changes nothing and returns false if the session has already ended or expired, or does not
    /// exist.
    fn end_session(&self, id: SessionId, now: Timestamp, reason: EndReason) -> Result<bool, StoreError>;
    /// Ends all live sessions of a user, except `except`. Returns how many. Changes at most 1000 rows; if the user has
    /// more sessions, from a database of before the limit, a number in the user's row marks the others as ended and is
    /// not part of the result.
    fn end_sessions_of(
        &self,
        user: UserId,
        except: Option<SessionId>,
        now: Timestamp,
        reason: EndReason,
    ) -> Result<usize, StoreError>;
    /// Ends all live sessions of all users. Returns how many.
    fn end_all_sessions(&self, now: Timestamp, reason: EndReason) -> Result<usize, StoreError>;
    /// Deletes at most `limit` sessions that expired on a day (UTC) before the day of `before`. Returns how many.
    fn cleanup_sessions(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
