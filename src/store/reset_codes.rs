//! Reset codes: reads and writes. The store receives only their hashes.

use super::error::StoreError;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// A keyed hash of a reset code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeHash(pub [u8; 32]);

/// Reads reset codes.
pub trait ReadResetCodes {
    /// Returns the owner of a code, if the code is valid at `now` and the owner is active.
    fn reset_code_owner(&self, hash: CodeHash, now: Timestamp) -> Result<Option<UserId>, StoreError>;
}

/// Changes reset codes.
pub trait WriteResetCodes {
    /// Stores a code for a user and replaces an earlier one.
    fn put_reset_code(&self, user: UserId, hash: CodeHash, expires_at: Timestamp) -> Result<(), StoreError>;
    /// Uses a code: deletes it and returns its owner, if it was valid at `now` and its owner is active. A second call
    /// returns `None`.
    fn use_reset_code(&self, hash: CodeHash, now: Timestamp) -> Result<Option<UserId>, StoreError>;
    /// Deletes all codes. Returns how many.
    fn delete_all_reset_codes(&self) -> Result<usize, StoreError>;
    /// Deletes at most `limit` codes that expired before `now`. Returns how many.
    fn cleanup_reset_codes(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
