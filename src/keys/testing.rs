//! Helpers of the key tests: a temporary key folder, and short forms of what a key source does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::change::{AppliedChange, RevokedKey, RingChange};
use super::error::KeySourceError;
use super::folder::error::KeyFolderError;
use super::folder::{KeyFolder, KeyFolderOptions};
use super::new_key::NewKeyOptions;
use crate::clock::Clock;
use crate::crypto::key_ring::KeyRing;
use crate::crypto::testing::NOW;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyPolicy, Kid};
use crate::domain::secret::{SecretBytes, SecretText};
use crate::domain::time::Timestamp;
use crate::random::Random;

/// A temporary key folder, with a clock that the test controls.
pub(crate) struct TestKeyFolder {
    pub(crate) dir: TempDir,
    pub(crate) clock: Clock,
}

impl TestKeyFolder {
    /// Creates an empty folder.
    #[expect(clippy::unwrap_used, reason = "tests")]
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Clock::manual(NOW) }
    }

    /// The key folder, with `passphrase` unless it is empty.
    pub(crate) fn keys(&self, passphrase: &str) -> KeyFolder {
        let options = KeyFolderOptions {
            path: self.path().to_owned(),
            passphrase: (!passphrase.is_empty()).then(|| SecretText::new(passphrase.to_owned())),
            new_keys: NewKeyOptions {
                algorithms: Algorithm::ALL.to_vec(),
                rsa_bits: 2048,
                certificate_name: "issuer.example".to_owned(),
            },
            check_modes: true,
            default_algorithm: Algorithm::Es256,
        };
        KeyFolder::new(options, self.clock.clone(), Random::seeded(7))
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The sorted names in the folder, without the lock file.
    #[expect(clippy::unwrap_used, reason = "tests")]
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }

    pub(crate) fn pem(&self, kid: &Kid) -> PathBuf {
        self.path().join(format!("{kid}.pem"))
    }
}

#[expect(clippy::unwrap_used, reason = "tests")]
impl KeyFolder {
    /// Creates the first keys if there are none, and loads the ring.
    pub(crate) fn start(&self) -> Result<KeyRing, KeySourceError> {
        self.create()?;
        Ok(self.open()?)
    }

    pub(crate) fn open(&self) -> Result<KeyRing, KeyFolderError> {
        Ok(self.load()?.ring)
    }

    pub(crate) fn rotate(&self, alg: Option<Algorithm>, at_once: bool) -> Result<Vec<Key>, KeySourceError> {
        Ok(self.apply(RingChange::Rotate { alg, at_once, policy: policy() })?.added)
    }

    pub(crate) fn import(
        &self,
        pem: &SecretBytes,
        passphrase: Option<&SecretText>,
        at_once: bool,
    ) -> Result<Key, KeySourceError> {
        let pem = SecretBytes::new(pem.expose().to_vec());
        let change = RingChange::Import { pem, passphrase: passphrase.cloned(), at_once, policy: policy() };
        Ok(self.apply(change)?.added.remove(0))
    }

    pub(crate) fn revoke(&self, prefix: &str) -> Result<RevokedKey, KeySourceError> {
        let AppliedChange { revoked, .. } =
            self.apply(RingChange::Revoke { prefix: prefix.to_owned(), policy: policy() })?;
        Ok(revoked.unwrap())
    }

    pub(crate) fn prune(&self, needed_since: Option<Timestamp>) -> Result<Vec<Key>, KeySourceError> {
        Ok(self.apply(RingChange::Prune { needed_since })?.removed)
    }
}

/// A policy that publishes keys one hour ahead. Access tokens are valid for five minutes.
pub(crate) fn policy() -> KeyPolicy {
    KeyPolicy {
        publish_ahead: Duration::from_hours(1),
        jwks_max_age: Duration::from_mins(5),
        longest_access: Duration::from_mins(5),
        leeway: Duration::from_secs(5),
        promised_until: None,
    }
}
