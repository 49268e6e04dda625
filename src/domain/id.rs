//! Names for things: integer ids that other systems hold as foreign keys, and UUIDs that never change.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user's integer id (`user_id`), kept on import so that foreign keys elsewhere survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub i64);

/// A user's UUID (`sub`), which never changes and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(pub Uuid);

/// What one sign-in opens (`sid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

/// The first twelve bytes of a session's id, which find it: of a version 4 UUID 90 of their bits are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPrefix(pub [u8; 12]);

impl SessionPrefix {
    /// The least and the greatest id that begins so.
    pub fn range(self) -> [[u8; 16]; 2] {
        [0, 0xff].map(|rest| {
            let mut id = [rest; 16];
            id[..12].copy_from_slice(&self.0);
            id
        })
    }
}

macro_rules! shown {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
shown!(UserId, Subject, SessionId);
