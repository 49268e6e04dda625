//! Sessions in the admin zone: reads and writes.

use super::error::StoreError;
use crate::domain::browser_session::{BrowserSession, BrowserTokenHash};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::User;

/// Reads admin sessions.
pub trait ReadAdminSessions {
    /// Returns the session and its user, in one look-up by the session's key. It checks neither whether the session has
    /// expired nor whether the user may still use the admin zone.
    fn admin_session(&self, hash: BrowserTokenHash) -> Result<Option<(BrowserSession, User)>, StoreError>;
}

/// Changes admin sessions. The store also ends them when their user's password changes, and when their user is deleted,
/// disabled or no longer a superuser.
pub trait WriteAdminSessions {
    /// Opens a session.
    fn open_admin_session(&self, hash: BrowserTokenHash, session: &BrowserSession) -> Result<(), StoreError>;
    /// Updates when the session was last used, when the password was last given, and when the session ends. An ended
    /// session stays ended.
    fn update_admin_session(&self, hash: BrowserTokenHash, session: &BrowserSession) -> Result<(), StoreError>;
    /// Ends a session. Returns false if there is none.
    fn end_admin_session(&self, hash: BrowserTokenHash) -> Result<bool, StoreError>;
    /// Ends all sessions of a user, except `except`. Returns how many.
    fn end_admin_sessions_of(&self, user: UserId, except: Option<BrowserTokenHash>) -> Result<usize, StoreError>;
    /// Ends the least recently used sessions of a user, so that at most `keep` are left. Returns how many.
    fn remove_least_recently_used_admin_sessions(&self, user: UserId, keep: u32) -> Result<usize, StoreError>;
    /// Ends all sessions of all users. Returns how many.
    fn end_all_admin_sessions(&self) -> Result<usize, StoreError>;
    /// Deletes at most `limit` sessions that expired before `before`. Returns how many.
    fn cleanup_admin_sessions(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
