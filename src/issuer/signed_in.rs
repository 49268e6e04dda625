//! The proof that somebody was recognised. Every way of being recognised ends in it, and only it can be turned into
//! tokens.

use crate::domain::session::Session;
use crate::domain::user::User;

/// A user in a live session. Only the use cases of this folder can make one.
#[derive(Clone, Debug)]
pub struct SignedIn {
    user: User,
    session: Session,
}

impl SignedIn {
    /// To be called by what has just checked a password, a live session or a provider's word, and by nothing else.
    pub(super) fn proven(user: User, session: Session) -> Self {
        Self { user, session }
    }

    /// Who.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// In which session.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
