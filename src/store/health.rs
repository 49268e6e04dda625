//! How large the store has grown, as its operator asks.

use super::StoreError;

/// The size of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSize {
    /// All of it, in bytes.
    pub bytes: u64,
    /// How much of it is free for what comes next, in bytes.
    pub free: u64,
}

/// Asking how the store is.
pub trait ReadHealth {
    /// The database's size, without the writes not yet folded into it. Costs nothing.
    fn file_size(&self) -> Result<FileSize, StoreError>;
    /// How many users there are. Counts them, in a smallest index: about 10 ms for a million.
    fn user_count(&self) -> Result<u64, StoreError>;
    /// How many sessions were not ended, those among them that ran out and are not yet swept. Counts them, in an index.
    fn open_session_count(&self) -> Result<u64, StoreError>;
}
