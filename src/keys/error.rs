//! Why keys could not be loaded or changed.

use super::folder::error::KeyFolderError;
use super::private_key::PrivateKeyProblem;
use crate::crypto::key_error::KeyError;
use crate::crypto::pem::PemError;
use crate::domain::key::KeyChangeError;

/// Why keys could not be loaded or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// The ring rejects the change.
    #[error(transparent)]
    RejectedChange(#[from] KeyChangeError),
    /// A key for an import cannot be used.
    // The caller names the file and the import.
    #[error("{0}")]
    Import(PrivateKeyProblem),
    /// A new key could not be generated.
    #[error("cannot generate a key: {0}")]
    Generate(#[from] KeyError),
    /// A key could not be encoded as PEM.
    #[error("cannot encode a new key as PEM: {0}")]
    Encode(PemError),
    /// The key folder could not be read or changed.
    #[error(transparent)]
    Folder(#[from] KeyFolderError),
}

impl KeySourceError {
    /// Whether there are no keys yet, so that a first start would create them.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Folder(KeyFolderError::Empty(_)))
    }
}
