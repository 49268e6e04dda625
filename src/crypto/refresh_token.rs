//! The refresh UUID of `drf_pyjwt`, and the `jti` of signed refresh tokens.
//!
//! Both are computed from the session id, the generation and the ring's secret. The server stores neither: a retry of a
//! refresh computes the same value again. This module does not know whether a session is live: the store and the
//! domain decide that.

use std::fmt;

use aws_lc_rs::hmac;
use uuid::{Builder, Uuid};

use super::derive::{DerivedKeys, Use, hmac_parts};
use super::uuid_cipher::UuidCipher;
use crate::domain::id::{SessionId, SessionPrefix};

/// Computes refresh UUIDs and `jti` values and parses refresh UUIDs, with keys derived from the ring's secret.
pub struct RefreshTokens {
    uuid_cipher: UuidCipher,
    jti_key: hmac::Key,
}

impl RefreshTokens {
    /// Derives the keys.
    pub fn new(keys: &DerivedKeys) -> Self {
        Self { uuid_cipher: UuidCipher::new(keys, Use::RefreshUuid), jti_key: keys.mac_key(Use::RefreshJti) }
    }

    /// The refresh UUID of a session's generation: the session id (a version 4 UUID), with the generation (big endian)
    /// in place of its last four bytes, encrypted.
    pub fn refresh_uuid(&self, session: SessionId, generation: u32) -> Uuid {
        let mut plain = session.0.into_bytes();
        plain[12..].copy_from_slice(&generation.to_be_bytes());
        self.uuid_cipher.encrypt(Uuid::from_bytes(plain))
    }

    /// Decrypts a refresh UUID to its session and generation, or returns `None` for a UUID of another version than 4:
    /// the server issues version 4 only.
    ///
    /// The cipher does not authenticate. A version 4 UUID that the server did not issue decrypts to a value that its
    /// sender could not choose. The caller must look the session up. An existing session has the same 90 random bits
    /// only by chance.
    pub fn parse_refresh_uuid(&self, refresh_uuid: Uuid) -> Option<(SessionPrefix, u32)> {
        let plain = self.uuid_cipher.decrypt(refresh_uuid)?.into_bytes();
        let (prefix, generation) = plain.split_first_chunk::<12>()?;
        Some((SessionPrefix(*prefix), u32::from_be_bytes(generation.try_into().ok()?)))
    }

    /// The `jti` of the signed refresh token of a session's generation: the first 128 bits of a MAC as a version 4 UUID
    /// (RFC 9562 §5.4). Version and variant overwrite six of these bits. The `jti` is not secret, and it is the same
    /// each time the token is signed.
    pub fn jti(&self, session: SessionId, generation: u32) -> Uuid {
        let mac = hmac_parts(&self.jti_key, &[session.0.as_bytes(), &generation.to_be_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac[..16]);
        Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokens(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Variant;

    use super::*;

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(&DerivedKeys::new(&[7; 32]))
    }

    fn tokens_of_another_ring() -> RefreshTokens {
        RefreshTokens::new(&DerivedKeys::new(&[8; 32]))
    }

    fn session(byte: u8) -> SessionId {
        SessionId(Builder::from_random_bytes([byte; 16]).into_uuid())
    }

    fn is_version_4(uuid: Uuid) -> bool {
        (uuid.get_version_num(), uuid.get_variant()) == (4, Variant::RFC4122)
    }

    #[test]
    fn a_refresh_uuid_names_its_session_and_generation() {
        let refresh_uuid = tokens().refresh_uuid(session(3), 258);
        assert!(is_version_4(refresh_uuid), "{refresh_uuid}");
        // The version and the variant are the only fixed bits of the prefix.
        let prefix = SessionPrefix([3, 3, 3, 3, 3, 3, 0x43, 3, 0x83, 3, 3, 3]);
        assert_eq!(tokens().parse_refresh_uuid(refresh_uuid), Some((prefix, 258)));
        assert_eq!(tokens().refresh_uuid(session(3), 258), refresh_uuid, "a retry returns the same UUID");
        assert_ne!(tokens().refresh_uuid(session(3), 259), refresh_uuid);
        assert_ne!(tokens().refresh_uuid(session(4), 258), refresh_uuid);
    }

    /// Another implementation computed the expected values. Tokens that were issued must stay valid in every later
    /// version.
    #[test]
    fn the_values_never_change() {
        let (refresh_uuid, jti) = (tokens().refresh_uuid(session(3), 258), tokens().jti(session(3), 258));
        assert_eq!(refresh_uuid.to_string(), "7b7c5dbb-f626-496b-b82d-3ef3cd66c8b6");
        assert_eq!(jti.to_string(), "fe2aa746-62f4-46d6-ada6-517bbe842657");
    }

    #[test]
    fn a_refresh_uuid_of_another_ring_names_another_session() {
        let foreign = tokens_of_another_ring().refresh_uuid(session(3), 1);
        let (prefix, _) = tokens().parse_refresh_uuid(foreign).expect("the server issues version 4 UUIDs");
        let (own, _) = tokens()
            .parse_refresh_uuid(tokens().refresh_uuid(session(3), 1))
            .expect("the server issues version 4 UUIDs");
        assert_ne!(prefix, own);
        assert_eq!(tokens().parse_refresh_uuid(Uuid::nil()), None);
    }

    #[test]
    fn each_generation_of_each_session_has_its_own_jti() {
        let jti = tokens().jti(session(3), 258);
        assert!(is_version_4(jti), "{jti}");
        assert_ne!(tokens().jti(session(3), 259), jti);
        assert_ne!(tokens().jti(session(4), 258), jti);
        assert_ne!(tokens_of_another_ring().jti(session(3), 258), jti);
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", tokens()), "RefreshTokens(…)");
    }

    proptest! {
        #[test]
        fn every_refresh_uuid_names_its_session_and_generation(id in any::<[u8; 16]>(), generation in any::<u32>()) {
            let id = Builder::from_random_bytes(id).into_uuid();
            let refresh_uuid = tokens().refresh_uuid(SessionId(id), generation);
            let parsed = tokens().parse_refresh_uuid(refresh_uuid);
            let (prefix, parsed) = parsed.expect("the server issues version 4 UUIDs");
            let [lowest, highest] = prefix.range();
            prop_assert!((lowest..=highest).contains(id.as_bytes()));
            prop_assert_eq!(parsed, generation);
        }
    }
}
