//! Parses and formats stored password hashes: PHC strings of argon2id, and hashes of other systems (parsing only).

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Params, Version};

use super::foreign_hash::ForeignHash;

/// The length of the output of a Countersign hash, in bytes.
pub(super) const OUTPUT_LENGTH: usize = 32;

/// The greatest memory (in KiB) and number of passes of a Countersign hash: the bounds of `passwords.memory_kib` and
/// `passwords.iterations`. A hash beyond them would be a denial of service at each sign-in.
const COST_MAX: (u32, u32) = (1 << 20, 20);

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
        let params = Params::try_from(&phc).ok()?;
        if params.m_cost() > COST_MAX.0 || params.t_cost() > COST_MAX.1 {
            return None;
        }
        Some(Self { params, salt: phc.salt?.as_ref().to_vec(), output: phc.hash?.as_bytes().try_into().ok()? })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_beyond_the_bounds_of_the_settings_is_unusable() {
        let hash = |cost: &str| {
            let output = "ntKwbpBpADmPM8nO2Blz4ZntKwbpBpADmPM8nO2Blz4";
            ParsedHash::read(&format!("$argon2id$v=19${cost},p=1$YSBzYWx0IG9mIHNpeHRlZW4${output}")).is_some()
        };
        assert!(hash("m=19456,t=2") && hash("m=1048576,t=1"));
        assert!(!hash("m=1048577,t=1") && !hash("m=8192,t=4000000"));
    }
}
