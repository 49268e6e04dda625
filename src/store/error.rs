//! Errors of the store, alike for every backend.

use crate::domain::field::Field;

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another user already has this user name or e-mail address.
    #[error("the {} is already in use", .0.name())]
    Taken(Field),
    /// Another user already has the `id` or `sub` requested for a new user. Only an import requests one.
    #[error("another user already has this {0}")]
    InUse(&'static str),
    /// The database is locked, full, read-only, unreachable or closed, or too many operations are waiting. Except after
    /// [`Store::close`](super::Store::close), it may recover without a restart.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database is damaged or not usable by this program, or this code has a defect. A retry does not help.
    #[error("the database failed: {0}")]
    Fault(String),
}
