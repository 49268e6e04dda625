//! The key folder: the only module that reads and writes private halves. It creates the folder at the first start,
//! opens and checks the files that are needed, returns snapshots ([`KeyRing`]) and changes the folder under a lock
//! (`change`).
//!
//! `ring.json` is authoritative. A private half is written before the ring lists its key, and removed after the ring
//! has recorded that the key no longer signs. A process that is interrupted at any moment leaves a usable ring, and at
//! worst a file that is not needed.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::crypto::certificate::self_signed;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::key_ring::{KeyRing, LoadedKey, PublicHalf, RingParts, RingSecret, RingVersion};
use crate::crypto::pem;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{KeyPolicy, Kid, Schedule};
use crate::domain::secret::{SecretBytes, SecretText};
use crate::random::Random;

mod change;
#[cfg(test)]
mod change_tests;
mod copy;
mod error;
#[cfg(test)]
mod fault_tests;
mod files;
#[cfg(test)]
mod open_tests;
mod ring_file;

pub use change::RevokedKey;
pub use error::{KeyDirError, KeyDirWarning, PrivateKeyProblem, RingProblem};
pub use ring_file::check_ring;

use files::LockMode;
use ring_file::RingContents;

/// The name of the file with the symmetric secret.
const SECRET: &str = "secret";

/// Names that are ignored when a folder is checked for being empty: the files that Countersign ships in it or creates
/// there, and the folder that the file system creates on a new disk.
const IGNORED_NAMES: [&str; 4] = [".gitignore", ".lock", "README.md", "lost+found"];

/// How keys are stored and generated.
#[derive(Clone, Debug)]
pub struct KeyDirOptions {
    /// The path of the folder (`keys_dir`).
    pub path: PathBuf,
    /// The passphrase that encrypts the private halves (`keys.passphrase`). Without it they are not encrypted.
    pub passphrase: Option<SecretText>,
    /// The size of new RSA keys in bits: 2048, 3072 or 4096 (`keys.rsa_bits`).
    pub rsa_bits: u32,
    /// The name in new certificates: the host of the issuer.
    pub certificate_name: String,
    /// The algorithm of the default signer (`tokens.algorithm`). Its keys are first in the JWKS.
    pub default_algorithm: Algorithm,
}

/// The key folder. It caches nothing: each call reads the files, because other processes change them too.
#[derive(Debug)]
pub struct KeyDir {
    options: KeyDirOptions,
    clock: Clock,
    random: Random,
}

impl KeyDir {
    /// Creates the value without any access to the folder.
    ///
    /// It takes a clock instead of the time, because a change reads the time under the lock. Waiting for the lock or
    /// generating an RSA key may take seconds.
    pub fn new(options: KeyDirOptions, clock: Clock, random: Random) -> Self {
        Self { options, clock, random }
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.options.path
    }

    /// Opens the folder for a server, like [`KeyDir::open`].
    ///
    /// If the folder is empty or a first start was interrupted, it first generates one active key for each algorithm.
    /// It never overwrites a private half or the secret.
    pub fn start(&self) -> Result<KeyRing, KeyDirError> {
        if self.contents().is_ok() {
            return self.open();
        }
        files::make_folder(self.path())?;
        self.check_empty()?;
        let lock = files::lock(self.path(), LockMode::Write)?;
        let has_keys = match RingContents::read(self.path()) {
            Ok(contents) if !contents.schedule.keys().is_empty() => true,
            Ok(_) => false,
            Err(KeyDirError::Empty(_)) => {
                self.check_empty()?;
                false
            }
            Err(error) => return Err(error),
        };
        if !has_keys {
            self.first_start()?;
        }
        drop(lock);
        self.open()
    }

    /// Opens a folder that has keys. Opens every private half that is still needed, checks that it matches its file
    /// name, and tests it by signing and verifying once.
    ///
    /// # Errors
    /// If a file is damaged, missing or accessible to other users. The error names the file.
    pub fn open(&self) -> Result<KeyRing, KeyDirError> {
        self.load(None)
    }

    /// Reads only the dates of the keys. Opens no private half.
    pub fn schedule(&self) -> Result<Schedule, KeyDirError> {
        let _lock = self.lock(LockMode::Read)?;
        Ok(self.contents()?.schedule)
    }

    /// Reloads the folder after a change. Private halves that `previous` has loaded are not opened again. A new private
    /// half that cannot be opened causes a warning only, so that its public half is published.
    pub fn reload(&self, previous: &KeyRing) -> Result<KeyRing, KeyDirError> {
        self.load(Some(previous))
    }

    /// The version of `ring.json`. Reads only the metadata of the file, so it is cheap enough to be called every
    /// second.
    pub fn version(&self) -> Result<RingVersion, KeyDirError> {
        files::ring_version(&self.path().join(ring_file::NAME))
    }

    fn load(&self, previous: Option<&KeyRing>) -> Result<KeyRing, KeyDirError> {
        let lock = self.lock(LockMode::Read)?;
        let version = self.version()?;
        let RingContents { schedule, publics } = self.contents()?;
        let secret = previous.map_or_else(|| self.secret(), |ring| Ok(Arc::clone(ring.secret())))?;
        let now = self.clock.now();
        let mut warnings = Vec::new();
        let mut loaded = HashMap::new();
        let reusable: HashMap<Kid, Arc<LoadedKey>> = previous.into_iter().flat_map(KeyRing::loaded_keys).collect();
        for kid in schedule.keys().iter().filter(|key| key.has_private_half(now)).map(|key| &key.kid) {
            if let Some(key) = reusable.get(kid) {
                loaded.insert(kid.clone(), Arc::clone(key));
                continue;
            }
            match self.private_half(kid) {
                Ok((pair, encrypted)) => {
                    if self.options.passphrase.is_some() && !encrypted {
                        warnings.push(KeyDirWarning::Plain(self.pem_path(kid)));
                    }
                    loaded.insert(kid.clone(), Arc::new(LoadedKey::new(pair)));
                }
                Err(error) if previous.is_none() => return Err(error),
                Err(error) => warnings.push(KeyDirWarning::Unopened(error.to_string())),
            }
        }
        // Also passes on the other keys that `previous` has loaded. `KeyRing::new` drops them, except keys that may
        // have to sign in place of an active key that could not be opened.
        for (kid, key) in reusable {
            loaded.entry(kid).or_insert(key);
        }
        let orphan = |name: &String| files::key_name(name).is_some_and(|kid| !publics.contains_key(kid));
        let orphans = files::names(self.path())?.into_iter().filter(orphan);
        warnings.extend(orphans.map(|name| KeyDirWarning::Orphan(self.path().join(name))));
        drop(lock);
        let default_algorithm = self.options.default_algorithm;
        let warnings = warnings.iter().map(ToString::to_string).collect();
        Ok(KeyRing::new(RingParts { schedule, publics, loaded, secret, version, warnings, default_algorithm }, now))
    }

    /// Takes the lock. In a folder that is not a key folder, it does not even create the lock file.
    fn lock(&self, access: LockMode) -> Result<Option<File>, KeyDirError> {
        if !self.path().join(ring_file::NAME).exists() {
            if self.path().exists() {
                self.check_empty()?;
            }
            return Err(KeyDirError::Empty(self.path().to_owned()));
        }
        files::check_folder(self.path())?;
        files::lock(self.path(), access)
    }

    /// Reads `ring.json`, which must have keys.
    fn contents(&self) -> Result<RingContents, KeyDirError> {
        let contents = RingContents::read(self.path())?;
        if contents.schedule.keys().is_empty() {
            return Err(KeyDirError::Empty(self.path().to_owned()));
        }
        Ok(contents)
    }

    fn secret(&self) -> Result<Arc<RingSecret>, KeyDirError> {
        let path = self.path().join(SECRET);
        let missing = || KeyDirError::SecretMissing(path.clone());
        let bytes = files::read(&path).map_err(|error| files::map_not_found(error, missing))?;
        let length = bytes.expose().len();
        let array = bytes.expose().try_into().map_err(|_| KeyDirError::SecretLength { path, length })?;
        Ok(Arc::new(RingSecret::new(Zeroizing::new(array))))
    }

    fn pem_path(&self, kid: &Kid) -> PathBuf {
        self.path().join(files::key_file(kid))
    }

    /// Opens and tests the file of a key. Also returns whether the file is encrypted.
    fn private_half(&self, kid: &Kid) -> Result<(KeyPair, bool), KeyDirError> {
        let path = self.pem_path(kid);
        let text = self.private_text(kid)?;
        let opened = read_pair(&text, self.options.passphrase.as_ref());
        let (pair, encrypted) = opened.map_err(|problem| KeyDirError::PrivateKey { path: path.clone(), problem })?;
        let actual = pair.public().kid();
        if actual != kid {
            let problem = PrivateKeyProblem::OtherKey(actual.clone());
            return Err(KeyDirError::PrivateKey { path, problem });
        }
        Ok((pair, encrypted))
    }

    fn private_text(&self, kid: &Kid) -> Result<SecretBytes, KeyDirError> {
        let path = self.pem_path(kid);
        let read = files::read(&path);
        let missing = || KeyDirError::PrivateKey { path, problem: PrivateKeyProblem::Missing };
        read.map_err(|error| files::map_not_found(error, missing))
    }

    /// Checks that a folder without `ring.json` is empty. If it has other files, the ring was lost or the folder is not
    /// a key folder.
    ///
    /// The check runs once before the lock is taken, so that no lock file is created in a folder that is not a key
    /// folder. It runs again under the lock, because then no other process can be writing the files of a first start.
    fn check_empty(&self) -> Result<(), KeyDirError> {
        let mut names = files::names(self.path())?;
        if names.iter().any(|name| name == ring_file::NAME) {
            return Ok(());
        }
        names.retain(|name| !IGNORED_NAMES.contains(&name.as_str()) && !files::is_unfinished(name));
        let is_key_file = |name: &&String| *name == SECRET || files::key_name(name).is_some();
        let folder = self.path().to_owned();
        match (names.iter().find(is_key_file), names.first()) {
            (Some(found), _) => Err(KeyDirError::RingMissing { folder, found: found.clone() }),
            (None, Some(found)) => Err(KeyDirError::NotEmpty { folder, found: found.clone() }),
            (None, None) => Ok(()),
        }
    }

    /// Generates the secret and the first keys. It writes an empty `ring.json` first. After an interruption, this file
    /// shows that the other files are from an unfinished first start and not from a key folder whose `ring.json` was
    /// lost.
    fn first_start(&self) -> Result<(), KeyDirError> {
        files::make_private(self.path())?;
        let mut contents = RingContents::default();
        contents.write(self.path())?;
        if !self.path().join(SECRET).exists() {
            let bytes = Zeroizing::new(self.random.bytes::<{ RingSecret::LENGTH }>());
            files::replace(self.path(), SECRET, &*bytes)?;
        }
        let now = self.clock.now();
        for alg in Algorithm::ALL {
            let new_key = self.generate_key(alg)?;
            self.write_private_half(&new_key)?;
            let plan = contents.schedule.plan_rotation(alg, true);
            contents.schedule.rotate(&plan, new_key.kid.clone(), now, &NO_PREDECESSOR)?;
            contents.publics.insert(new_key.kid, Arc::new(new_key.public));
        }
        contents.write(self.path())
    }

    /// Generates a key, ready to be added. It is slow (RSA, scrypt), so the caller must not hold the lock. The
    /// exception is a first start: other processes cannot use the folder before its keys exist.
    fn generate_key(&self, alg: Algorithm) -> Result<NewKey, KeyDirError> {
        self.prepare_key(&KeyPair::generate(alg, self.options.rsa_bits)?)
    }

    fn prepare_key(&self, pair: &KeyPair) -> Result<NewKey, KeyDirError> {
        pair.self_test()?;
        let certificate = self_signed(pair, &self.options.certificate_name, self.clock.now())?;
        let pem = pem::write(&pair.to_pkcs8_der()?, self.options.passphrase.as_ref(), &self.random);
        Ok(NewKey {
            kid: pair.public().kid().clone(),
            pem: pem.map_err(KeyDirError::Encode)?,
            public: PublicHalf::new(pair.public().clone(), certificate)?,
        })
    }

    fn write_private_half(&self, new_key: &NewKey) -> Result<(), KeyDirError> {
        files::replace(self.path(), &files::key_file(&new_key.kid), new_key.pem.as_bytes())
    }
}

/// The policy for first keys. A first key has no predecessor, so all durations are unused.
const NO_PREDECESSOR: KeyPolicy = {
    let zero = std::time::Duration::ZERO;
    KeyPolicy { publish_ahead: zero, jwks_max_age: zero, longest_access: zero, leeway: zero, promised_until: None }
};

/// A generated or imported key that is not in the ring yet.
struct NewKey {
    kid: Kid,
    pem: Zeroizing<String>,
    public: PublicHalf,
}

/// Reads a private key from the text of a file and tests it. Also returns whether it was encrypted.
fn read_pair(text: &SecretBytes, passphrase: Option<&SecretText>) -> Result<(KeyPair, bool), PrivateKeyProblem> {
    let opened = pem::read(text.expose(), passphrase)?;
    let pair = KeyPair::from_pkcs8_der(&opened.pkcs8)?;
    pair.self_test()?;
    Ok((pair, opened.encrypted))
}
