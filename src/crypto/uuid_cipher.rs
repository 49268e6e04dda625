//! A cipher whose plaintext and ciphertext are both version 4 UUIDs (RFC 9562 §5.4): FF1 (NIST SP 800-38G §5.1) with
//! AES-256, on the 122 free bits of such a UUID.
//!
//! An enciphered UUID carries a value that only a holder of the key can read, and the server stores nothing for it. The
//! cipher does not authenticate: a UUID that the server did not issue deciphers to a value that its sender could not
//! choose.

use std::fmt;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use uuid::{Uuid, Variant};

use super::derive::{DerivedKeys, Use};

const ROUNDS: u8 = 10;
/// The mask of one half of the free bits: 61 bits.
const HALF: u64 = (1 << 61) - 1;
/// FF1's block `P`. One byte each: version 1, method 2, addition 1. Three bytes: the radix 2. One byte each: ten
/// rounds, the length of a half. Four bytes each: the length of the text, the length of the tweak (0).
const FIRST: AesBlock = [1, 2, 1, 0, 0, 2, ROUNDS, 61, 0, 0, 0, 122, 0, 0, 0, 0];

type AesBlock = [u8; 16];

/// The cipher with one key.
pub(super) struct UuidCipher {
    aes: EncryptingKey,
    /// [`FIRST`], enciphered once, because the MAC of every round begins with it.
    first: AesBlock,
}

impl UuidCipher {
    /// Creates the cipher with the derived key of one use.
    pub(super) fn new(keys: &DerivedKeys, purpose: Use) -> Self {
        let key = UnboundCipherKey::new(&AES_256, &*keys.key(purpose)).expect("an AES-256 key has 32 bytes");
        let aes = EncryptingKey::ecb(key).expect("AES enciphers single blocks");
        Self { first: enciphered(&aes, FIRST), aes }
    }

    /// Enciphers a version 4 UUID.
    pub(super) fn encipher(&self, plain: Uuid) -> Uuid {
        let (mut a, mut b) = halves(plain);
        for round in 0..ROUNDS {
            (a, b) = (b, a.wrapping_add(self.mac(round, b)) & HALF);
        }
        whole(a, b)
    }

    /// Deciphers a UUID, or returns `None` for another version than 4, which [`UuidCipher::encipher`] never returns.
    pub(super) fn decipher(&self, uuid: Uuid) -> Option<Uuid> {
        if uuid.get_version_num() != 4 || uuid.get_variant() != Variant::RFC4122 {
            return None;
        }
        let (mut a, mut b) = halves(uuid);
        for round in (0..ROUNDS).rev() {
            (a, b) = (b.wrapping_sub(self.mac(round, a)) & HALF, a);
        }
        Some(whole(a, b))
    }

    /// The low 64 bits of FF1's `y`, which are enough for a sum modulo 2⁶¹. `y` is the number in the first twelve bytes
    /// of the CBC-MAC over [`FIRST`] and the block of this round.
    fn mac(&self, round: u8, half: u64) -> u64 {
        let mut block = self.first;
        block[7] ^= round;
        for (byte, half_byte) in block[8..].iter_mut().zip(half.to_be_bytes()) {
            *byte ^= half_byte;
        }
        let [_, _, _, _, number @ .., _, _, _, _] = enciphered(&self.aes, block);
        u64::from_be_bytes(number)
    }
}

impl fmt::Debug for UuidCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UuidCipher(…)")
    }
}

fn enciphered(aes: &EncryptingKey, mut block: AesBlock) -> AesBlock {
    aes.encrypt(&mut block).expect("the input is one block");
    block
}

/// The free bits of a UUID, in two halves. 48 bits are before the version, 12 after it, and 62 after the variant.
fn halves(uuid: Uuid) -> (u64, u64) {
    let (high, low) = uuid.as_u64_pair();
    ((high >> 16) << 13 | (high & 0xfff) << 1 | (low >> 61) & 1, low & HALF)
}

/// The version 4 UUID with the given free bits.
fn whole(a: u64, b: u64) -> Uuid {
    Uuid::from_u64_pair((a >> 13) << 16 | 4 << 12 | (a >> 1) & 0xfff, 1 << 63 | (a & 1) << 61 | b)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::AES_128;
    use proptest::prelude::*;

    use super::*;

    fn aes(key: &[u8]) -> EncryptingKey {
        let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
        EncryptingKey::ecb(UnboundCipherKey::new(algorithm, key).expect("a key")).expect("a cipher")
    }

    /// FF1 step by step as in the standard, without a tweak, for any even length. It is slow.
    fn ff1(aes: &EncryptingKey, radix: u128, text: &[u128]) -> Vec<u128> {
        let number = |digits: &[u128]| digits.iter().fold(0, |number, digit| number * radix + digit);
        let n = text.len();
        let u = text.len() / 2;
        let mut a = text[..u].to_vec();
        let mut b = text[u..].to_vec();
        let bits = (0..128).find(|bits| radix.pow(u32::try_from(u).expect("few")) <= 1 << bits).expect("it fits");
        let bytes = usize::div_ceil(bits, 8);
        let first = [&[1, 2, 1, 0, 0], &[radix.to_be_bytes()[15], 10, u.to_be_bytes()[7], 0, 0, 0][..]].concat();
        let first = [&first[..], &[n.to_be_bytes()[7], 0, 0, 0, 0]].concat();
        for round in 0..10 {
            let mut second = [0; 16];
            second[15 - bytes] = round;
            second[16 - bytes..].copy_from_slice(&number(&b).to_be_bytes()[16 - bytes..]);
            let chained: Vec<u8> = enciphered(aes, first.as_slice().try_into().expect("a block"))
                .iter()
                .zip(second)
                .map(|(a, b)| a ^ b)
                .collect();
            let mac = enciphered(aes, chained.as_slice().try_into().expect("a block"));
            let length = 4 * bytes.div_ceil(4) + 4;
            let mut wide = [0; 16];
            wide[16 - length..].copy_from_slice(&mac[..length]);
            let modulus = radix.pow(u32::try_from(u).expect("few"));
            let mut sum = (number(&a) + u128::from_be_bytes(wide) % modulus) % modulus;
            let mut digits = vec![0; u];
            for digit in digits.iter_mut().rev() {
                (*digit, sum) = (sum % radix, sum / radix);
            }
            (a, b) = (b, digits);
        }
        [a, b].concat()
    }

    /// The free bits of a UUID, most significant bit first.
    fn bits(uuid: Uuid) -> Vec<u128> {
        let free = (0..128).filter(|at| !(48..52).contains(at) && !(64..66).contains(at));
        free.map(|at| uuid.as_u128() >> (127 - at) & 1).collect()
    }

    /// Samples 1 and 7 of the FF1 examples that NIST published.
    #[test]
    fn ff1_matches_the_nist_samples() {
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let longer = [key, 0xef43_59d8_d580_aa4f_7f03_6d6f_04fc_6a94_u128.to_be_bytes()].concat();
        let digits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(ff1(&aes(&key), 10, &digits), [2, 4, 3, 3, 4, 7, 7, 4, 8, 4]);
        assert_eq!(ff1(&aes(&longer), 10, &digits), [6, 6, 5, 7, 6, 6, 7, 0, 0, 9]);
    }

    proptest! {
        #[test]
        fn the_uuid_cipher_is_ff1_and_reversible(secret in any::<[u8; 32]>(), random in any::<[u8; 16]>()) {
            let keys = DerivedKeys::new(&secret);
            let cipher = UuidCipher::new(&keys, Use::RefreshUuid);
            let plain = uuid::Builder::from_random_bytes(random).into_uuid();
            let enciphered = cipher.encipher(plain);
            prop_assert_eq!((enciphered.get_version_num(), enciphered.get_variant()), (4, Variant::RFC4122));
            prop_assert_eq!(bits(enciphered), ff1(&aes(&*keys.key(Use::RefreshUuid)), 2, &bits(plain)));
            prop_assert_eq!(cipher.decipher(enciphered), Some(plain));
            prop_assert_eq!(cipher.decipher(plain).map(|deciphered| cipher.encipher(deciphered)), Some(plain));
        }

        #[test]
        fn a_uuid_of_another_version_is_rejected(bytes in any::<[u8; 16]>()) {
            let cipher = UuidCipher::new(&DerivedKeys::new(&[7; 32]), Use::RefreshUuid);
            let uuid = Uuid::from_bytes(bytes);
            let is_version_4 = uuid.get_version_num() == 4 && uuid.get_variant() == Variant::RFC4122;
            prop_assert_eq!(cipher.decipher(uuid).is_some(), is_version_4);
        }
    }
}
