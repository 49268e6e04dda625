//! The proof that a user was authenticated, or that an operator opened a session for the user. Tokens are minted only
//! from it.

use super::refusal::Unauthenticated;
use crate::domain::dialect::{Dialect, RefreshStyle};
use crate::domain::origin::Origin;
use crate::domain::session::Session;
use crate::domain::user::User;

/// An authenticated user and the user's live session. Only the use cases in this folder can create one.
#[derive(Clone, Debug)]
pub struct SignedIn {
    user: User,
    session: Session,
}

impl SignedIn {
    /// Creates the proof. Call it only after a password, a live session or a provider's response was checked, or at the
    /// request of an operator.
    pub(super) fn authenticated(user: User, session: Session) -> Self {
        Self { user, session }
    }

    /// The user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Checks that the session may change the account through `dialect`. This must be the session's own dialect, or
    /// both dialects must be self-renewing. Otherwise a resource server of one dialect could use a received token to
    /// change the account through another.
    pub(super) fn may_act_in(&self, dialect: Dialect) -> Result<(), Unauthenticated> {
        let opened_by = self.session.opened_by;
        let both_renew = [opened_by.refresh_style(), dialect.row().refresh] == [RefreshStyle::SelfRenewing; 2];
        if opened_by == Origin::Dialect(dialect) || both_renew { Ok(()) } else { Err(Unauthenticated::OtherDialect) }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
