//! Errors of the store, alike for every backend.

use crate::domain::field::Field;

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another user already has this user name or e-mail address.
    #[error("the {} is already in use", .0.name())]
    Taken(Field),
    /// Another value that must be unique is already stored: the `id` or `sub` requested for a new user, which only an
    /// import requests, or the link of an account at a provider.
    #[error("the {0} is already in use")]
    InUse(&'static str),
    /// The database is locked, full, read-only, unreachable or closed, or too many operations are waiting. Except after
    /// [`Store::close`](super::Store::close), it may recover without a restart.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database is damaged or not usable by this program, or this code has a defect. A retry does not help.
    #[error("the database failed: {0}")]
    Fault(String),
}
