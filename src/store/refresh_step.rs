//! A refresh of a session: how the store finds the session, and what it does with it.
//!
//! The refresh has its own entry, [`Store::refresh_session`](super::Store::refresh_session), because it is the most
//! frequent write. A backend reads the session, lets the caller decide, and makes one conditional update.

use super::error::StoreError;
use super::sessions::{ReadSessions, SessionAdvance};
use super::transaction::Write;
use crate::domain::id::{SessionId, SessionPrefix};
use crate::domain::session::Session;
use crate::domain::user::User;

/// Names a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKey {
    /// The session with this id.
    Id(SessionId),
    /// The session whose id starts with these bytes.
    Prefix(SessionPrefix),
}

impl SessionKey {
    /// Reads the session and its user; `None` if there is no such session.
    pub fn find(self, tx: &(impl ReadSessions + ?Sized)) -> Result<Option<(Session, User)>, StoreError> {
        match self {
            Self::Id(id) => tx.session(id),
            Self::Prefix(prefix) => tx.session_by_prefix(prefix),
        }
    }
}

/// A write that a refresh needs instead of advancing the session.
pub type RefreshWrite<T> = Box<dyn Fn(&dyn Write) -> Result<T, StoreError> + Send>;

/// What to do with the session that was read, and the result of the refresh.
pub enum RefreshStep<T> {
    /// Advances the session. The value is the result if the session is still as it was read; otherwise the store reads
    /// it and decides again.
    Advance(SessionAdvance, T),
    /// Changes nothing: a retry within the grace period, or a refusal.
    Unchanged(T),
    /// Runs a write. It may run in a later transaction, so it reads again what it depends on.
    Write(RefreshWrite<T>),
}
