//! The closed set of signature algorithms (RFC 7518 §3.1). One table in `crypto` has their cryptographic properties.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::closed_set::closed_set;

closed_set! {
    /// A JWS algorithm that Countersign signs with; the default one is first. Its name is the JWS `alg` name, and it is
    /// serialised as its name.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    pub enum Algorithm {
        /// ECDSA over P-256 with SHA-256.
        #[serde(rename = "ES256")]
        Es256 = "ES256",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        #[serde(rename = "RS256")]
        Rs256 = "RS256",
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is not an algorithm that Countersign signs with. Names are case-sensitive.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown algorithm `{name}`; use {known}", name = .0, known = Algorithm::NAMES.join(" or "))]
pub struct UnknownAlgorithm(pub String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|alg| alg.name() == name).ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}
