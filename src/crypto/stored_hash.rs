//! What the database keeps of a password, read and written: PHC strings of argon2id, or another system's hash.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Params, Version};

use super::foreign_hash::ForeignHash;

/// The length of a hash of ours in bytes.
pub(super) const OUTPUT: usize = 32;

/// A stored hash that can be compared with.
pub(super) enum ParsedHash {
    /// One of ours.
    Own(OwnArgon2),
    /// Another system's. It costs what it costs there, until its owner has signed in once.
    Foreign(ForeignHash),
}

impl ParsedHash {
    /// None where no password opens it.
    pub(super) fn read(text: &str) -> Option<Self> {
        OwnArgon2::parse(text).map(Self::Own).or_else(|| ForeignHash::parse(text).ok().map(Self::Foreign))
    }
}

/// An argon2id hash of ours, taken apart.
pub(super) struct OwnArgon2 {
    pub(super) params: Params,
    pub(super) salt: Vec<u8>,
    pub(super) output: [u8; OUTPUT],
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

/// The PHC string of a hash: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
pub(super) fn phc(params: &Params, salt: &[u8], output: &[u8]) -> Option<String> {
    let made = Phc {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(output).ok()?),
    };
    Some(made.to_string())
}
