//! The key ring of a running server: an immutable snapshot, which the server replaces through an atomic pointer.
//!
//! It owns the loaded signing keys, the verifiers and the bytes of the JWKS. Reading it needs neither a lock nor disk
//! access. It never changes the stored keys.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::jwk::{Jwk, Jwks};
use crate::crypto::key_error::KeyError;
use crate::crypto::key_pair::{BadSignature, KeyPair};
use crate::crypto::ring_contents::{PublicHalf, RingContents};
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyChangeError, KeyState, Kid, Schedule};
use crate::domain::time::Timestamp;
use crate::domain::token_kind::Typ;

/// Identifies a state of the stored ring. The storage chooses the bytes; others only compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingVersion([u8; Self::LENGTH]);

impl RingVersion {
    /// The length in bytes.
    pub const LENGTH: usize = 32;

    /// Takes the bytes that the storage chose.
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }
}

/// A loaded key pair, with the encoded headers of its tokens.
pub struct LoadedKey {
    pair: KeyPair,
    headers: [String; Typ::ALL.len()],
}

impl LoadedKey {
    /// Takes a key pair, and encodes the headers.
    pub fn new(pair: KeyPair) -> Self {
        let public = pair.public();
        let header = |typ: Typ| {
            // The three values need no JSON escaping: two are constants, one is base64url.
            let json = format!(r#"{{"alg":"{}","typ":"{}","kid":"{}"}}"#, public.alg(), typ.name(), public.kid());
            URL_SAFE_NO_PAD.encode(json)
        };
        Self { headers: Typ::ALL.map(header), pair }
    }
}

/// A loaded key pair that signs, and the time at which it leaves the JWKS. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    loaded: Arc<LoadedKey>,
    published_until: Option<Timestamp>,
}

impl SigningKey {
    /// The `kid` of the key.
    pub fn kid(&self) -> &Kid {
        self.loaded.pair.public().kid()
    }

    /// The algorithm of the key.
    pub fn alg(&self) -> Algorithm {
        self.loaded.pair.public().alg()
    }

    /// The time at which the key leaves the JWKS, if it is known. The caller must not set a later `exp`.
    pub fn published_until(&self) -> Option<Timestamp> {
        self.published_until
    }

    /// The JOSE header (RFC 7515 §2) `{"alg","typ","kid"}`, encoded as base64url, without the following dot.
    pub fn header(&self, typ: Typ) -> &str {
        &self.loaded.headers[typ as usize]
    }

    /// Appends the raw signature of `signing_input` (header, dot, claims; RFC 7515 §5.1) to `out`. An RSA signature
    /// takes hundreds of microseconds.
    pub fn sign(&self, signing_input: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
        self.loaded.pair.sign(signing_input, out)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid())
    }
}

/// The public half of a key in the ring. It verifies signatures and is published to clients.
#[derive(Clone)]
pub struct Verifier {
    key: Key,
    public: Arc<PublicHalf>,
}

impl Verifier {
    /// The `kid` and the dates of the key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The only algorithm that a token with this `kid` may have.
    pub fn alg(&self) -> Algorithm {
        self.key.alg
    }

    /// Whether the key is in the JWKS. A key that is not published verifies only refresh tokens of this issuer.
    pub fn is_published(&self, now: Timestamp) -> bool {
        self.key.is_published(now)
    }

    /// Verifies a signature of `signing_input`.
    pub fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.public.key.verify(signing_input, signature)
    }

    /// The public JWK.
    pub fn jwk(&self) -> &Jwk {
        self.public.key.jwk()
    }

    /// The public key in PEM: `-----BEGIN PUBLIC KEY-----…`.
    pub fn spki_pem(&self) -> &str {
        &self.public.spki_pem
    }

    /// The self-signed certificate in PEM: `-----BEGIN CERTIFICATE-----…`.
    pub fn certificate_pem(&self) -> &str {
        &self.public.certificate_pem
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({}, {})", self.key.kid, self.key.alg)
    }
}

/// The content of the stored ring at one read.
pub struct RingParts {
    /// The dates and public halves.
    pub contents: RingContents,
    /// The private halves that could be opened.
    pub loaded: HashMap<Kid, Arc<LoadedKey>>,
    /// The version of the stored ring.
    pub version: RingVersion,
    /// The warnings about the stored ring: lower-case phrases without a full stop.
    pub warnings: Vec<String>,
    /// The algorithm of the default signer. Its keys are first in the JWKS.
    pub default_algorithm: Algorithm,
}

/// A snapshot of all keys of the issuer.
///
/// The state of a key changes with time, so queries take the time. At [`KeyRing::next_change`] the caller must build a
/// new snapshot with [`KeyRing::rebuild`].
pub struct KeyRing {
    schedule: Schedule,
    verifiers: HashMap<Kid, Verifier>,
    /// Each loaded key with its dates. The list stays short, because private halves that are no longer needed are
    /// dropped.
    signing_keys: Vec<(Key, SigningKey)>,
    version: RingVersion,
    warnings: Vec<String>,
    default_algorithm: Algorithm,
    jwks: Jwks,
    built_at: Timestamp,
}

impl KeyRing {
    /// Builds the snapshot for a time.
    pub fn new(parts: RingParts, now: Timestamp) -> Self {
        let RingParts { contents, loaded, version, warnings, default_algorithm } = parts;
        let RingContents { schedule, publics } = contents;
        let verifier = |key: &Key| {
            let public = Arc::clone(publics.get(&key.kid)?);
            Some((key.kid.clone(), Verifier { key: key.clone(), public }))
        };
        let verifiers: HashMap<Kid, Verifier> = schedule.keys().iter().filter_map(verifier).collect();
        let signing_key = |key: &Key| {
            let loaded = Arc::clone(loaded.get(&key.kid)?);
            Some((key.clone(), SigningKey { loaded, published_until: key.published_until }))
        };
        // If this process could not open the active key, it keeps the previous key loaded while that key is published.
        // Otherwise it could not sign after a rotation to a key that it cannot open.
        let has_active_key =
            |alg: Algorithm| schedule.active(alg, now).is_some_and(|active| loaded.contains_key(&active.kid));
        let may_sign = |key: &&Key| key.has_private_half(now) || (key.is_published(now) && !has_active_key(key.alg));
        let signing_keys = schedule.keys().iter().filter(may_sign).filter_map(signing_key).collect();
        let published = schedule.published(now, default_algorithm);
        let jwks = Jwks::new(published.iter().filter_map(|key| verifiers.get(&key.kid)).map(Verifier::jwk));
        Self { schedule, verifiers, signing_keys, version, warnings, default_algorithm, jwks, built_at: now }
    }

    /// The key that signs with `alg`: the active key.
    ///
    /// Its private half may be unavailable, because the clock was set back past a rotation or the private half could
    /// not be opened. Then the next key signs early, which is safe because it is published. If that key is unavailable
    /// too, the previous key continues to sign. Its tokens expire at the latest when the key leaves the JWKS. Returns
    /// `None` if no key can sign.
    pub fn signing_key(&self, alg: Algorithm, now: Timestamp) -> Option<&SigningKey> {
        let in_state = |state: KeyState| {
            self.signing_keys.iter().filter(move |(key, _)| key.alg == alg && key.state(now) == state)
        };
        let newest = |state: KeyState| in_state(state).max_by_key(|(key, _)| key.signs_from);
        let next = || in_state(KeyState::Next).min_by_key(|(key, _)| key.signs_from);
        let key = newest(KeyState::Active).or_else(next).or_else(|| newest(KeyState::Retiring));
        key.map(|(_, signing_key)| signing_key)
    }

    /// The verifier of tokens with this `kid`: any key of the ring that is not revoked. The caller must also check
    /// [`Verifier::is_published`], unless the token is a refresh token of this issuer.
    pub fn verifier(&self, kid: &str, now: Timestamp) -> Option<&Verifier> {
        self.verifiers.get(kid).filter(|verifier| verifier.key.state(now) != KeyState::Revoked)
    }

    /// Finds the only key whose `kid` begins with `prefix`, revoked keys included. Operators type such prefixes.
    pub fn find(&self, prefix: &str) -> Result<&Verifier, KeyChangeError> {
        let kid = &self.schedule.find(prefix)?.kid;
        self.verifiers.get(kid).ok_or_else(|| KeyChangeError::Unknown(prefix.to_owned()))
    }

    /// The public half of the active key of `alg`.
    pub fn active(&self, alg: Algorithm, now: Timestamp) -> Option<&Verifier> {
        self.schedule.active(alg, now).and_then(|key| self.verifiers.get(&key.kid))
    }

    /// The JWKS for the time at which the snapshot was built.
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// The dates of all keys.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The algorithm of the default signer.
    pub fn default_algorithm(&self) -> Algorithm {
        self.default_algorithm
    }

    /// The warnings about the stored ring: lower-case phrases without a full stop. They do not prevent the start.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The version of the stored ring that was read. If the storage has a different one now, the ring was changed.
    pub fn version(&self) -> RingVersion {
        self.version
    }

    /// The next time at which the state of a key changes and a new snapshot must be built. `None` means that no change
    /// is planned.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.schedule.next_change(self.built_at)
    }

    /// Builds the same ring for another time, with a new JWKS and without the private halves that are no longer needed.
    ///
    /// Returns `None` if nothing has changed since the snapshot was built. A clock that was set back is a change.
    pub fn rebuild(&self, now: Timestamp) -> Option<Self> {
        if now >= self.built_at && self.next_change().is_none_or(|change| now < change) {
            return None;
        }
        let publics = self.verifiers.iter().map(|(kid, verifier)| (kid.clone(), Arc::clone(&verifier.public)));
        let parts = RingParts {
            contents: RingContents { schedule: self.schedule.clone(), publics: publics.collect() },
            loaded: self.loaded_keys().collect(),
            version: self.version,
            warnings: self.warnings.clone(),
            default_algorithm: self.default_algorithm,
        };
        Some(Self::new(parts, now))
    }

    /// The loaded key pairs, which the next snapshot reuses.
    pub fn loaded_keys(&self) -> impl Iterator<Item = (Kid, Arc<LoadedKey>)> {
        self.signing_keys.iter().map(|(key, signing_key)| (key.kid.clone(), Arc::clone(&signing_key.loaded)))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys, built at {})", self.schedule.keys().len(), self.built_at)
    }
}
