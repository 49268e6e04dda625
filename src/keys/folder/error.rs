//! Errors and warnings about the key folder. A message about a file names the file and the problem. It names the remedy
//! if Countersign knows one.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::crypto::pem::PemError;
use crate::crypto::ring_contents::RingProblem;
use crate::crypto::secret_file::SecretFileError;
use crate::keys::private_key::PrivateKeyProblem;
use crate::private_files;

/// Why the key folder could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyFolderError {
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
    #[error("{} is accessible to other users (mode {mode:04o}); run `chmod {allowed:o} {0}`, or set `keys.check_modes = false` if its volume has no modes", path.display())]
    Mode {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The widest permissions that are accepted.
        allowed: u32,
    },
    /// Another user owns the folder.
    #[error("cannot change {0}, because user id {owner} owns it and this process runs as user id {user}; run the command as user id {owner} or as root, or set `keys_dir` to a folder of user id {user}", folder.display())]
    NotOwner {
        /// The folder.
        folder: PathBuf,
        /// The owner of the folder.
        owner: u32,
        /// The user of this process.
        user: u32,
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
    /// The secret could not be read from its file, or not be encoded.
    #[error("{} {problem}; {}", path.display(), problem.advice())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: SecretFileError,
    },
    /// A renewal of the secret was interrupted, or is running.
    #[error("the renewal of the secret in {} is not complete; run `countersign keys renew-secret` again", .0.display())]
    Renewal(PathBuf),
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
    /// The configured passphrase does not open the keys in the folder.
    #[error("the keys in {} are encrypted with another passphrase than `keys.passphrase`; set `keys.passphrase` to the current passphrase (and restart a running server)", .0.display())]
    OtherPassphrase(PathBuf),
    /// The keys are encrypted, and no passphrase is configured.
    #[error("the keys in {} are encrypted, and the new key must be too; set `keys.passphrase`", .0.display())]
    NoPassphrase(PathBuf),
    /// Another process holds the lock.
    #[error("another process has held the lock {} for 10 s; check for a `countersign keys` command that hangs", .0.display())]
    Locked(PathBuf),
}

impl KeyFolderError {
    /// Whether a file is encrypted and no passphrase is configured.
    pub(super) fn needs_passphrase(&self) -> bool {
        match self {
            Self::PrivateKey { problem: PrivateKeyProblem::Pem(problem), .. }
            | Self::Secret { problem: SecretFileError::Pem(problem), .. } => *problem == PemError::NeedsPassphrase,
            _ => false,
        }
    }
}

/// A problem of the key folder that does not prevent the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFolderWarning {
    /// A passphrase is set, but this file is not encrypted.
    Plain(PathBuf),
    /// The modes of this folder are not checked.
    UncheckedModes(PathBuf),
    /// A private half that belongs to no key of the ring.
    Orphan(PathBuf),
    /// A key that was added while the server runs and cannot be opened. It verifies, but it does not sign.
    Unopened(String),
}

impl fmt::Display for KeyFolderWarning {
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
            Self::UncheckedModes(path) => {
                let path = path.display();
                write!(f, "keys.check_modes is false: other users who can access {path} can sign tokens as this issuer")
            }
            Self::Orphan(path) => {
                let path = path.display();
                write!(f, "{path} belongs to no key in ring.json; remove it (an interrupted command may have left it)")
            }
            Self::Unopened(error) => write!(f, "this server cannot sign with a new key: {error}"),
        }
    }
}

/// Adds the failed operation and the path to an [`io::Error`], and the owner if permission is denied.
pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyFolderError {
    let path = path.to_owned();
    move |cause| {
        let cause = private_files::explain(&path, cause);
        KeyFolderError::Io { operation, path, cause }
    }
}
