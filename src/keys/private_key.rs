//! Private keys in PEM, as an operator or a source hands them over.

use crate::crypto::key_error::KeyError;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::pem::{self, PemError};
use crate::domain::key::Kid;
use crate::domain::secret::{SecretBytes, SecretText};

/// What is wrong with a private key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrivateKeyProblem {
    /// The file does not exist.
    #[error("the file is missing")]
    Missing,
    /// The file cannot be read as a private key.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The key in the file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file contains another key than its name says.
    #[error("the file contains the key {0} instead")]
    OtherKey(Kid),
}

impl PrivateKeyProblem {
    /// What the operator should do if the key is one of the ring.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Pem(PemError::NeedsPassphrase | PemError::WrongPassphrase) => "check `keys.passphrase`",
            _ => "restore it from a backup, or run `countersign keys revoke KID` to replace it with a new key",
        }
    }

    /// Whether a wrong or missing passphrase may be the cause.
    pub(super) fn is_passphrase(&self) -> bool {
        matches!(self, Self::Pem(PemError::NeedsPassphrase | PemError::WrongPassphrase))
    }
}

/// Reads a private key and tests it. Also returns whether it was encrypted.
pub(super) fn read_pair(
    text: &SecretBytes,
    passphrase: Option<&SecretText>,
) -> Result<(KeyPair, bool), PrivateKeyProblem> {
    let opened = pem::read(text.expose(), passphrase)?;
    let pair = KeyPair::from_pkcs8_der(&opened.pkcs8)?;
    pair.self_test()?;
    Ok((pair, opened.encrypted))
}
