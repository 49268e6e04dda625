//! The stored form of a key ring: the dates, public half and certificate of every key, as JSON without any secret. It
//! knows no storage.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::crypto::jwk::Jwk;
use crate::crypto::key_error::KeyError;
use crate::crypto::key_pair::PublicKey;
use crate::domain::key::{InvalidDates, Key, Kid, Schedule};

/// The format version that is written, and the only version that is read.
const VERSION: u64 = 1;

/// The part of a key's public data that never changes.
pub struct PublicHalf {
    pub(super) key: PublicKey,
    pub(super) spki_pem: String,
    pub(super) certificate_pem: String,
}

impl PublicHalf {
    /// Takes a public key and its certificate in PEM.
    ///
    /// # Errors
    /// The key cannot be encoded as PEM.
    pub fn new(key: PublicKey, certificate_pem: String) -> Result<Self, KeyError> {
        Ok(Self { spki_pem: key.spki_pem()?, key, certificate_pem })
    }
}

/// The dates and public halves of all keys.
#[derive(Default)]
pub struct RingContents {
    /// The dates of the keys.
    pub schedule: Schedule,
    /// The public half of every key in the schedule.
    pub publics: HashMap<Kid, Arc<PublicHalf>>,
}

/// What is wrong with a stored ring.
#[derive(Debug, thiserror::Error)]
pub enum RingProblem {
    /// The structure is invalid.
    #[error("invalid key ring: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The format version is unknown. Probably a later version of Countersign wrote the ring.
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
    /// What the operator should do.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Version(_) => "use the version of Countersign that wrote it, or restore it from a backup",
            _ => "restore it from a backup",
        }
    }
}

#[derive(Deserialize)]
struct VersionHeader {
    version: u64,
}

#[derive(Deserialize)]
struct StoredRing {
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

impl RingContents {
    /// Parses a stored ring, and checks its version, dates and public halves.
    pub fn parse(bytes: &[u8]) -> Result<Self, RingProblem> {
        // The version is checked first, because a later version may have another structure.
        let VersionHeader { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(RingProblem::Version(version));
        }
        let StoredRing { keys: entries } = serde_json::from_slice(bytes)?;
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

    /// The text that [`RingContents::parse`] reads.
    ///
    /// # Errors
    /// The public half of a key is missing.
    pub fn to_json(&self) -> Result<Vec<u8>, RingProblem> {
        let mut ring = WrittenRing { version: VERSION, keys: Vec::new() };
        for key in self.schedule.keys() {
            let missing = || RingProblem::Jwk(key.kid.clone(), KeyError::Jwk);
            let public = self.publics.get(&key.kid).ok_or_else(missing)?;
            ring.keys.push(WrittenEntry { key, jwk: public.key.jwk(), certificate: &public.certificate_pem });
        }
        let mut json = serde_json::to_vec_pretty(&ring)?;
        json.push(b'\n');
        Ok(json)
    }
}
