//! The size of the store, for the operator.

use super::StoreError;

/// The size of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSize {
    /// The total size, in bytes.
    pub bytes: u64,
    /// The unused part that later writes can fill, in bytes.
    pub free: u64,
}

/// Reads the state of the store.
pub trait ReadHealth {
    /// Returns the size of the database, without the writes that are still only in the WAL. This is cheap.
    fn file_size(&self) -> Result<FileSize, StoreError>;
    /// Returns the number of users, counted in the smallest index: about 10 ms for one million.
    fn user_count(&self) -> Result<u64, StoreError>;
    /// Returns the number of sessions that were not ended, including expired sessions that are not yet removed, counted
    /// in an index.
    fn open_session_count(&self) -> Result<u64, StoreError>;
}
