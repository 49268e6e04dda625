//! Authenticated encryption of data in cookies, links and the database. An attacker can neither read the data nor
//! change it without being noticed.
//!
//! The cipher is AES-256-GCM with a key derived for one [`Use`]. Sealed data consists of a version byte (1), the key id
//! (4 bytes), a random nonce (12 bytes), the ciphertext and a tag (16 bytes). Version, key id and the caller's
//! associated data are authenticated, so that data sealed for one purpose cannot be opened for another.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::derive::{DerivedKeys, Use};
use crate::domain::secret::SecretBytes;
use crate::random::Random;

const VERSION: u8 = 1;
/// The length of version and key id in bytes.
const HEADER_LEN: usize = 5;

/// Why sealed data could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// The data is too short for a header and a nonce, or has an unknown version.
    #[error("the encrypted data has an unknown format")]
    Unknown,
    /// The data was sealed with another secret or for another use.
    #[error("the data was encrypted with a different `keys/secret`")]
    OtherKey,
    /// The data was changed, or sealed for another purpose.
    #[error("the encrypted data was changed, or is for another purpose")]
    Altered,
}

/// Seals and opens data with the key of one use.
///
/// Nonces are random. One key may seal 2³² times before the probability of a repeated nonce exceeds 2⁻³²
/// (NIST SP 800-38D §8.3).
pub struct Aead {
    key: LessSafeKey,
    header: [u8; HEADER_LEN],
}

impl Aead {
    /// Derives the key of one use.
    pub fn new(keys: &DerivedKeys, key_use: Use) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &*keys.key(key_use)).expect("an AES-256 key has 32 bytes");
        let [a, b, c, d] = keys.key_id(key_use);
        Self { key: LessSafeKey::new(key), header: [VERSION, a, b, c, d] }
    }

    /// Seals `plain`. The same associated data is needed to open it.
    pub fn seal(&self, associated_data: &[u8], plain: &[u8], random: &Random) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random.bytes();
        // Encryption in place, in a buffer that never grows, leaves no copy of the plaintext in memory.
        let mut body = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        body.extend_from_slice(plain);
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                self.authenticated(associated_data),
                &mut body,
            )
            .expect("AES-256-GCM accepts any length that fits in memory");
        [self.header.as_slice(), nonce.as_slice(), body.as_slice()].concat()
    }

    /// Opens data that [`Aead::seal`] sealed with the same associated data.
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

    /// Seals `plain` like [`Aead::seal`], and encodes it as base64url for a cookie or a link.
    pub fn seal_text(&self, associated_data: &[u8], plain: &[u8], random: &Random) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(associated_data, plain, random))
    }

    /// Opens a text that [`Aead::seal_text`] sealed with the same associated data. `None` for any other text.
    pub fn open_text(&self, associated_data: &[u8], sealed: &str) -> Option<SecretBytes> {
        self.open(associated_data, &URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()
    }

    fn authenticated(&self, associated_data: &[u8]) -> Aad<Vec<u8>> {
        Aad::from([self.header.as_slice(), associated_data].concat())
    }
}

impl fmt::Debug for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aead(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn aead(secret: u8) -> Aead {
        Aead::new(&DerivedKeys::new(&[secret; 32]), Use::MailEncryption)
    }

    fn opened(aead: &Aead, associated_data: &[u8], sealed: &[u8]) -> Result<Vec<u8>, UnsealError> {
        aead.open(associated_data, sealed).map(|plain| plain.expose().to_vec())
    }

    #[test]
    fn sealed_data_opens_only_with_its_associated_data() {
        let aead = aead(1);
        let random = Random::seeded(1);
        let sealed = aead.seal(b"mail", b"hello", &random);
        assert_eq!(opened(&aead, b"mail", &sealed), Ok(b"hello".to_vec()));
        assert_eq!(opened(&aead, b"link", &sealed), Err(UnsealError::Altered));
        assert_eq!(opened(&aead, b"mail", &aead.seal(b"mail", b"", &random)), Ok(Vec::new()));
    }

    #[test]
    fn sealed_data_of_another_key_is_reported_as_such() {
        let sealed = aead(1).seal(b"mail", b"hello", &Random::seeded(1));
        assert_eq!(opened(&aead(2), b"mail", &sealed), Err(UnsealError::OtherKey));
        let cookies = Aead::new(&DerivedKeys::new(&[1; 32]), Use::CookieEncryption);
        assert_eq!(opened(&cookies, b"mail", &sealed), Err(UnsealError::OtherKey));
    }

    #[test]
    fn sealing_is_randomised_and_hides_the_content() {
        let aead = aead(1);
        let random = Random::seeded(1);
        let one = aead.seal(b"mail", b"hello", &random);
        let other = aead.seal(b"mail", b"hello", &random);
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
            let aead = aead(1);
            let sealed = aead.seal(b"mail", &plain, &Random::seeded(1));
            prop_assert_eq!(opened(&aead, b"mail", &sealed), Ok(plain));
            let mut flipped = sealed.clone();
            flipped[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(aead.open(b"mail", &flipped).is_err());
            prop_assert!(aead.open(b"mail", &sealed[..at.index(sealed.len())]).is_err());
            let mut longer = sealed;
            longer.push(bit);
            prop_assert!(aead.open(b"mail", &longer).is_err());
        }
    }
}
