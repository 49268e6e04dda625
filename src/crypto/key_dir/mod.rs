//! The folder of keys: the one place that reads and writes private halves. Makes it at the first start, opens and
//! checks everything in it, hands out snapshots ([`KeyRing`]), and changes it under a lock (`change`).
//!
//! `ring.json` is the truth. A private half is written before the ring names it and removed after the ring has let go
//! of it, so whoever is cut off at any moment leaves a ring that can be gone on from, and at worst an orphaned file.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::crypto::certificate::self_signed;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::key_ring::{KeyRing, LoadedKey, PublicHalf, RingParts, RingSecret};
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
pub use files::RingVersion;
pub use ring_file::check_ring;

use files::LockMode;
use ring_file::RingContents;

/// The file of the symmetric secret.
const SECRET: &str = "secret";

/// What may be in an empty folder: what this project ships in it, and what is there of itself on a fresh disk.
const NOT_COUNTED: [&str; 4] = [".gitignore", ".lock", "README.md", "lost+found"];

/// How keys are kept and made.
#[derive(Clone, Debug)]
pub struct KeyDirOptions {
    /// The folder (`keys_dir`).
    pub path: PathBuf,
    /// Encrypts the private halves (`keys.passphrase`); without one they are plain.
    pub passphrase: Option<SecretText>,
    /// The size of new RSA keys in bits: 2048, 3072 or 4096 (`keys.rsa_bits`).
    pub rsa_bits: u32,
    /// Whom new certificates name: the issuer's host.
    pub certificate_name: String,
    /// The default signer's algorithm (`tokens.algorithm`), whose keys come first in the JWKS.
    pub default_algorithm: Algorithm,
}

/// The folder of keys. It holds nothing of it: what it says is read each time, as other processes change it too.
#[derive(Debug)]
pub struct KeyDir {
    options: KeyDirOptions,
    clock: Clock,
    random: Random,
}

impl KeyDir {
    /// Names the folder, and touches nothing. The clock is handed in whole, as a change takes the time under the lock:
    /// waiting for it, and for an RSA key, may take seconds.
    pub fn new(options: KeyDirOptions, clock: Clock, random: Random) -> Self {
        Self { options, clock, random }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.options.path
    }

    /// Opens the folder for a server: makes the keys if it is empty (or a first start was cut off in it), one active
    /// key for each algorithm, then does as [`KeyDir::open`] does. Overwrites nothing.
    pub fn start(&self) -> Result<KeyRing, KeyDirError> {
        if self.contents().is_ok() {
            return self.open();
        }
        files::make_folder(self.path())?;
        self.check_empty()?;
        let lock = files::lock(self.path(), LockMode::Write)?;
        let begun = match RingContents::read(self.path()) {
            Ok(contents) if !contents.schedule.keys().is_empty() => true,
            Ok(_) => false,
            Err(KeyDirError::Empty(_)) => {
                self.check_empty()?;
                false
            }
            Err(error) => return Err(error),
        };
        if !begun {
            self.first_start()?;
        }
        drop(lock);
        self.open()
    }

    /// Opens a folder that has keys. Every private half that is kept is opened, must be its file's key, and signs and
    /// verifies once; whatever is damaged, missing or open to others is an error that names itself.
    pub fn open(&self) -> Result<KeyRing, KeyDirError> {
        self.load(None)
    }

    /// The keys' dates alone, for which no private half is opened.
    pub fn schedule(&self) -> Result<Schedule, KeyDirError> {
        let _lock = self.lock(LockMode::Read)?;
        Ok(self.contents()?.schedule)
    }

    /// Takes up what has changed in the folder. Private halves that `previous` holds are not opened again; one that
    /// has come in and can't be opened is a warning, so that its public half is published nevertheless.
    pub fn reload(&self, previous: &KeyRing) -> Result<KeyRing, KeyDirError> {
        self.load(Some(previous))
    }

    /// Which `ring.json` is there: one look at the file's entry, cheap enough for every second.
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
        let known: HashMap<Kid, Arc<LoadedKey>> = previous.into_iter().flat_map(KeyRing::loaded_keys).collect();
        for kid in schedule.keys().iter().filter(|key| key.has_private_half(now)).map(|key| &key.kid) {
            if let Some(known) = known.get(kid) {
                loaded.insert(kid.clone(), Arc::clone(known));
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
        // What else is held is dropped with the snapshot, unless it has to go on for a key that could not be opened.
        for (kid, known) in known {
            loaded.entry(kid).or_insert(known);
        }
        let orphan = |name: &String| files::key_name(name).is_some_and(|kid| !publics.contains_key(kid));
        let orphans = files::names(self.path())?.into_iter().filter(orphan);
        warnings.extend(orphans.map(|name| KeyDirWarning::Orphan(self.path().join(name))));
        drop(lock);
        let first = self.options.default_algorithm;
        Ok(KeyRing::new(RingParts { schedule, publics, loaded, secret, version, warnings, first }, now))
    }

    /// Takes the lock, unless the folder is none of ours: then not even the lock's file is made in it.
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

    /// The ring, which must have keys.
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
        let bytes = files::read(&path).map_err(|error| files::missing_as(error, missing))?;
        let length = bytes.expose().len();
        let array = bytes.expose().try_into().map_err(|_| KeyDirError::SecretLength { path, length })?;
        Ok(Arc::new(RingSecret::new(Zeroizing::new(array))))
    }

    fn pem_path(&self, kid: &Kid) -> PathBuf {
        self.path().join(files::key_file(kid))
    }

    /// Opens a key's file and proves it; also tells whether it was encrypted.
    fn private_half(&self, kid: &Kid) -> Result<(KeyPair, bool), KeyDirError> {
        let path = self.pem_path(kid);
        let text = self.private_text(kid)?;
        let opened = read_pair(&text, self.options.passphrase.as_ref());
        let (pair, encrypted) = opened.map_err(|problem| KeyDirError::PrivateKey { path: path.clone(), problem })?;
        let found = pair.public().kid();
        if found != kid {
            let problem = PrivateKeyProblem::OtherKey(found.clone());
            return Err(KeyDirError::PrivateKey { path, problem });
        }
        Ok((pair, encrypted))
    }

    fn private_text(&self, kid: &Kid) -> Result<SecretBytes, KeyDirError> {
        let path = self.pem_path(kid);
        let read = files::read(&path);
        let missing = || KeyDirError::PrivateKey { path, problem: PrivateKeyProblem::Missing };
        read.map_err(|error| files::missing_as(error, missing))
    }

    /// A folder without a ring must be empty: otherwise the ring was lost, or it is no folder of ours. Asked before the
    /// lock, so as to leave nothing in such a folder, and under it, when nobody else's first start can be under way.
    fn check_empty(&self) -> Result<(), KeyDirError> {
        let mut names = files::names(self.path())?;
        if names.iter().any(|name| name == ring_file::NAME) {
            return Ok(());
        }
        names.retain(|name| !NOT_COUNTED.contains(&name.as_str()) && !files::is_unfinished(name));
        let ours = |name: &&String| *name == SECRET || files::key_name(name).is_some();
        let folder = self.path().to_owned();
        match (names.iter().find(ours), names.first()) {
            (Some(found), _) => Err(KeyDirError::RingMissing { folder, found: found.clone() }),
            (None, Some(found)) => Err(KeyDirError::NotEmpty { folder, found: found.clone() }),
            (None, None) => Ok(()),
        }
    }

    /// An empty ring first: it says that what is found beside it was made by a first start, and not left by a loss.
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
            let fresh = self.make(alg)?;
            self.write_private_half(&fresh)?;
            let plan = contents.schedule.plan_rotation(alg, true);
            contents.schedule.rotate(&plan, fresh.kid.clone(), now, &NO_PREDECESSOR)?;
            contents.publics.insert(fresh.kid, Arc::new(fresh.public));
        }
        contents.write(self.path())
    }

    /// Makes a key, ready to come in. Slow (RSA, scrypt), so not under the lock while others may wait for it.
    fn make(&self, alg: Algorithm) -> Result<NewKey, KeyDirError> {
        self.prepare(&KeyPair::generate(alg, self.options.rsa_bits)?)
    }

    fn prepare(&self, pair: &KeyPair) -> Result<NewKey, KeyDirError> {
        pair.self_test()?;
        let certificate = self_signed(pair, &self.options.certificate_name, self.clock.now())?;
        let pem = pem::write(&pair.to_pkcs8_der()?, self.options.passphrase.as_ref(), &self.random);
        Ok(NewKey {
            kid: pair.public().kid().clone(),
            pem: pem.map_err(KeyDirError::Encode)?,
            public: PublicHalf::new(pair.public().clone(), certificate)?,
        })
    }

    fn write_private_half(&self, fresh: &NewKey) -> Result<(), KeyDirError> {
        files::replace(self.path(), &files::key_file(&fresh.kid), fresh.pem.as_bytes())
    }
}

/// A first key follows none, so none of these spans counts.
const NO_PREDECESSOR: KeyPolicy = {
    let none = std::time::Duration::ZERO;
    KeyPolicy { publish_ahead: none, jwks_max_age: none, longest_access: none, leeway: none, promised_until: None }
};

/// A key that was made or read, and is not in the ring yet.
struct NewKey {
    kid: Kid,
    pem: Zeroizing<String>,
    public: PublicHalf,
}

/// Reads a private key out of a file's text, and proves it; also tells whether it was encrypted.
fn read_pair(text: &SecretBytes, passphrase: Option<&SecretText>) -> Result<(KeyPair, bool), PrivateKeyProblem> {
    let opened = pem::read(text.expose(), passphrase)?;
    let pair = KeyPair::from_pkcs8_der(&opened.pkcs8)?;
    pair.self_test()?;
    Ok((pair, opened.encrypted))
}
