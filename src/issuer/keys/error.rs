//! Why a use case on keys failed.

use super::super::denied::{Denied, OperatorRule};
use super::super::refusal::Fault;
use crate::keys::error::KeySourceError;
use crate::store::StoreError;

/// Why a use case on keys failed. Unless stated otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The keys could not be read, or the first keys could not be created.
    #[error(transparent)]
    Unready(KeySourceError),
    /// The change was rejected, or it failed.
    #[error(transparent)]
    Change(KeySourceError),
    /// The keys were changed, and the change was recorded if that was possible. This server could not load the keys
    /// again. It tries again within 1 s.
    #[error(transparent)]
    Reload(KeySourceError),
    /// The database exists and cannot be opened.
    #[error("{0}")]
    Unopened(String),
    /// The runtime settings cannot be read.
    #[error("cannot read the runtime settings")]
    Settings(#[source] StoreError),
    /// The sessions cannot be read.
    #[error("cannot read the sessions that need old keys")]
    Sessions(#[source] StoreError),
    /// The data that was made with the secret cannot be changed. Repeating the renewal continues it.
    #[error("cannot change what was made with the secret; run `countersign keys renew-secret` again")]
    Renewal(#[source] StoreError),
    /// The task that made the change has panicked. The keys may have been changed.
    #[error("the change was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl From<KeysError> for Denied {
    fn from(error: KeysError) -> Self {
        let fault = |error: &dyn std::fmt::Display| Fault::new("changing the keys", &error).into();
        match error {
            KeysError::Change(KeySourceError::RejectedChange(rejected)) => OperatorRule::Key(rejected).into(),
            KeysError::Unready(error) | KeysError::Change(error) | KeysError::Reload(error) => fault(&error),
            KeysError::Settings(error) | KeysError::Sessions(error) | KeysError::Renewal(error) => error.into(),
            KeysError::Interrupted(error) => fault(&error),
            KeysError::Unopened(error) => fault(&error),
        }
    }
}
