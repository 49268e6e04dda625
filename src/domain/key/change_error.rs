//! Why a change of a key ring was rejected.

use super::kid::Kid;

/// Why a change was rejected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyChangeError {
    /// No key id is this text or begins with it.
    #[error("the key ring has no key `{0}`; see `countersign keys list`")]
    Unknown(String),
    /// Several key ids begin with this prefix.
    #[error("several keys begin with `{0}`; give more characters of the key id")]
    Ambiguous(String),
    /// The prefix of a key id is too short.
    #[error("`{0}` is too short to identify a key; give at least 4 characters")]
    ShortPrefix(String),
    /// The key is already revoked. This is final.
    #[error("key {0} is already revoked")]
    Revoked(Kid),
    /// The key to be added is already in the ring.
    #[error("key {0} is already in the key ring")]
    AlreadyPresent(Kid),
    /// The plan was made for another state of the ring.
    #[error("the keys changed in the meantime; check `countersign keys list` and retry if still needed")]
    RingChanged,
}
