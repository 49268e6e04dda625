//! The proof that somebody was recognised. Every way of being recognised ends in it, and only it can be turned into
//! tokens.

use super::refusal::Unauthenticated;
use crate::domain::dialect::Dialect;
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
    pub(super) fn authenticated(user: User, session: Session) -> Self {
        Self { user, session }
    }

    /// Who.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Whether the session may change the account in a dialect: in its own, or where both dialects' tokens are of one
    /// kind. A token that resource servers of another one see must not open the account to them.
    pub(super) fn may_act_in(&self, dialect: Dialect) -> Result<(), Unauthenticated> {
        let opened_in = self.session.dialect;
        let alike = opened_in.is_self_renewing() && dialect.is_self_renewing();
        if opened_in == dialect || alike { Ok(()) } else { Err(Unauthenticated::OtherDialect) }
    }

    /// In which session.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
