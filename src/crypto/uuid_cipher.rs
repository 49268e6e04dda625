//! A cipher whose plaintext and ciphertext are both version 4 UUIDs (RFC 9562 §5.4): FF1 (NIST SP 800-38G §5.1) with
//! AES-256, on the 122 free bits of such a UUID.
//!
//! An encrypted UUID contains a value that only a holder of the key can read, so the server does not have to store this
//! value. The cipher does not authenticate: every version 4 UUID decrypts to some value. A sender without the key
//! cannot choose that value.

use std::fmt;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use uuid::{Uuid, Variant};

use super::derive::{DerivedKeys, Use};

const ROUNDS: u8 = 10;
/// The mask of one half of the free bits: 61 bits.
const HALF_MASK: u64 = (1 << 61) - 1;
/// FF1's block `P`: the constants 1, 2 and 1 (one byte each), the radix 2 (three bytes), the number of rounds and the
/// length of a half, 61 (one byte each), the length of the text, 122, and the length of the tweak, 0 (four bytes each).
const FIRST_BLOCK: AesBlock = [1, 2, 1, 0, 0, 2, ROUNDS, 61, 0, 0, 0, 122, 0, 0, 0, 0];

type AesBlock = [u8; 16];

/// The cipher with one key.
pub(super) struct UuidCipher {
    aes: EncryptingKey,
    /// [`FIRST_BLOCK`], encrypted once, because the MAC of every round begins with it.
    first: AesBlock,
}

impl UuidCipher {
    /// Creates the cipher with the key that is derived for `purpose`.
    pub(super) fn new(keys: &DerivedKeys, purpose: Use) -> Self {
        let key = UnboundCipherKey::new(&AES_256, &*keys.key(purpose)).expect("an AES-256 key has 32 bytes");
        let aes = EncryptingKey::ecb(key).expect("AES encrypts single blocks");
        Self { first: encrypt_block(&aes, FIRST_BLOCK), aes }
    }

    /// Encrypts a version 4 UUID.
    pub(super) fn encrypt(&self, plain: Uuid) -> Uuid {
        let (mut a, mut b) = split_halves(plain);
        for round in 0..ROUNDS {
            (a, b) = (b, a.wrapping_add(self.mac(round, b)) & HALF_MASK);
        }
        join_halves(a, b)
    }

    /// Decrypts a UUID. Returns `None` for another version than 4, which [`UuidCipher::encrypt`] never returns.
    pub(super) fn decrypt(&self, uuid: Uuid) -> Option<Uuid> {
        if uuid.get_version_num() != 4 || uuid.get_variant() != Variant::RFC4122 {
            return None;
        }
        let (mut a, mut b) = split_halves(uuid);
        for round in (0..ROUNDS).rev() {
            (a, b) = (b.wrapping_sub(self.mac(round, a)) & HALF_MASK, a);
        }
        Some(join_halves(a, b))
    }

    /// The low 64 bits of FF1's `y`, which are enough for a sum modulo 2⁶¹. `y` is the number in the first twelve bytes
    /// of the CBC-MAC over [`FIRST_BLOCK`] and the block of this round.
    fn mac(&self, round: u8, half: u64) -> u64 {
        let mut block = self.first;
        block[7] ^= round;
        for (byte, half_byte) in block[8..].iter_mut().zip(half.to_be_bytes()) {
            *byte ^= half_byte;
        }
        let [_, _, _, _, number @ .., _, _, _, _] = encrypt_block(&self.aes, block);
        u64::from_be_bytes(number)
    }
}

impl fmt::Debug for UuidCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UuidCipher(…)")
    }
}

fn encrypt_block(aes: &EncryptingKey, mut block: AesBlock) -> AesBlock {
    aes.encrypt(&mut block).expect("the input is one block");
    block
}

/// The free bits of a UUID, in two halves. 48 bits are before the version, 12 after it, and 62 after the variant.
fn split_halves(uuid: Uuid) -> (u64, u64) {
    let (high, low) = uuid.as_u64_pair();
    ((high >> 16) << 13 | (high & 0xfff) << 1 | (low >> 61) & 1, low & HALF_MASK)
}

/// The version 4 UUID with the given free bits.
fn join_halves(a: u64, b: u64) -> Uuid {
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
        let bits = (0..128)
            .find(|bits| radix.pow(u32::try_from(u).expect("half the length fits in 32 bits")) <= 1 << bits)
            .expect("the radix power fits in 127 bits");
        let bytes = usize::div_ceil(bits, 8);
        let first = [&[1, 2, 1, 0, 0], &[radix.to_be_bytes()[15], 10, u.to_be_bytes()[7], 0, 0, 0][..]].concat();
        let first = [&first[..], &[n.to_be_bytes()[7], 0, 0, 0, 0]].concat();
        for round in 0..10 {
            let mut second = [0; 16];
            second[15 - bytes] = round;
            second[16 - bytes..].copy_from_slice(&number(&b).to_be_bytes()[16 - bytes..]);
            let chained: Vec<u8> = encrypt_block(aes, first.as_slice().try_into().expect("a block"))
                .iter()
                .zip(second)
                .map(|(a, b)| a ^ b)
                .collect();
            let mac = encrypt_block(aes, chained.as_slice().try_into().expect("a block"));
            let length = 4 * bytes.div_ceil(4) + 4;
            let mut sixteen_bytes = [0; 16];
            sixteen_bytes[16 - length..].copy_from_slice(&mac[..length]);
            let modulus = radix.pow(u32::try_from(u).expect("half the length fits in 32 bits"));
            let mut sum = (number(&a) + u128::from_be_bytes(sixteen_bytes) % modulus) % modulus;
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
        let free = (0..128).filter(|index| !(48..52).contains(index) && !(64..66).contains(index));
        free.map(|index| uuid.as_u128() >> (127 - index) & 1).collect()
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
            let encrypted = cipher.encrypt(plain);
            prop_assert_eq!((encrypted.get_version_num(), encrypted.get_variant()), (4, Variant::RFC4122));
            prop_assert_eq!(bits(encrypted), ff1(&aes(&*keys.key(Use::RefreshUuid)), 2, &bits(plain)));
            prop_assert_eq!(cipher.decrypt(encrypted), Some(plain));
            prop_assert_eq!(cipher.decrypt(plain).map(|decrypted| cipher.encrypt(decrypted)), Some(plain));
        }

        #[test]
        fn a_uuid_of_another_version_is_rejected(bytes in any::<[u8; 16]>()) {
            let cipher = UuidCipher::new(&DerivedKeys::new(&[7; 32]), Use::RefreshUuid);
            let uuid = Uuid::from_bytes(bytes);
            let is_version_4 = uuid.get_version_num() == 4 && uuid.get_variant() == Variant::RFC4122;
            prop_assert_eq!(cipher.decrypt(uuid).is_some(), is_version_4);
        }
    }
}
