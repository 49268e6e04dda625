//! The keyed hash of reset secrets. The database stores only this hash. From a hash without a key, an attacker could
//! find the 60 bits of a reset code by trial.

use std::fmt;

use aws_lc_rs::hmac;

use super::derive::{DerivedKeys, Use, hmac_parts};
use crate::domain::reset_code::ResetSecret;

/// Hashes reset codes and the tokens of reset links.
pub struct ResetHasher(hmac::Key);

impl ResetHasher {
    /// Derives the key.
    pub fn new(keys: &DerivedKeys) -> Self {
        Self(keys.mac_key(Use::ResetCode))
    }

    /// HMAC-SHA256 of the canonical form of the secret, so every spelling has the same hash.
    pub fn hash(&self, secret: &ResetSecret) -> [u8; 32] {
        hmac_parts(&self.0, &[secret.expose()])
    }
}

impl fmt::Debug for ResetHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetHasher(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reset_code::Delivery;

    #[test]
    fn every_spelling_of_a_code_has_the_same_hash() {
        let hasher = ResetHasher::new(&DerivedKeys::new(&[7; 32]));
        let other = ResetHasher::new(&DerivedKeys::new(&[8; 32]));
        let code = |text: &str| ResetSecret::parse(Delivery::Code, text);
        let hash = |text: &str| code(text).map(|code| hasher.hash(&code));
        assert!(hash("0123-4567-89AB").is_some());
        assert_eq!(hash("0123-4567-89AB"), hash("o1234567 89ab"));
        assert_ne!(hash("0123-4567-89AB"), hash("0123-4567-89AC"));
        assert_ne!(hash("0123-4567-89AB"), code("0123-4567-89AB").map(|code| other.hash(&code)));
    }
}
