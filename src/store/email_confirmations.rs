//! Confirmations of e-mail addresses: reads and writes. The store receives only the hashes of the links.

use super::error::StoreError;
use super::reset_codes::CodeHash;
use crate::domain::email_confirmation::EmailConfirmation;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// Reads confirmations.
pub trait ReadEmailConfirmations {
    /// Returns the confirmation with this link, if the link is valid at `now` and the user is active.
    fn email_confirmation(&self, hash: CodeHash, now: Timestamp) -> Result<Option<EmailConfirmation>, StoreError>;
    /// Returns the confirmation of a user, if its link is valid at `now`.
    fn email_confirmation_of(&self, user: UserId, now: Timestamp) -> Result<Option<EmailConfirmation>, StoreError>;
    /// Whether the user was [obliged](WriteEmailConfirmations::require_email_confirmation) to confirm the address and
    /// has not done so. False for a user without an address.
    fn must_confirm_email(&self, user: UserId) -> Result<bool, StoreError>;
}

/// Changes confirmations.
///
/// [`set_email`](super::WriteUsers::set_email) and [`remove_email`](super::WriteUsers::remove_email) delete the user's
/// confirmation. [`set_password`](super::WriteUsers::set_password), [`set_active`](super::WriteUsers::set_active) and
/// superuser rights delete a requested change. [`verify_email`](super::WriteUsers::verify_email) deletes the
/// confirmation of the verified address.
pub trait WriteEmailConfirmations {
    /// Stores a confirmation and replaces an earlier one of the same user.
    fn put_email_confirmation(&self, confirmation: &EmailConfirmation, hash: CodeHash) -> Result<(), StoreError>;
    /// Deletes the user's confirmation if it would change the address. Returns whether there was one.
    fn cancel_email_change(&self, user: UserId) -> Result<bool, StoreError>;
    /// Obliges a user to confirm the address. The obligation ends when an address of the user is verified.
    fn require_email_confirmation(&self, user: UserId) -> Result<(), StoreError>;
    /// Deletes all confirmations. Returns how many. Obligations stay.
    fn delete_all_email_confirmations(&self) -> Result<usize, StoreError>;
    /// Deletes at most `limit` confirmations whose links expired before `now`. Returns how many.
    fn cleanup_email_confirmations(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
