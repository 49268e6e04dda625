//! Sessions in the admin zone, as the store is asked for them.

use super::StoreError;
use crate::domain::admin_session::{AdminHash, AdminSession};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::User;

/// Asking for admin sessions.
pub trait ReadAdminSessions {
    /// The session and its user, in one look-up by the session's key. Whether they may still do anything is not asked.
    fn admin_session(&self, hash: AdminHash) -> Result<Option<(AdminSession, User)>, StoreError>;
}

/// Changing admin sessions. They also end with their user's password, with their user, and when the user is disabled or no
/// superuser any more.
pub trait WriteAdminSessions {
    /// Opens a session.
    fn open_admin_session(&self, hash: AdminHash, session: &AdminSession) -> Result<(), StoreError>;
    /// Sets when somebody was seen in a session, when it was proven, and its end. One that has ended stays so.
    fn update_admin_session(&self, hash: AdminHash, session: &AdminSession) -> Result<(), StoreError>;
    /// Ends a session. False where there is none.
    fn end_admin_session(&self, hash: AdminHash) -> Result<bool, StoreError>;
    /// Ends all of a user's but one. How many.
    fn end_admin_sessions_of(&self, user: UserId, except: Option<AdminHash>) -> Result<usize, StoreError>;
    /// Forgets at most `limit` sessions whose end lies before `before`. How many.
    fn cleanup_admin_sessions(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
