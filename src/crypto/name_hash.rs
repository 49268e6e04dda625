//! The keyed hash of user names that no user has. The rate limits count such names by it. Without the key, an attacker
//! cannot choose names with the same hash, and every server of an issuer gets the same hash.

use std::fmt;

use aws_lc_rs::hmac;

use super::derive::{DerivedKeys, Use, hmac_parts};

/// Hashes unknown user names.
pub struct NameHasher(hmac::Key);

impl NameHasher {
    /// Derives the key.
    pub fn new(keys: &DerivedKeys) -> Self {
        Self(keys.mac_key(Use::UnknownName))
    }

    /// The first 8 bytes of the HMAC-SHA256 of a look-up key.
    pub fn hash(&self, name_key: &str) -> u64 {
        let mac = hmac_parts(&self.0, &[name_key.as_bytes()]);
        mac.into_iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(byte))
    }
}

impl fmt::Debug for NameHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameHasher(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_the_name_and_the_key() {
        let hash = |secret, name| NameHasher::new(&DerivedKeys::new(&[secret; 32])).hash(name);
        assert_eq!(hash(7, "ann"), hash(7, "ann"));
        assert_ne!(hash(7, "ann"), hash(7, "bob"));
        assert_ne!(hash(7, "ann"), hash(8, "ann"));
    }
}
