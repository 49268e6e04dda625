//! Errors and warnings about the key folder. A message about a file names the file and the problem. It names the remedy
//! if Countersign knows one.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::crypto::key_error::KeyError;
use crate::crypto::pem::PemError;
use crate::domain::key::{InvalidDates, KeyChangeError, Kid};

/// Why the key folder could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyDirError {
    /// The operating system returned an error.
    #[error("cannot {operation} {}: {cause}", path.display())]
    Io {
        /// The failed operation, as an infinitive.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        // The name `source` would print the error twice, because the message contains it already.
        cause: io::Error,
    },
    /// Other users can access the file or folder.
    #[error("{} is accessible to other users (mode {mode:04o}); run `chmod {allowed:o} {0}`", path.display())]
    Mode {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The widest permissions that are accepted.
        allowed: u32,
    },
    /// The folder has no ring yet.
    #[error("there are no keys in {} yet; `countersign serve` creates them at its first start", .0.display())]
    Empty(PathBuf),
    /// The folder has keys or the secret, but no ring.
    #[error("cannot open the key ring {0}: it contains {found}, but ring.json is missing; restore ring.json from a backup (keys are created in an empty folder only)", folder.display())]
    RingMissing {
        /// The folder.
        folder: PathBuf,
        /// The name of a file in the folder.
        found: String,
    },
    /// The folder has other files than those of a key folder.
    #[error("{0} contains {found} and is not a key folder; set `keys_dir` to an empty folder", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
        /// The name of a file in the folder.
        found: String,
    },
    /// The folder for a restore has a file that the backup does not have or has with other content.
    #[error("cannot restore into {0}: {found} differs from the backup; move the existing files away", folder.display())]
    NotRestorable {
        /// The folder.
        folder: PathBuf,
        /// The name of the file.
        found: String,
    },
    /// The folder has a ring, but no secret.
    #[error("{} is missing; restore it from a backup, because a new secret would end every session", .0.display())]
    SecretMissing(PathBuf),
    /// The secret does not have 32 bytes.
    #[error("{} has {length} bytes instead of 32; restore it from a backup", path.display())]
    SecretLength {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// `ring.json` is invalid.
    #[error("{}: {problem}; {}", path.display(), problem.advice())]
    Ring {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: RingProblem,
    },
    /// A private half could not be read from its file.
    #[error("cannot use the private key {}: {problem}; {}", path.display(), problem.advice())]
    PrivateKey {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: PrivateKeyProblem,
    },
    /// A key for an import cannot be used.
    // The caller names the file and the import.
    #[error("{0}")]
    Import(PrivateKeyProblem),
    /// The configured passphrase does not open the keys in the folder.
    #[error("the keys in {} are encrypted with another passphrase than `keys.passphrase`; set `keys.passphrase` to the current passphrase (and restart a running server)", .0.display())]
    OtherPassphrase(PathBuf),
    /// Another process holds the lock.
    #[error("another process has held the lock {} for 10 s; check for a `countersign keys` command that hangs", .0.display())]
    Locked(PathBuf),
    /// The ring rejects the change.
    #[error(transparent)]
    RejectedChange(#[from] KeyChangeError),
    /// A new key could not be generated.
    #[error("cannot generate a key: {0}")]
    Generate(#[from] KeyError),
    /// A key could not be encoded as PEM.
    #[error("cannot encode a new key as PEM: {0}")]
    Encode(PemError),
}

/// What is wrong with `ring.json`.
#[derive(Debug, thiserror::Error)]
pub enum RingProblem {
    /// The structure of the file is invalid.
    #[error("invalid key ring: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The format version is unknown. Probably a later version of Countersign wrote the file.
    #[error("format version {0} is not supported, only version 1")]
    Version(u64),
    /// The dates contradict each other.
    #[error("{0}")]
    Dates(#[from] InvalidDates),
    /// The JWK of an entry is invalid or belongs to another key.
    #[error("the JWK of key {0} is invalid: {1}")]
    Jwk(Kid, KeyError),
}

impl RingProblem {
    fn advice(&self) -> &'static str {
        match self {
            Self::Version(_) => "use the version of Countersign that wrote it, or restore it from a backup",
            _ => "restore it from a backup",
        }
    }
}

/// What is wrong with the file of a private key.
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
    fn advice(&self) -> &'static str {
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

/// A problem of the key folder that does not prevent the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyDirWarning {
    /// A passphrase is set, but this file is not encrypted.
    Plain(PathBuf),
    /// A private half that belongs to no key of the ring.
    Orphan(PathBuf),
    /// A key that was added while the server runs and cannot be opened. It verifies, but it does not sign.
    Unopened(String),
}

impl fmt::Display for KeyDirWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} is not encrypted although `keys.passphrase` is set; run \
                     `countersign keys passphrase --new-file FILE`"
                )
            }
            Self::Orphan(path) => {
                let path = path.display();
                write!(f, "{path} belongs to no key in ring.json; remove it (an interrupted command may have left it)")
            }
            Self::Unopened(error) => write!(f, "this server cannot sign with a new key: {error}"),
        }
    }
}

/// Adds the failed operation and the path to an [`io::Error`].
pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyDirError {
    let path = path.to_owned();
    move |cause| KeyDirError::Io { operation, path, cause }
}
