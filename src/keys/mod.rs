//! Where the keys of an issuer are stored, and who signs with them: between the use cases and the cryptography.
//!
//! A [`KeySource`] loads key rings and carries out changes of them. It decides nothing: the policy and the audit log
//! belong to `issuer::keys`.

use crate::crypto::derive::DerivedKeys;
use crate::crypto::key_ring::{KeyRing, RingVersion};
use crate::domain::key::{Key, Kid, Schedule};
use crate::domain::secret::SecretText;

pub mod change;
pub mod error;
pub mod folder;
mod loaded_ring;
pub mod new_key;
pub mod private_key;
pub mod shared_ring;
pub mod signer;

#[cfg(test)]
mod testing;

use change::{AppliedChange, RingChange};
use error::KeySourceError;
use folder::KeyFolder;
pub use loaded_ring::LoadedRing;

/// The storage of an issuer's keys. Its functions may block for seconds, so an async caller uses a blocking thread.
#[derive(Debug)]
pub enum KeySource {
    /// A folder on disk.
    Folder(KeyFolder),
}

impl KeySource {
    /// Creates the secret and one active key for each configured algorithm if there are no keys yet, and returns the
    /// new keys. Otherwise it creates nothing, and encrypts the secret if a passphrase was set later. It never
    /// overwrites a key.
    pub fn create(&self) -> Result<Vec<Key>, KeySourceError> {
        match self {
            Self::Folder(folder) => folder.create(),
        }
    }

    /// Loads all keys. Every private half that is still needed is opened, and tested by signing and verifying once.
    pub fn load(&self) -> Result<LoadedRing, KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.load()?),
        }
    }

    /// Loads the dates and the public halves. Opens neither a private half nor the secret.
    pub fn load_public(&self) -> Result<KeyRing, KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.load_public()?),
        }
    }

    /// The keys that are derived from the secret, for a command that can do without them: `None` if there is no secret
    /// yet, or if it cannot be opened, for example without the passphrase. Opens no private half.
    pub fn derived_keys(&self) -> Result<Option<DerivedKeys>, KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.derived_keys()?),
        }
    }

    /// Loads the ring again after a change. Private halves that `previous` has loaded are not opened again. A new
    /// private half that cannot be opened causes a warning only, so that its public half is published.
    pub fn reload(&self, previous: &KeyRing) -> Result<KeyRing, KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.reload(previous)?),
        }
    }

    /// The version of the stored ring. Cheap enough to be called several times a second.
    pub fn version(&self) -> Result<RingVersion, KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.version()?),
        }
    }

    /// The dates of the keys. Opens no private half.
    pub fn schedule(&self) -> Result<Schedule, KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.schedule()?),
        }
    }

    /// Makes a change: completely or not at all. Of two changes at once, the second is applied to the ring that the
    /// first one left, or rejected.
    pub fn apply(&self, change: RingChange) -> Result<AppliedChange, KeySourceError> {
        match self {
            Self::Folder(folder) => folder.apply(change),
        }
    }

    /// Deletes the private halves of keys of `ring` that have stopped signing, and returns their `kid`s. Cheap while
    /// there are none.
    pub fn delete_ended(&self, ring: &KeyRing) -> Result<Vec<Kid>, KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.delete_ended(ring)?),
        }
    }

    /// Begins to renew the secret, or continues an interrupted renewal. Returns the keys of the current and of the next
    /// secret. Until [`KeySource::finish_secret_renewal`], the keys cannot be loaded.
    pub fn begin_secret_renewal(&self) -> Result<(DerivedKeys, DerivedKeys), KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.begin_secret_renewal()?),
        }
    }

    /// Replaces the secret by the next one.
    pub fn finish_secret_renewal(&self) -> Result<(), KeySourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.finish_secret_renewal()?),
        }
    }

    /// Re-encrypts the secret and every private half with another passphrase, or decrypts them if `new` is `None`.
    /// Returns the number of private halves that were rewritten.
    pub fn set_passphrase(&self, new: Option<&SecretText>) -> Result<usize, KeySourceError> {
        match self {
            Self::Folder(folder) => folder.set_passphrase(new),
        }
    }
}
