//! Ends sessions before they expire: the only place that does, for every reason.

use crate::domain::id::{SessionId, UserId};
use crate::domain::session::EndReason;
use crate::domain::time::Timestamp;
use crate::store::{StoreError, Write};

/// Which sessions end.
#[derive(Clone, Copy, Debug)]
pub(super) enum EndScope {
    /// One session.
    One(SessionId),
    /// All sessions of a user, except `except`.
    OfUser {
        /// The user.
        user: UserId,
        /// The session that stays live.
        except: Option<SessionId>,
    },
}

/// Ends the live sessions in `scope`. Returns how many; the caller counts them after the commit.
pub(super) fn end_sessions(
    tx: &dyn Write,
    scope: EndScope,
    reason: EndReason,
    now: Timestamp,
) -> Result<usize, StoreError> {
    match scope {
        EndScope::One(id) => Ok(usize::from(tx.end_session(id, now, reason)?)),
        EndScope::OfUser { user, except } => tx.end_sessions_of(user, except, now, reason),
    }
}
