//! Identifiers: integer ids, which other systems store as foreign keys, and UUIDs, which never change.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user's integer id (`user_id`). An import keeps it, so that foreign keys in other systems stay valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub i64);

/// A user's UUID (`sub`). It never changes and is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(pub Uuid);

/// The UUID of a session (`sid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

/// The first 8 bytes of a session's id, by which the store finds the session. In a version 4 UUID, 60 of these bits are
/// random. Among 1 million sessions, two have the same prefix with a probability of less than 1 in a million; then the
/// refresh tokens of one of them are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPrefix(pub [u8; 8]);

impl SessionPrefix {
    /// The smallest and the greatest id with this prefix.
    pub fn range(self) -> [[u8; 16]; 2] {
        [0, 0xff].map(|rest| {
            let mut id = [rest; 16];
            id[..8].copy_from_slice(&self.0);
            id
        })
    }
}

macro_rules! display_as_inner {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display_as_inner!(UserId, Subject, SessionId);
