//! Opens and checks a key folder, and loads its ring. It changes nothing: see `create`, `apply` and `passphrase`.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{KeyFolderError, KeyFolderWarning};
use super::files::{self, LockMode};
use super::ring_file;
use crate::clock::Clock;
use crate::crypto::derive::DerivedKeys;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::key_ring::{KeyRing, LoadedKey, RingParts, RingVersion};
use crate::crypto::ring_contents::RingContents;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Kid, Schedule};
use crate::domain::secret::{SecretBytes, SecretText};
use crate::keys::loaded_ring::LoadedRing;
use crate::keys::new_key::NewKeyOptions;
use crate::keys::private_key::{PrivateKeyProblem, read_pair};
use crate::random::Random;

/// The name of the file with the symmetric secret.
pub(super) const SECRET: &str = "secret";

/// The name of the file with the next secret, while a renewal of the secret runs.
pub(super) const NEXT_SECRET: &str = "secret.next";

/// Names that are ignored when a folder is checked for being empty: the files that Countersign ships in it or creates
/// there, and the folder that the file system creates on a new disk.
pub(super) const IGNORED_NAMES: [&str; 4] = [".gitignore", ".lock", "README.md", "lost+found"];

/// How keys are stored and generated.
#[derive(Clone, Debug)]
pub struct KeyFolderOptions {
    /// The path of the folder (`keys_dir`).
    pub path: PathBuf,
    /// The passphrase that encrypts the private halves (`keys.passphrase`). Without it they are not encrypted.
    pub passphrase: Option<SecretText>,
    /// How new keys are made.
    pub new_keys: NewKeyOptions,
    /// Whether files and folders that other users can access, and folders of other users, are rejected
    /// (`keys.check_modes`).
    pub check_modes: bool,
    /// The algorithm of the default signer (`tokens.algorithm`). Its keys are first in the JWKS.
    pub default_algorithm: Algorithm,
}

/// The key folder. It caches nothing: each call reads the files, because other processes change them too.
#[derive(Debug)]
pub struct KeyFolder {
    pub(super) options: KeyFolderOptions,
    pub(super) clock: Clock,
    pub(super) random: Random,
}

impl KeyFolder {
    /// Creates the value without any access to the folder.
    ///
    /// It takes a clock instead of the time, because a change reads the time under the lock. Waiting for the lock or
    /// generating an RSA key may take seconds.
    pub fn new(options: KeyFolderOptions, clock: Clock, random: Random) -> Self {
        Self { options, clock, random }
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.options.path
    }

    /// Loads a folder that has keys. Opens every private half that is still needed, checks that it matches its file
    /// name, and tests it by signing and verifying once.
    ///
    /// # Errors
    /// If a file is damaged, missing or accessible to other users. The error names the file.
    pub fn load(&self) -> Result<LoadedRing, KeyFolderError> {
        let lock = self.lock(LockMode::Read)?;
        self.check_no_renewal()?;
        let version = self.version()?;
        let contents = self.contents()?;
        let file = self.secret_file()?;
        let mut warnings = Vec::new();
        if self.options.passphrase.is_some() && !file.encrypted {
            warnings.push(KeyFolderWarning::Plain(self.secret_path()));
        }
        if !self.options.check_modes {
            warnings.push(KeyFolderWarning::UncheckedModes(self.path().to_owned()));
        }
        let ring = self.open_ring(contents, version, None, warnings)?;
        drop(lock);
        let derived_keys = file.derived_keys().map_err(|problem| self.secret_error(problem))?;
        Ok(LoadedRing { ring, derived_keys })
    }

    /// Loads the dates and the public halves of the keys. Opens neither a private half nor the secret, so it needs no
    /// passphrase.
    pub fn load_public(&self) -> Result<KeyRing, KeyFolderError> {
        let _lock = self.lock(LockMode::Read)?;
        let version = self.version()?;
        let contents = self.contents()?;
        let warnings = self.orphans(&contents)?;
        Ok(self.ring(contents, HashMap::new(), version, &warnings))
    }

    /// The keys that are derived from the secret, for a command that can do without them: `None` if there is no secret
    /// yet, or if it cannot be opened, for example without the passphrase. Opens no private half.
    ///
    /// # Errors
    /// A renewal of the secret is not complete.
    pub fn derived_keys(&self) -> Result<Option<DerivedKeys>, KeyFolderError> {
        self.check_no_renewal()?;
        let Ok(_lock) = self.lock(LockMode::Read) else { return Ok(None) };
        // A restore may replace the secret that an interrupted first start has left.
        let Ok(_) = self.contents() else { return Ok(None) };
        Ok(self.secret_file().ok().and_then(|file| file.derived_keys().ok()))
    }

    /// Reads only the dates of the keys. Opens no private half.
    pub fn schedule(&self) -> Result<Schedule, KeyFolderError> {
        let _lock = self.lock(LockMode::Read)?;
        Ok(self.contents()?.schedule)
    }

    /// Loads the ring again after a change. Private halves that `previous` has loaded are not opened again. A new
    /// private half that cannot be opened causes a warning only, so that its public half is published.
    pub fn reload(&self, previous: &KeyRing) -> Result<KeyRing, KeyFolderError> {
        let _lock = self.lock(LockMode::Read)?;
        let version = self.version()?;
        self.open_ring(self.contents()?, version, Some(previous), Vec::new())
    }

    /// The version of `ring.json`. Reads only the metadata of the file, so it is cheap enough to be called every
    /// second.
    pub fn version(&self) -> Result<RingVersion, KeyFolderError> {
        files::ring_version(&self.path().join(ring_file::NAME))
    }

    /// Opens the private halves of a ring, and adds its own warnings. The caller holds the lock, and read the version
    /// first.
    fn open_ring(
        &self,
        contents: RingContents,
        version: RingVersion,
        previous: Option<&KeyRing>,
        mut warnings: Vec<KeyFolderWarning>,
    ) -> Result<KeyRing, KeyFolderError> {
        let now = self.clock.now();
        let mut loaded = HashMap::new();
        let reusable: HashMap<Kid, Arc<LoadedKey>> = previous.into_iter().flat_map(KeyRing::loaded_keys).collect();
        for kid in contents.schedule.keys().iter().filter(|key| key.has_private_half(now)).map(|key| &key.kid) {
            if let Some(key) = reusable.get(kid) {
                loaded.insert(kid.clone(), Arc::clone(key));
                continue;
            }
            match self.private_half(kid) {
                Ok((pair, encrypted)) => {
                    if self.options.passphrase.is_some() && !encrypted {
                        warnings.push(KeyFolderWarning::Plain(self.pem_path(kid)));
                    }
                    loaded.insert(kid.clone(), Arc::new(LoadedKey::new(pair)));
                }
                Err(error) if previous.is_none() => return Err(error),
                Err(error) => warnings.push(KeyFolderWarning::Unopened(error.to_string())),
            }
        }
        // Also passes on the other keys that `previous` has loaded. `KeyRing::new` drops them, except keys that may
        // have to sign in place of an active key that could not be opened.
        for (kid, key) in reusable {
            loaded.entry(kid).or_insert(key);
        }
        warnings.extend(self.orphans(&contents)?);
        Ok(self.ring(contents, loaded, version, &warnings))
    }

    /// A warning for each file of a private half that belongs to no key of the ring.
    fn orphans(&self, contents: &RingContents) -> Result<Vec<KeyFolderWarning>, KeyFolderError> {
        let orphan = |name: &String| files::key_name(name).is_some_and(|kid| !contents.publics.contains_key(kid));
        let orphans = files::names(self.path())?.into_iter().filter(orphan);
        Ok(orphans.map(|name| KeyFolderWarning::Orphan(self.path().join(name))).collect())
    }

    fn ring(
        &self,
        contents: RingContents,
        loaded: HashMap<Kid, Arc<LoadedKey>>,
        version: RingVersion,
        warnings: &[KeyFolderWarning],
    ) -> KeyRing {
        let warnings = warnings.iter().map(ToString::to_string).collect();
        let default_algorithm = self.options.default_algorithm;
        KeyRing::new(RingParts { contents, loaded, version, warnings, default_algorithm }, self.clock.now())
    }

    /// Takes the lock. In a folder that is not a key folder, it does not even create the lock file.
    pub(super) fn lock(&self, access: LockMode) -> Result<Option<File>, KeyFolderError> {
        if !self.path().join(ring_file::NAME).exists() {
            if self.path().exists() {
                self.check_empty()?;
            }
            return Err(KeyFolderError::Empty(self.path().to_owned()));
        }
        self.lock_folder(access)
    }

    /// Takes the lock of an existing folder, if its modes and its owner permit that.
    pub(super) fn lock_folder(&self, access: LockMode) -> Result<Option<File>, KeyFolderError> {
        if self.options.check_modes {
            files::remove_group_access(self.path())?;
            files::check_folder(self.path())?;
            if access == LockMode::Write {
                files::check_owner(self.path())?;
            }
        }
        files::lock(self.path(), access)
    }

    /// Takes the lock of a folder without keys, and makes the folder private.
    pub(super) fn lock_new_folder(&self) -> Result<Option<File>, KeyFolderError> {
        if self.options.check_modes {
            files::check_owner(self.path())?;
        }
        self.make_private()?;
        files::lock(self.path(), LockMode::Write)
    }

    /// Makes an empty folder private.
    pub(super) fn make_private(&self) -> Result<(), KeyFolderError> {
        match files::make_private(self.path()) {
            // A volume without modes may refuse to change them.
            Err(_) if !self.options.check_modes => Ok(()),
            done => done,
        }
    }

    pub(super) fn read_file(&self, path: &Path) -> Result<SecretBytes, KeyFolderError> {
        files::read(path, self.options.check_modes)
    }

    /// Reads `ring.json`, which must have keys.
    pub(super) fn contents(&self) -> Result<RingContents, KeyFolderError> {
        let contents = ring_file::read(self.path(), self.options.check_modes)?;
        if contents.schedule.keys().is_empty() {
            return Err(KeyFolderError::Empty(self.path().to_owned()));
        }
        Ok(contents)
    }

    pub(super) fn pem_path(&self, kid: &Kid) -> PathBuf {
        self.path().join(files::key_file(kid))
    }

    /// Opens and tests the file of a key. Also returns whether the file is encrypted.
    pub(super) fn private_half(&self, kid: &Kid) -> Result<(KeyPair, bool), KeyFolderError> {
        let path = self.pem_path(kid);
        let text = self.private_text(kid)?;
        let opened = read_pair(&text, self.options.passphrase.as_ref());
        let (pair, encrypted) = opened.map_err(|problem| KeyFolderError::PrivateKey { path: path.clone(), problem })?;
        let actual = pair.public().kid();
        if actual != kid {
            let problem = PrivateKeyProblem::OtherKey(actual.clone());
            return Err(KeyFolderError::PrivateKey { path, problem });
        }
        Ok((pair, encrypted))
    }

    pub(super) fn private_text(&self, kid: &Kid) -> Result<SecretBytes, KeyFolderError> {
        let path = self.pem_path(kid);
        let read = self.read_file(&path);
        let missing = || KeyFolderError::PrivateKey { path, problem: PrivateKeyProblem::Missing };
        read.map_err(|error| files::map_not_found(error, missing))
    }

    /// Checks that a folder without `ring.json` is empty. If it has other files, the ring was lost or the folder is not
    /// a key folder.
    ///
    /// The check runs once before the lock is taken, so that no lock file is created in a folder that is not a key
    /// folder. It runs again under the lock, because then no other process can be writing the files of a first start.
    pub(super) fn check_empty(&self) -> Result<(), KeyFolderError> {
        let mut names = files::names(self.path())?;
        if names.iter().any(|name| name == ring_file::NAME) {
            return Ok(());
        }
        names.retain(|name| !IGNORED_NAMES.contains(&name.as_str()) && !files::is_unfinished(name));
        let is_key_file = |name: &&String| *name == SECRET || files::key_name(name).is_some();
        let folder = self.path().to_owned();
        match (names.iter().find(is_key_file), names.first()) {
            (Some(found), _) => Err(KeyFolderError::RingMissing { folder, found: found.clone() }),
            (None, Some(found)) => Err(KeyFolderError::NotEmpty { folder, found: found.clone() }),
            (None, None) => Ok(()),
        }
    }
}
