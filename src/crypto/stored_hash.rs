//! Parses and formats stored password hashes: PHC strings of argon2id, and hashes of other systems (parsing only).

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Params, Version};

use super::foreign_hash::ForeignHash;

/// The length of the output of a Countersign hash, in bytes.
pub(super) const OUTPUT_LENGTH: usize = 32;

/// A stored hash that a password can be checked against.
pub(super) enum ParsedHash {
    /// An argon2id hash in the form that Countersign writes.
    Own(OwnArgon2),
    /// A hash of another system. It keeps its original cost until the user signs in for the first time.
    Foreign(ForeignHash),
}

impl ParsedHash {
    /// Parses a stored hash. Returns `None` if it is malformed or has an unknown format, or if a hash of another system
    /// is too expensive to verify. Then every password is wrong.
    pub(super) fn read(text: &str) -> Option<Self> {
        OwnArgon2::parse(text).map(Self::Own).or_else(|| ForeignHash::parse(text).ok().map(Self::Foreign))
    }
}

/// A parsed argon2id hash of Countersign.
pub(super) struct OwnArgon2 {
    pub(super) params: Params,
    pub(super) salt: Vec<u8>,
    pub(super) output: [u8; OUTPUT_LENGTH],
}

impl OwnArgon2 {
    fn parse(text: &str) -> Option<Self> {
        let phc = Phc::new(text).ok()?;
        if phc.algorithm.as_str() != "argon2id" || phc.version != Some(u32::from(Version::V0x13)) {
            return None;
        }
        Some(Self {
            params: Params::try_from(&phc).ok()?,
            salt: phc.salt?.as_ref().to_vec(),
            output: phc.hash?.as_bytes().try_into().ok()?,
        })
    }
}

/// Formats a hash as a PHC string: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
pub(super) fn phc(params: &Params, salt: &[u8], output: &[u8]) -> Option<String> {
    let hash = Phc {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(output).ok()?),
    };
    Some(hash.to_string())
}
