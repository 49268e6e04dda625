//! The size of the store and the numbers of users and sessions, for the operator. Each backend measures its own size.

use super::error::StoreError;

/// How much space the database takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSize {
    /// The total size, in bytes.
    pub bytes: u64,
    /// The unused part that later writes can fill, in bytes.
    pub free: u64,
}

/// Reads the state of the store.
pub trait ReadHealth {
    /// Returns the size of the database, without logs for its recovery. This is cheap: it reads no rows.
    fn store_size(&self) -> Result<StoreSize, StoreError>;
    /// Returns the number of users. It counts the entries of the smallest index, which takes about 10 ms for one
    /// million.
    fn user_count(&self) -> Result<u64, StoreError>;
    /// Returns the number of sessions that were not ended, including expired sessions that are not yet removed. It
    /// counts the entries of an index.
    fn open_session_count(&self) -> Result<u64, StoreError>;
}
