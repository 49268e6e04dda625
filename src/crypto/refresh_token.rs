//! The refresh UUID of `drf_pyjwt`, and the `jti` of signed refresh tokens.
//!
//! Both are computed from the session and the ring's secret. The server stores neither: a retry of a refresh computes
//! the same value again. This module does not know whether a session is live: the store and the
//! domain decide that.

use std::fmt;

use aws_lc_rs::hmac;
use uuid::{Builder, Uuid};

use super::derive::{DerivedKeys, Use, hmac_parts};
use super::uuid_cipher::{TailCipher, UuidCipher};
use crate::domain::id::{SessionId, SessionPrefix};
use crate::domain::refresh_key::RefreshKey;

/// The zero bits after the generation in a refresh UUID, by which a UUID that was made without the session's key is
/// recognised.
const ZERO_BITS: u32 = 30;
/// The variant of RFC 9562 in the last 8 bytes of a UUID.
const VARIANT: u64 = 1 << 63;

/// Computes refresh UUIDs and `jti` values and parses refresh UUIDs, with keys derived from the ring's secret.
pub struct RefreshTokens {
    uuid_cipher: UuidCipher,
    generation_cipher: TailCipher,
    jti_key: hmac::Key,
}

impl RefreshTokens {
    /// Derives the keys.
    pub fn new(keys: &DerivedKeys) -> Self {
        Self {
            uuid_cipher: UuidCipher::new(keys, Use::RefreshUuid),
            generation_cipher: TailCipher::new(keys, Use::RefreshGeneration),
            jti_key: keys.mac_key(Use::RefreshJti),
        }
    }

    /// The refresh UUID of a session's generation, encrypted with the ring's secret. The first 8 bytes are those of the
    /// session id (a version 4 UUID).
    ///
    /// With the session's key, the last 62 bits are the generation (32 bits) and 30 zero bits, encrypted with this key.
    /// Without the key, or before its first generation, they are the next bits of the session id, and the last 4 bytes
    /// are the generation (big endian).
    pub fn refresh_uuid(&self, session: SessionId, key: Option<&RefreshKey>, generation: u32) -> Uuid {
        let plain = if let Some(key) = key.filter(|key| generation >= key.from()) {
            let (head, _) = session.0.as_u64_pair();
            let tail = self.generation_cipher.encrypt(key.expose(), u64::from(generation) << ZERO_BITS);
            Uuid::from_u64_pair(head, VARIANT | tail)
        } else {
            let mut plain = session.0.into_bytes();
            plain[12..].copy_from_slice(&generation.to_be_bytes());
            Uuid::from_bytes(plain)
        };
        self.uuid_cipher.encrypt(plain)
    }

    /// Decrypts a refresh UUID, or returns `None` for a UUID of another version than 4: the server issues version 4
    /// only.
    ///
    /// The cipher does not authenticate. A version 4 UUID that the server did not issue decrypts to a value that its
    /// sender could not choose without the ring's secret. The caller must look the session up, and read the generation
    /// with the session's key.
    pub fn parse_refresh_uuid(&self, refresh_uuid: Uuid) -> Option<RefreshUuid> {
        self.uuid_cipher.decrypt(refresh_uuid).map(RefreshUuid)
    }

    /// The generation that a refresh UUID names. `None` if the UUID was not made for this session: without the session's key,
    /// a guess has 30 zero bits, and any generation, only by chance.
    pub fn generation(&self, refresh_uuid: RefreshUuid, session: SessionId, key: Option<&RefreshKey>) -> Option<u32> {
        let (head, tail) = refresh_uuid.0.as_u64_pair();
        if head != session.0.as_u64_pair().0 {
            return None;
        }
        let Some(key) = key else { return refresh_uuid.generation_without_key(session) };
        let plain = self.generation_cipher.decrypt(key.expose(), tail & !VARIANT);
        let generation = u32::try_from(plain >> ZERO_BITS).ok().filter(|_| plain & ((1 << ZERO_BITS) - 1) == 0);
        generation
            .filter(|generation| *generation >= key.from())
            .or_else(|| refresh_uuid.generation_without_key(session).filter(|generation| *generation < key.from()))
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

/// A decrypted refresh UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshUuid(Uuid);

impl RefreshUuid {
    /// The session that the UUID names.
    pub fn session(self) -> SessionPrefix {
        SessionPrefix(self.0.as_u64_pair().0.to_be_bytes())
    }

    fn generation_without_key(self, session: SessionId) -> Option<u32> {
        let [plain, id] = [self.0, session.0].map(|uuid| uuid.as_u128());
        let [.., a, b, c, d] = self.0.into_bytes();
        (plain >> 32 == id >> 32).then_some(u32::from_be_bytes([a, b, c, d]))
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

    const KEY: RefreshKey = RefreshKey::new([9; 16], 0);

    #[test]
    fn a_refresh_uuid_names_its_session_and_generation() {
        for key in [None, Some(&KEY)] {
            let refresh_uuid = tokens().refresh_uuid(session(3), key, 258);
            assert!(is_version_4(refresh_uuid), "{refresh_uuid}");
            let parsed = tokens().parse_refresh_uuid(refresh_uuid).expect("the server issues version 4 UUIDs");
            // The version is the only fixed part of the prefix.
            assert_eq!(parsed.session(), SessionPrefix([3, 3, 3, 3, 3, 3, 0x43, 3]));
            assert_eq!(tokens().generation(parsed, session(3), key), Some(258));
            assert_eq!(tokens().generation(parsed, session(4), key), None);
            assert_eq!(tokens().refresh_uuid(session(3), key, 258), refresh_uuid, "a retry returns the same UUID");
            assert_ne!(tokens().refresh_uuid(session(3), key, 259), refresh_uuid);
            assert_ne!(tokens().refresh_uuid(session(4), key, 258), refresh_uuid);
        }
    }

    /// Another implementation computed the expected values. Tokens that were issued must stay valid in every later
    /// version.
    #[test]
    fn the_values_never_change() {
        for (key, expected) in
            [(None, "7b7c5dbb-f626-496b-b82d-3ef3cd66c8b6"), (Some(&KEY), "ec3daeb1-5ff8-4734-9353-65635918cf63")]
        {
            assert_eq!(tokens().refresh_uuid(session(3), key, 258).to_string(), expected);
        }
        assert_eq!(tokens().jti(session(3), 258).to_string(), "fe2aa746-62f4-46d6-ada6-517bbe842657");
    }

    #[test]
    fn a_refresh_uuid_made_without_the_key_of_its_session_is_recognised() {
        for generation in [0, 1, 258, u32::MAX] {
            for other in [None, Some(&RefreshKey::new([8; 16], 0))] {
                let forged = tokens().refresh_uuid(session(3), other, generation);
                let parsed = tokens().parse_refresh_uuid(forged).expect("a version 4 UUID");
                assert_eq!(tokens().generation(parsed, session(3), Some(&KEY)), None, "{generation}");
            }
        }
    }

    #[test]
    fn a_session_without_a_key_gets_one_and_keeps_its_earlier_tokens() {
        let key = RefreshKey::new([9; 16], 5);
        let generation = |made_with: Option<&RefreshKey>, generation| {
            let refresh_uuid = tokens().refresh_uuid(session(3), made_with, generation);
            tokens()
                .parse_refresh_uuid(refresh_uuid)
                .and_then(|parsed| tokens().generation(parsed, session(3), Some(&key)))
        };
        for earlier in [0, 4] {
            assert_eq!(generation(None, earlier), Some(earlier));
            assert_eq!(generation(Some(&key), earlier), Some(earlier));
        }
        for later in [5, 6, u32::MAX] {
            assert_eq!(generation(None, later), None, "an earlier form names no generation with a key");
            assert_eq!(generation(Some(&key), later), Some(later));
        }
    }

    #[test]
    fn a_refresh_uuid_of_another_ring_names_another_session() {
        let foreign = tokens_of_another_ring().refresh_uuid(session(3), Some(&KEY), 1);
        let foreign = tokens().parse_refresh_uuid(foreign).expect("the server issues version 4 UUIDs");
        assert_ne!(foreign.session().range()[0][..8], session(3).0.as_bytes()[..8]);
        assert_eq!(tokens().generation(foreign, session(3), Some(&KEY)), None);
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
        fn every_refresh_uuid_names_its_session_and_generation(
            id in any::<[u8; 16]>(),
            key in any::<Option<[u8; 16]>>(),
            generation in any::<u32>(),
        ) {
            let id = Builder::from_random_bytes(id).into_uuid();
            let key = key.map(|bytes| RefreshKey::new(bytes, 0));
            let refresh_uuid = tokens().refresh_uuid(SessionId(id), key.as_ref(), generation);
            let parsed = tokens().parse_refresh_uuid(refresh_uuid).expect("the server issues version 4 UUIDs");
            let [lowest, highest] = parsed.session().range();
            prop_assert!((lowest..=highest).contains(id.as_bytes()));
            prop_assert_eq!(tokens().generation(parsed, SessionId(id), key.as_ref()), Some(generation));
        }
    }
}
