//! `ring.json`: the dates, public half and certificate of every key. It is authoritative for the ring and contains no
//! secret.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{KeyDirError, RingProblem};
use super::files;
use crate::crypto::jwk::Jwk;
use crate::crypto::key_error::KeyError;
use crate::crypto::key_pair::PublicKey;
use crate::crypto::key_ring::PublicHalf;
use crate::domain::key::{Key, Kid, Schedule};

/// The name of the file.
pub(super) const NAME: &str = "ring.json";
/// The format version that is written, and the only version that is read.
const VERSION: u64 = 1;

/// The parsed content of the file.
#[derive(Default)]
pub(super) struct RingContents {
    pub(super) schedule: Schedule,
    pub(super) publics: HashMap<Kid, Arc<PublicHalf>>,
}

#[derive(Deserialize)]
struct VersionHeader {
    version: u64,
}

#[derive(Deserialize)]
struct RingFile {
    keys: Vec<RingEntry>,
}

#[derive(Deserialize)]
struct RingEntry {
    #[serde(flatten)]
    key: Key,
    jwk: Jwk,
    certificate: String,
}

#[derive(Serialize)]
struct WrittenRing<'a> {
    version: u64,
    keys: Vec<WrittenEntry<'a>>,
}

#[derive(Serialize)]
struct WrittenEntry<'a> {
    #[serde(flatten)]
    key: &'a Key,
    jwk: &'a Jwk,
    certificate: &'a str,
}

/// Checks the text of a `ring.json`: its version, dates and public halves.
pub fn check_ring(text: &[u8]) -> Result<(), RingProblem> {
    RingContents::parse(text).map(drop)
}

impl RingContents {
    /// Reads the ring of a folder. A missing `ring.json` is [`KeyDirError::Empty`].
    pub(super) fn read(folder: &Path) -> Result<Self, KeyDirError> {
        let path = folder.join(NAME);
        let empty = || KeyDirError::Empty(folder.to_owned());
        let bytes = files::read(&path).map_err(|error| files::map_not_found(error, empty))?;
        Self::parse(bytes.expose()).map_err(|problem| KeyDirError::Ring { path, problem })
    }

    fn parse(bytes: &[u8]) -> Result<Self, RingProblem> {
        // The version is checked first, because a later version may have another structure.
        let VersionHeader { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(RingProblem::Version(version));
        }
        let RingFile { keys: entries } = serde_json::from_slice(bytes)?;
        let mut publics = HashMap::new();
        let mut keys = Vec::new();
        for RingEntry { key, jwk, certificate } in entries {
            let public = if jwk.kid == key.kid && jwk.alg == key.alg {
                PublicKey::from_jwk(&jwk).and_then(|public| PublicHalf::new(public, certificate))
            } else {
                Err(KeyError::Jwk)
            };
            let public = public.map_err(|problem| RingProblem::Jwk(key.kid.clone(), problem))?;
            publics.insert(key.kid.clone(), Arc::new(public));
            keys.push(key);
        }
        Ok(Self { schedule: Schedule::new(keys)?, publics })
    }

    /// Replaces the ring of a folder. The caller must hold the write lock.
    pub(super) fn write(&self, folder: &Path) -> Result<(), KeyDirError> {
        let problem = |problem| KeyDirError::Ring { path: folder.join(NAME), problem };
        let mut ring = WrittenRing { version: VERSION, keys: Vec::new() };
        for key in self.schedule.keys() {
            let missing = || problem(RingProblem::Jwk(key.kid.clone(), KeyError::Jwk));
            let public = self.publics.get(&key.kid).ok_or_else(missing)?;
            ring.keys.push(WrittenEntry { key, jwk: public.key.jwk(), certificate: &public.certificate_pem });
        }
        let mut json = serde_json::to_vec_pretty(&ring).map_err(|error| problem(error.into()))?;
        json.push(b'\n');
        files::replace(folder, NAME, &json)
    }
}
