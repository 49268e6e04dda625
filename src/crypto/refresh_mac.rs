//! Refresh tokens that carry no signature: the native one, which is signed for by a MAC, and the UUID of `drf_pyjwt`, which
//! is enciphered.
//!
//! Both follow from session, generation and the ring's secret, so that a repeated refresh gets the same answer although
//! neither is stored. It must not know whether a session lives: that is the store's and the domain's.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use uuid::{Builder, Uuid};

use super::derive::{DerivedKeys, Use, keyed};
use super::uuid_cipher::UuidCipher;
use crate::domain::id::{SessionId, SessionPrefix};
use crate::domain::secret::SecretText;

const PREFIX: &str = "csr_";
const NAMED_LEN: usize = 20;
/// HMAC-SHA256, truncated (RFC 2104 §5): 160 bits.
const MAC_LEN: usize = 20;
const TOKEN_LEN: usize = NAMED_LEN + MAC_LEN;
/// Of the whole text: the prefix and the characters that hold [`TOKEN_LEN`] bytes.
const TEXT_LEN: usize = PREFIX.len() + (TOKEN_LEN * 4).div_ceil(3);

/// A refresh token's text; `Debug` does not show it, and it is wiped when dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken(SecretText);

impl RefreshToken {
    /// The text for the client. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Makes and reads refresh tokens.
pub struct RefreshTokens {
    native: hmac::Key,
    uuids: UuidCipher,
    jtis: hmac::Key,
}

impl RefreshTokens {
    /// Derives the keys.
    pub fn new(keys: &DerivedKeys) -> Self {
        let uuids = UuidCipher::new(keys, Use::RefreshUuid);
        Self { native: keys.mac_key(Use::RefreshMac), uuids, jtis: keys.mac_key(Use::RefreshJti) }
    }

    /// The native token of a session's generation: `csr_` and base64url of session id (16 bytes), generation (4, big
    /// endian) and MAC (20).
    pub fn make(&self, session: SessionId, generation: u32) -> RefreshToken {
        let named = named(session, generation);
        let mut token = [0; TOKEN_LEN];
        token[..NAMED_LEN].copy_from_slice(&named);
        token[NAMED_LEN..].copy_from_slice(&self.mac(&named));
        let mut text = String::with_capacity(TEXT_LEN);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(token, &mut text);
        RefreshToken(SecretText::new(text))
    }

    /// The session and generation a native token names, if we made it: exact length, canonical base64url (RFC 4648
    /// §3.5), and a right MAC, compared in constant time.
    pub fn read(&self, text: &str) -> Option<(SessionId, u32)> {
        let encoded = text.strip_prefix(PREFIX).filter(|_| text.len() == TEXT_LEN)?;
        let mut token = [0; TOKEN_LEN];
        let read = URL_SAFE_NO_PAD.decode_slice(encoded, &mut token).ok()?;
        let (named, mac) = token.split_first_chunk::<NAMED_LEN>().filter(|_| read == TOKEN_LEN)?;
        if !bool::from(self.mac(named).ct_eq(mac)) {
            return None;
        }
        let (id, generation) = named.split_first_chunk::<16>()?;
        Some((SessionId(Uuid::from_bytes(*id)), u32::from_be_bytes(generation.try_into().ok()?)))
    }

    /// The `drf_pyjwt` refresh token of a session's generation: the session's id, a version 4 UUID as every one is, with
    /// the generation in place of its last four bytes, enciphered.
    pub fn uuid_for(&self, session: SessionId, generation: u32) -> Uuid {
        let mut named = session.0.into_bytes();
        named[12..].copy_from_slice(&generation.to_be_bytes());
        self.uuids.encipher(Uuid::from_bytes(named))
    }

    /// What such a UUID names, if we made it. Of one that we did not make it is what nobody can choose: that no session
    /// begins so is the proof.
    pub fn read_uuid(&self, token: Uuid) -> Option<(SessionPrefix, u32)> {
        let named = self.uuids.decipher(token)?.into_bytes();
        let (prefix, generation) = named.split_first_chunk::<12>()?;
        Some((SessionPrefix(*prefix), u32::from_be_bytes(generation.try_into().ok()?)))
    }

    /// The `jti` of the signed refresh token of a session's generation: no secret, and the same whenever it is minted.
    pub fn jti(&self, session: SessionId, generation: u32) -> Uuid {
        uuid(&keyed(&self.jtis, &[&named(session, generation)]))
    }

    fn mac(&self, named: &[u8; NAMED_LEN]) -> [u8; MAC_LEN] {
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(&keyed(&self.native, &[named])[..MAC_LEN]);
        mac
    }
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokens(…)")
    }
}

/// The first 122 bits of a MAC in the shape of a version 4 UUID (RFC 9562 §5.4).
fn uuid(mac: &[u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&mac[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

fn named(session: SessionId, generation: u32) -> [u8; NAMED_LEN] {
    let mut named = [0; NAMED_LEN];
    named[..16].copy_from_slice(session.0.as_bytes());
    named[16..].copy_from_slice(&generation.to_be_bytes());
    named
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(&DerivedKeys::new(&[7; 32]))
    }

    fn session(bytes: [u8; 16]) -> SessionId {
        SessionId(Uuid::from_bytes(bytes))
    }

    #[test]
    fn a_token_names_its_session_and_generation() {
        let token = tokens().make(session([3; 16]), 258);
        assert_eq!(token.expose().len(), 58);
        assert!(token.expose().starts_with("csr_AwMDAwMDAwMDAwMDAwMDAwAAAQ"), "{}", token.expose());
        assert_eq!(tokens().read(token.expose()), Some((session([3; 16]), 258)));
        assert_eq!(format!("{token:?}"), "RefreshToken(SecretText(…))");
    }

    #[test]
    fn a_token_of_another_secret_is_none_of_ours() {
        let token = RefreshTokens::new(&DerivedKeys::new(&[8; 32])).make(session([3; 16]), 1);
        assert_eq!(tokens().read(token.expose()), None);
    }

    #[test]
    fn what_is_not_exactly_ours_is_refused() {
        let token = tokens().make(session([3; 16]), 1).expose().to_owned();
        // The last character holds two bits that must be zero: the next one of the alphabet decodes to the same bytes.
        let last = token.as_bytes()[TEXT_LEN - 1];
        let loose = format!("{}{}", &token[..TEXT_LEN - 1], char::from(last + 1));
        let refused =
            ["", "csr_", &token[4..], &format!("{token}="), &format!(" {token}"), &loose, &token.to_uppercase()];
        for text in refused {
            assert_eq!(tokens().read(text), None, "{text}");
        }
    }

    #[test]
    fn a_uuid_names_session_and_generation() {
        let (tokens, one) = (tokens(), session([3; 16]));
        let uuid = tokens.uuid_for(one, 258);
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (4, uuid::Variant::RFC4122));
        assert_eq!(uuid, tokens.uuid_for(one, 258));
        assert_ne!(uuid, tokens.uuid_for(one, 259));
        assert_ne!(uuid, tokens.uuid_for(session([4; 16]), 258));
        // Of twelve bytes, the version and the variant are as in every one.
        assert_eq!(tokens.read_uuid(uuid), Some((SessionPrefix([3, 3, 3, 3, 3, 3, 0x43, 3, 0x83, 3, 3, 3]), 258)));
        let others = RefreshTokens::new(&DerivedKeys::new(&[8; 32])).uuid_for(one, 258);
        assert_ne!(tokens.read_uuid(others), tokens.read_uuid(uuid));
        assert_eq!(tokens.read_uuid(Uuid::nil()), None);
        assert_eq!(tokens.jti(one, 1), tokens.jti(one, 1));
        assert_ne!(tokens.jti(one, 1), tokens.jti(one, 2));
    }

    proptest! {
        #[test]
        fn every_token_is_read_as_it_was_made(id in any::<[u8; 16]>(), generation in any::<u32>()) {
            let token = tokens().make(session(id), generation);
            prop_assert_eq!(tokens().read(token.expose()), Some((session(id), generation)));
        }

        #[test]
        fn every_uuid_is_read_as_it_was_made(id in any::<[u8; 16]>(), generation in any::<u32>()) {
            let id = uuid::Builder::from_random_bytes(id).into_uuid();
            let uuid = tokens().uuid_for(SessionId(id), generation);
            let (prefix, read) = tokens().read_uuid(uuid).expect("it is ours");
            let [least, greatest] = prefix.range();
            prop_assert!((least..=greatest).contains(id.as_bytes()));
            prop_assert_eq!(read, generation);
        }

        #[test]
        fn one_changed_bit_or_length_is_refused(
            id in any::<[u8; 16]>(),
            generation in any::<u32>(),
            at in 0..TOKEN_LEN,
            bit in 0..8u8,
            cut in 0..TEXT_LEN,
            more in "[A-Za-z0-9_=-]{1,8}",
        ) {
            let token = tokens().make(session(id), generation);
            let mut bytes = URL_SAFE_NO_PAD.decode(&token.expose()[PREFIX.len()..]).unwrap_or_default();
            bytes[at] ^= 1 << bit;
            let flipped = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes));
            let longer = format!("{}{more}", token.expose());
            for text in [&flipped, &token.expose()[..cut], &longer] {
                prop_assert_eq!(tokens().read(text), None);
            }
        }

        #[test]
        fn anything_else_is_refused_quietly(text in ".{0,80}") {
            prop_assert_eq!(tokens().read(&text), None);
        }
    }
}
