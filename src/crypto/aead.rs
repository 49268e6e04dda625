//! Seals: what is kept or handed out so that nobody else can read or change it.
//!
//! AES-256-GCM under a key derived for one [`Use`]. A sealed thing is a version byte (1), four bytes that name the
//! key, a random nonce of 12 bytes, the ciphertext and a tag of 16. Version, key and the caller's purpose are
//! authenticated with it, so that nothing sealed for one purpose opens for another.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::derive::{DerivedKeys, Use};
use crate::domain::secret::SecretBytes;
use crate::random::Random;

const VERSION: u8 = 1;
/// Version and name of the key.
const HEADER_LEN: usize = 5;

/// Why something sealed did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// It is too short, or of a version nobody made yet.
    #[error("it was not sealed by this program")]
    Unknown,
    /// It was sealed under another secret.
    #[error("it was sealed under another `keys/secret` than the present one")]
    OtherKey,
    /// It was changed, or sealed for another purpose.
    #[error("it was changed after it was sealed, or sealed for another purpose")]
    Altered,
}

/// Seals and opens under the key of one use.
///
/// Nonces are random: one key is good for 2³² seals before the odds of a repeated nonce pass 2⁻³² (NIST SP 800-38D §8.3).
pub struct Aead {
    key: LessSafeKey,
    header: [u8; HEADER_LEN],
}

impl Aead {
    /// The seal for one use.
    pub fn new(keys: &DerivedKeys, key_use: Use) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &*keys.key(key_use)).expect("an AES-256 key has 32 bytes");
        let [a, b, c, d] = keys.key_id(key_use);
        Self { key: LessSafeKey::new(key), header: [VERSION, a, b, c, d] }
    }

    /// Seals `plain` for a purpose, which must be given again to open it.
    pub fn seal(&self, associated_data: &[u8], plain: &[u8], random: &Random) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random.bytes();
        // In place, in a buffer that is never grown: no copy of the plain text is left behind.
        let mut body = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        body.extend_from_slice(plain);
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                self.authenticated(associated_data),
                &mut body,
            )
            .expect("AES-256-GCM seals anything that fits in memory");
        [self.header.as_slice(), nonce.as_slice(), body.as_slice()].concat()
    }

    /// Opens what [`Aead::seal`] made for the same purpose.
    pub fn open(&self, associated_data: &[u8], sealed: &[u8]) -> Result<SecretBytes, UnsealError> {
        let (header, rest) = sealed.split_first_chunk::<HEADER_LEN>().ok_or(UnsealError::Unknown)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(UnsealError::Unknown)?;
        if header[0] != VERSION {
            return Err(UnsealError::Unknown);
        }
        if *header != self.header {
            return Err(UnsealError::OtherKey);
        }
        let mut body = body.to_vec();
        let plain_len = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), self.authenticated(associated_data), &mut body)
            .map_err(|_| UnsealError::Altered)?
            .len();
        body.truncate(plain_len);
        Ok(SecretBytes::new(body))
    }

    fn authenticated(&self, associated_data: &[u8]) -> Aad<Vec<u8>> {
        Aad::from([self.header.as_slice(), associated_data].concat())
    }
}

impl fmt::Debug for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal_of(secret: u8) -> Aead {
        Aead::new(&DerivedKeys::new(&[secret; 32]), Use::MailSeal)
    }

    fn opened(seal: &Aead, associated_data: &[u8], sealed: &[u8]) -> Result<Vec<u8>, UnsealError> {
        seal.open(associated_data, sealed).map(|plain| plain.expose().to_vec())
    }

    #[test]
    fn sealed_data_opens_only_with_its_associated_data() {
        let seal = seal_of(1);
        let random = Random::seeded(1);
        let sealed = seal.seal(b"mail", b"hello", &random);
        assert_eq!(opened(&seal, b"mail", &sealed), Ok(b"hello".to_vec()));
        assert_eq!(opened(&seal, b"link", &sealed), Err(UnsealError::Altered));
        assert_eq!(opened(&seal, b"mail", &seal.seal(b"mail", b"", &random)), Ok(Vec::new()));
    }

    #[test]
    fn sealed_data_of_another_key_is_reported_as_such() {
        let sealed = seal_of(1).seal(b"mail", b"hello", &Random::seeded(1));
        assert_eq!(opened(&seal_of(2), b"mail", &sealed), Err(UnsealError::OtherKey));
        let cookies = Aead::new(&DerivedKeys::new(&[1; 32]), Use::CookieSeal);
        assert_eq!(opened(&cookies, b"mail", &sealed), Err(UnsealError::OtherKey));
    }

    #[test]
    fn sealing_is_randomised_and_hides_the_content() {
        let seal = seal_of(1);
        let random = Random::seeded(1);
        let one = seal.seal(b"mail", b"hello", &random);
        let other = seal.seal(b"mail", b"hello", &random);
        assert_ne!(one, other);
        assert!(!one.windows(5).any(|window| window == b"hello"));
    }

    proptest! {
        #[test]
        fn a_changed_bit_or_length_is_rejected(
            plain in prop::collection::vec(any::<u8>(), 0..80),
            at in any::<prop::sample::Index>(),
            bit in 0..8u8,
        ) {
            let seal = seal_of(1);
            let sealed = seal.seal(b"mail", &plain, &Random::seeded(1));
            prop_assert_eq!(opened(&seal, b"mail", &sealed), Ok(plain));
            let mut flipped = sealed.clone();
            flipped[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(seal.open(b"mail", &flipped).is_err());
            prop_assert!(seal.open(b"mail", &sealed[..at.index(sealed.len())]).is_err());
            let mut longer = sealed;
            longer.push(bit);
            prop_assert!(seal.open(b"mail", &longer).is_err());
        }
    }
}
