//! Released user names that are kept from new registrations: reads and writes.

use super::error::StoreError;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::Username;

/// Reads kept names.
pub trait ReadKeptNames {
    /// Whether the name is kept at `now` because a user other than `user` had it.
    fn is_name_kept(&self, name: &Username, user: Option<UserId>, now: Timestamp) -> Result<bool, StoreError>;
}

/// Changes kept names.
pub trait WriteKeptNames {
    /// Keeps a name that `user` had, until a time. Replaces an earlier time.
    fn keep_name(&self, name: &Username, user: UserId, until: Timestamp) -> Result<(), StoreError>;
    /// Deletes at most `limit` names that were kept until before `now`. Returns how many.
    fn cleanup_kept_names(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError>;
}
