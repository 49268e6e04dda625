//! What can be wrong with the folder of keys: each says which file, what about it, and what to do.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::crypto::key_pair::KeyError;
use crate::crypto::pem::PemError;
use crate::domain::key::{InvalidDates, KeyChangeError, Kid};

/// Why the folder could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyDirError {
    /// The system refused.
    #[error("could not {doing} {}: {cause}", path.display())]
    Io {
        /// What was being done, as an infinitive.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        // Not named `source`, or it would be told twice: it is in the words already.
        cause: io::Error,
    },
    /// Others than its owner may read it.
    #[error("{} is open to others than its owner (mode {mode:04o}): run `chmod {allowed:o} {0}`", path.display())]
    Mode {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The widest that are taken.
        allowed: u32,
    },
    /// No ring yet.
    #[error("there are no keys in {} yet: `countersign serve` makes them when it first starts", .0.display())]
    Empty(PathBuf),
    /// Keys or the secret, but no ring.
    #[error("{0} has {found}, but no ring.json: restore ring.json from a backup (keys are made for an empty folder only)", folder.display())]
    RingMissing {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: String,
    },
    /// Something that is not ours.
    #[error("{0} has {found}, and is not a folder of keys: give an empty folder as `keys_dir`", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: String,
    },
    /// Something is where keys are to be restored.
    #[error("{0} has {found}, which the backup has not or has otherwise: move what is there away first", folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: String,
    },
    /// A ring, but no secret.
    #[error("{} is missing: restore it from a backup; a new one would end every session", .0.display())]
    SecretMissing(PathBuf),
    /// Not 32 bytes.
    #[error("{} must have 32 bytes and has {length}: restore it from a backup", path.display())]
    SecretLength {
        /// The file.
        path: PathBuf,
        /// What it has.
        length: usize,
    },
    /// `ring.json` makes no sense.
    #[error("{}: {problem}; restore it from a backup", path.display())]
    Ring {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: RingProblem,
    },
    /// A private half can't be had from its file.
    #[error("the private key {}: {problem}{}", path.display(), problem.advice())]
    PrivateKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: PrivateKeyProblem,
    },
    /// A key given for import can't be used.
    #[error("the key to import: {0}")]
    Import(PrivateKeyProblem),
    /// The passphrase in force is not the folder's.
    #[error("the keys in {} are under another passphrase than `keys.passphrase`: set that to the one in force (and restart a running server)", .0.display())]
    OtherPassphrase(PathBuf),
    /// Somebody else keeps the lock.
    #[error("{} has been locked for ten seconds by another process: is a `countersign keys` command hanging?", .0.display())]
    Locked(PathBuf),
    /// The change does not fit the ring.
    #[error(transparent)]
    Refused(#[from] KeyChangeError),
    /// A new key could not be made.
    #[error("could not make a key: {0}")]
    Make(#[from] KeyError),
    /// A new key could not be written in its form.
    #[error("could not encode a key: {0}")]
    Encode(PemError),
}

/// What is wrong with `ring.json`.
#[derive(Debug, thiserror::Error)]
pub enum RingProblem {
    /// It is not what it should be, in shape.
    #[error("it is not a key ring: {0}")]
    Shape(#[from] serde_json::Error),
    /// It was written by a later version.
    #[error("it has version {0}, and this program knows version 1: use the program that wrote it")]
    Version(u64),
    /// The dates make no ring.
    #[error("{0}")]
    Dates(#[from] InvalidDates),
    /// An entry's JWK is not its key's.
    #[error("the JWK of key {0} does not fit: {1}")]
    Jwk(Kid, KeyError),
}

/// What is wrong with a private key's file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrivateKeyProblem {
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// It can't be read as a private key.
    #[error(transparent)]
    Form(#[from] PemError),
    /// What it holds can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It holds another key than its name says.
    #[error("it holds the key {0}")]
    OtherKey(Kid),
}

impl PrivateKeyProblem {
    fn advice(&self) -> &'static str {
        match self {
            Self::Form(PemError::NeedsPassphrase | PemError::WrongPassphrase) => ": check `keys.passphrase`",
            _ => ": restore it from a backup, or run `countersign keys revoke KID` to put a new key in its place",
        }
    }

    /// Whether the passphrase may be to blame.
    pub(super) fn is_passphrase(&self) -> bool {
        matches!(self, Self::Form(PemError::NeedsPassphrase | PemError::WrongPassphrase))
    }
}

/// What is odd about the folder without being in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyDirWarning {
    /// A passphrase is set, and this file is not encrypted.
    Plain(PathBuf),
    /// A private half that no key of the ring has.
    Orphan(PathBuf),
    /// A key that came in while the server ran, and can't be opened: it verifies, but will not sign.
    Unopened(String),
}

impl fmt::Display for KeyDirWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} is not encrypted although `keys.passphrase` is set: run \
                     `countersign keys passphrase --new-file FILE`"
                )
            }
            Self::Orphan(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} belongs to no key in ring.json: remove it (a command that was cut off may have left it)"
                )
            }
            Self::Unopened(error) => write!(f, "a new key can't sign here: {error}"),
        }
    }
}

/// Makes an [`io::Error`] say what was being done to what.
pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyDirError {
    let path = path.to_owned();
    move |cause| KeyDirError::Io { doing, path, cause }
}
