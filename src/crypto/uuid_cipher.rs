//! Ciphers whose ciphertext is as long as the plaintext: FF1 (NIST SP 800-38G §5.1) on the 122 free bits of a version 4
//! UUID (RFC 9562 §5.4), and on the last 62 of these bits with a tweak of 16 bytes. Both use AES-256.
//!
//! An encrypted UUID contains a value that only a holder of the key can read, so the server does not have to store this
//! value. The cipher does not authenticate: every version 4 UUID decrypts to some value. A sender without the key
//! cannot choose that value.

use std::fmt;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use uuid::{Uuid, Variant};

use super::derive::{DerivedKeys, Use};

const ROUNDS: u8 = 10;
/// The bits of one half of a UUID's free bits.
const UUID_HALF: u8 = 61;
/// The bits of one half of the free bits in the last 8 bytes of a UUID.
const TAIL_HALF: u8 = 31;

type AesBlock = [u8; 16];

/// FF1 with one key on numbers of twice `HALF` bits, with a tweak of `TWEAK` bytes: 0 or 16. `HALF` is [`UUID_HALF`] or
/// [`TAIL_HALF`].
struct Ff1<const HALF: u8, const TWEAK: u8> {
    aes: EncryptingKey,
    /// FF1's block `P`, encrypted once, because the MAC of every round begins with it. With a tweak, the tweak follows.
    first: AesBlock,
}

impl<const HALF: u8, const TWEAK: u8> Ff1<HALF, TWEAK> {
    const MASK: u64 = (1 << HALF) - 1;
    /// The bytes of the number of one half. FF1 calls them `b`.
    const BYTES: usize = (HALF as usize).div_ceil(8);
    /// The constants 1, 2 and 1 (one byte each), the radix 2 (three bytes), the number of rounds and the length of a
    /// half (one byte each), the length of the text and the length of the tweak (four bytes each).
    const FIRST_BLOCK: AesBlock = [1, 2, 1, 0, 0, 2, ROUNDS, HALF, 0, 0, 0, 2 * HALF, 0, 0, 0, TWEAK];

    fn new(keys: &DerivedKeys, purpose: Use) -> Self {
        let key = UnboundCipherKey::new(&AES_256, &*keys.key(purpose)).expect("an AES-256 key has 32 bytes");
        let aes = EncryptingKey::ecb(key).expect("AES encrypts single blocks");
        Self { first: encrypt_block(&aes, Self::FIRST_BLOCK), aes }
    }

    fn encrypt(&self, first: &AesBlock, (mut a, mut b): (u64, u64)) -> (u64, u64) {
        for round in 0..ROUNDS {
            (a, b) = (b, a.wrapping_add(self.mac(first, round, b)) & Self::MASK);
        }
        (a, b)
    }

    fn decrypt(&self, first: &AesBlock, (mut a, mut b): (u64, u64)) -> (u64, u64) {
        for round in (0..ROUNDS).rev() {
            (a, b) = (b.wrapping_sub(self.mac(first, round, a)) & Self::MASK, a);
        }
        (a, b)
    }

    /// The low 64 bits of FF1's `y`, which are enough for a sum modulo 2^`HALF`. `y` is the number in the first
    /// `BYTES` + 4 bytes of the CBC-MAC over `P`, the tweak and the block of this round. `first` is the CBC-MAC over `P`
    /// and the tweak.
    fn mac(&self, first: &AesBlock, round: u8, half: u64) -> u64 {
        let mut block = *first;
        block[15 - Self::BYTES] ^= round;
        for (byte, half_byte) in block[8..].iter_mut().zip(half.to_be_bytes()) {
            *byte ^= half_byte;
        }
        let mac = encrypt_block(&self.aes, block);
        let mut number = [0; 8];
        number.copy_from_slice(&mac[Self::BYTES - 4..Self::BYTES + 4]);
        u64::from_be_bytes(number)
    }
}

/// The cipher of UUIDs with one key.
pub(super) struct UuidCipher(Ff1<UUID_HALF, 0>);

impl UuidCipher {
    /// Creates the cipher with the key that is derived for `purpose`.
    pub(super) fn new(keys: &DerivedKeys, purpose: Use) -> Self {
        Self(Ff1::new(keys, purpose))
    }

    /// Encrypts a version 4 UUID.
    pub(super) fn encrypt(&self, plain: Uuid) -> Uuid {
        let (a, b) = self.0.encrypt(&self.0.first, split_halves(plain));
        join_halves(a, b)
    }

    /// Decrypts a UUID. Returns `None` for another version than 4, which [`UuidCipher::encrypt`] never returns.
    pub(super) fn decrypt(&self, uuid: Uuid) -> Option<Uuid> {
        if uuid.get_version_num() != 4 || uuid.get_variant() != Variant::RFC4122 {
            return None;
        }
        let (a, b) = self.0.decrypt(&self.0.first, split_halves(uuid));
        Some(join_halves(a, b))
    }
}

/// The cipher of the last 62 free bits of a UUID, with one key.
///
/// Each session has its own tweak, which is random and secret. Even to a reader of the key, every round is a truncated
/// output of a known permutation whose input is masked with 128 unknown bits, so that nothing can be computed without
/// the tweak. A key of its own for each session would need a key schedule, which costs more than the cipher.
pub(super) struct TailCipher(Ff1<TAIL_HALF, 16>);

impl TailCipher {
    const MASK: u64 = Ff1::<TAIL_HALF, 16>::MASK;

    /// Creates the cipher with the key that is derived for `purpose`.
    pub(super) fn new(keys: &DerivedKeys, purpose: Use) -> Self {
        Self(Ff1::new(keys, purpose))
    }

    /// Encrypts a number of 62 bits.
    pub(super) fn encrypt(&self, tweak: &[u8; 16], plain: u64) -> u64 {
        let (a, b) = self.0.encrypt(&self.first(tweak), (plain >> TAIL_HALF, plain & Self::MASK));
        a << TAIL_HALF | b
    }

    /// Decrypts a number of 62 bits.
    pub(super) fn decrypt(&self, tweak: &[u8; 16], number: u64) -> u64 {
        let (a, b) = self.0.decrypt(&self.first(tweak), (number >> TAIL_HALF, number & Self::MASK));
        a << TAIL_HALF | b
    }

    /// The CBC-MAC over `P` and the tweak.
    fn first(&self, tweak: &[u8; 16]) -> AesBlock {
        let mut block = self.0.first;
        for (byte, tweak_byte) in block.iter_mut().zip(tweak) {
            *byte ^= tweak_byte;
        }
        encrypt_block(&self.0.aes, block)
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
    ((high >> 16) << 13 | (high & 0xfff) << 1 | (low >> 61) & 1, low & Ff1::<UUID_HALF, 0>::MASK)
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

    /// FF1 step by step as in the standard, for any even length and a tweak of 0, 10 or 16 bytes. It is slow.
    fn ff1(aes: &EncryptingKey, tweak: &[u8], radix: u128, text: &[u128]) -> Vec<u128> {
        let to_number = |digits: &[u128]| digits.iter().fold(0, |number, digit| number * radix + digit);
        let n = text.len();
        let u = text.len() / 2;
        let mut a = text[..u].to_vec();
        let mut b = text[u..].to_vec();
        let bits = (0..128)
            .find(|bits| radix.pow(u32::try_from(u).expect("half the length fits in 32 bits")) <= 1 << bits)
            .expect("the radix power fits in 127 bits");
        let bytes = usize::div_ceil(bits, 8);
        let first = [&[1, 2, 1, 0, 0], &[radix.to_be_bytes()[15], 10, u.to_be_bytes()[7], 0, 0, 0][..]].concat();
        let first = [&first[..], &[n.to_be_bytes()[7], 0, 0, 0, tweak.len().to_be_bytes()[7]]].concat();
        for round in 0..10 {
            let zeros = (32 - tweak.len() % 16 - bytes - 1) % 16;
            let number = &to_number(&b).to_be_bytes()[16 - bytes..];
            let text = [&first[..], tweak, &vec![0; zeros], &[round], number].concat();
            let mac = text.chunks(16).fold([0; 16], |mac: AesBlock, block| {
                let mut chained = mac;
                chained.iter_mut().zip(block).for_each(|(byte, next)| *byte ^= next);
                encrypt_block(aes, chained)
            });
            let length = 4 * bytes.div_ceil(4) + 4;
            let mut sixteen_bytes = [0; 16];
            sixteen_bytes[16 - length..].copy_from_slice(&mac[..length]);
            let modulus = radix.pow(u32::try_from(u).expect("half the length fits in 32 bits"));
            let mut sum = (to_number(&a) + u128::from_be_bytes(sixteen_bytes) % modulus) % modulus;
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

    /// Samples 1, 2 and 7 of the FF1 examples that NIST published.
    #[test]
    fn ff1_matches_the_nist_samples() {
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let longer = [key, 0xef43_59d8_d580_aa4f_7f03_6d6f_04fc_6a94_u128.to_be_bytes()].concat();
        let digits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(ff1(&aes(&key), &[], 10, &digits), [2, 4, 3, 3, 4, 7, 7, 4, 8, 4]);
        let tweak = [0x39, 0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, 0x30];
        assert_eq!(ff1(&aes(&key), &tweak, 10, &digits), [6, 1, 2, 4, 2, 0, 0, 7, 7, 3]);
        assert_eq!(ff1(&aes(&longer), &[], 10, &digits), [6, 6, 5, 7, 6, 6, 7, 0, 0, 9]);
    }

    proptest! {
        #[test]
        fn the_uuid_cipher_is_ff1_and_reversible(secret in any::<[u8; 32]>(), random in any::<[u8; 16]>()) {
            let keys = DerivedKeys::new(&secret);
            let cipher = UuidCipher::new(&keys, Use::RefreshUuid);
            let plain = uuid::Builder::from_random_bytes(random).into_uuid();
            let encrypted = cipher.encrypt(plain);
            prop_assert_eq!((encrypted.get_version_num(), encrypted.get_variant()), (4, Variant::RFC4122));
            prop_assert_eq!(bits(encrypted), ff1(&aes(&*keys.key(Use::RefreshUuid)), &[], 2, &bits(plain)));
            prop_assert_eq!(cipher.decrypt(encrypted), Some(plain));
            prop_assert_eq!(cipher.decrypt(plain).map(|decrypted| cipher.encrypt(decrypted)), Some(plain));
        }

        #[test]
        fn the_tail_cipher_is_ff1_and_reversible(
            secret in any::<[u8; 32]>(),
            tweak in any::<[u8; 16]>(),
            plain in 0_u64..1 << 62,
        ) {
            let keys = DerivedKeys::new(&secret);
            let cipher = TailCipher::new(&keys, Use::RefreshGeneration);
            let encrypted = cipher.encrypt(&tweak, plain);
            let bits = |number: u64| (0..62).rev().map(|bit| u128::from(number >> bit & 1)).collect::<Vec<_>>();
            let aes = aes(&*keys.key(Use::RefreshGeneration));
            prop_assert_eq!(bits(encrypted), ff1(&aes, &tweak, 2, &bits(plain)));
            prop_assert_eq!((encrypted >> 62, cipher.decrypt(&tweak, encrypted)), (0, plain));
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
