//! Whether a session may change the sign-in methods of its user.

use crate::domain::dialect::Dialect;
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::issuer::refusal::{Refusal, Unauthenticated};
use crate::issuer::signed_in::SignedIn;
use crate::store::Read;

/// Checks that the session may change the user's sign-in methods. A token that resource servers of another dialect
/// receive must not allow this.
pub fn may_change_sign_in_methods(signed_in: &SignedIn) -> Result<(), Unauthenticated> {
    signed_in.may_act_in(Dialect::RestSocial)
}

/// Returns the user of a live session. Call it in the write transaction: the session may have ended during the request
/// to the provider, and an ended session must not change anything.
pub fn live_user(tx: &dyn Read, session: SessionId, now: Timestamp) -> Result<User, Refusal> {
    let live = tx.session(session)?.filter(|(session, user)| session.is_live(now) && user.is_active);
    live.map(|(_, user)| user).ok_or_else(|| Unauthenticated::SessionEnded.into())
}
