//! Reset codes, as the store is asked for them. It sees hashes alone.

use super::StoreError;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// A keyed hash of a reset code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeHash(pub [u8; 32]);

/// Asking for reset codes.
pub trait ReadResetCodes {
    /// Whose code it is, if it is good at `now` and its owner active.
    fn reset_code_owner(&self, hash: CodeHash, now: Timestamp) -> Result<Option<UserId>, StoreError>;
}

/// Changing reset codes.
pub trait WriteResetCodes {
    /// Keeps a code for a user in place of any earlier one.
    fn put_reset_code(&self, user: UserId, hash: CodeHash, expires_at: Timestamp) -> Result<(), StoreError>;
    /// Uses a code up: whose it was, if it was good at `now` and its owner active. A second call finds nothing.
    fn take_reset_code(&self, hash: CodeHash, now: Timestamp) -> Result<Option<UserId>, StoreError>;
    /// Forgets at most `limit` codes that expired before `now`. How many.
    fn cleanup_reset_codes(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
