//! Whether a session may change the sign-in methods of its user.

use crate::domain::dialect::Dialect;
use crate::issuer::refusal::Unauthenticated;
use crate::issuer::signed_in::SignedIn;

/// Checks that the session may change the user's sign-in methods. A token that resource servers of another dialect
/// receive must not allow this.
pub fn may_change_sign_in_methods(signed_in: &SignedIn) -> Result<(), Unauthenticated> {
    signed_in.may_act_in(Dialect::RestSocial)
}
