//! The key ring as a server holds it: an immutable snapshot behind somebody else's atomic pointer. Reading it locks
//! nothing and touches no disk. Owns the held signers and verifiers and the JWKS' bytes; never changes the folder.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::crypto::jwk::{Jwk, Jwks};
use crate::crypto::key_dir::{KeyDirWarning, RingVersion};
use crate::crypto::key_pair::{BadSignature, KeyError, KeyPair, PublicKey};
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyChangeError, KeyState, Kid, Schedule, Typ};
use crate::domain::time::Timestamp;

/// The 32 bytes of `keys/secret`, from which other secrets are derived (HKDF, one label per use).
pub struct RingSecret(Zeroizing<[u8; Self::LENGTH]>);

impl RingSecret {
    /// Its length in bytes.
    pub const LENGTH: usize = 32;

    /// Takes the bytes over.
    pub fn new(bytes: Zeroizing<[u8; Self::LENGTH]>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for RingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingSecret(…)")
    }
}

/// A held key pair, with what every token of its begins with.
pub(super) struct LoadedKey {
    pub(super) pair: KeyPair,
    headers: [String; Typ::ALL.len()],
}

impl LoadedKey {
    pub(super) fn new(pair: KeyPair) -> Self {
        let public = pair.public();
        let header = |typ: Typ| {
            // The three values are safe inside of quotation marks: two are constants, one is base64url.
            let json = format!(r#"{{"alg":"{}","typ":"{}","kid":"{}"}}"#, public.alg(), typ.name(), public.kid());
            URL_SAFE_NO_PAD.encode(json)
        };
        Self { headers: Typ::ALL.map(header), pair }
    }
}

/// What signs: a held pair, and how long its tokens may live. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    loaded: Arc<LoadedKey>,
    published_until: Option<Timestamp>,
}

impl Signer {
    /// The key's name, as the header has it.
    pub fn kid(&self) -> &Kid {
        self.loaded.pair.public().kid()
    }

    /// What it signs with.
    pub fn alg(&self) -> Algorithm {
        self.loaded.pair.public().alg()
    }

    /// When the key leaves the JWKS, as far as is known. An `exp` later than this must be cut to it.
    pub fn published_until(&self) -> Option<Timestamp> {
        self.published_until
    }

    /// The encoded JOSE header (RFC 7515 §2) `{"alg","typ","kid"}`, without the dot after it.
    pub fn header(&self, typ: Typ) -> &str {
        &self.loaded.headers[typ as usize]
    }

    /// Appends the raw signature of `signing_input` (header, dot, claims; RFC 7515 §5.1) to `out`. RSA takes hundreds of
    /// microseconds.
    pub fn sign(&self, signing_input: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
        self.loaded.pair.sign(signing_input, out)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.kid())
    }
}

/// What is public of a key and never changes.
pub(super) struct PublicHalf {
    pub(super) key: PublicKey,
    pub(super) spki_pem: String,
    pub(super) certificate_pem: String,
}

impl PublicHalf {
    pub(super) fn new(key: PublicKey, certificate_pem: String) -> Result<Self, KeyError> {
        Ok(Self { spki_pem: key.spki_pem()?, key, certificate_pem })
    }
}

/// The public half of a ring's key: what verifies, and what is shown to those who ask.
#[derive(Clone)]
pub struct Verifier {
    key: Key,
    public: Arc<PublicHalf>,
}

impl Verifier {
    /// The key's name and dates.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The only algorithm that a token naming this key may have.
    pub fn alg(&self) -> Algorithm {
        self.key.alg
    }

    /// Whether resource servers still know it. If not, it verifies refresh tokens of ours and nothing else.
    pub fn is_published(&self, now: Timestamp) -> bool {
        self.key.is_published(now)
    }

    /// Checks a signature over `signing_input`.
    pub fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.public.key.verify(signing_input, signature)
    }

    /// The public JWK.
    pub fn jwk(&self) -> &Jwk {
        self.public.key.jwk()
    }

    /// `-----BEGIN PUBLIC KEY-----…`
    pub fn spki_pem(&self) -> &str {
        &self.public.spki_pem
    }

    /// `-----BEGIN CERTIFICATE-----…`, self-signed.
    pub fn certificate_pem(&self) -> &str {
        &self.public.certificate_pem
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({}, {})", self.key.kid, self.key.alg)
    }
}

/// What the folder gave when it was read.
pub(super) struct RingParts {
    pub(super) schedule: Schedule,
    pub(super) publics: HashMap<Kid, Arc<PublicHalf>>,
    pub(super) loaded: HashMap<Kid, Arc<LoadedKey>>,
    pub(super) secret: Arc<RingSecret>,
    pub(super) version: RingVersion,
    pub(super) warnings: Vec<KeyDirWarning>,
    /// The default signer's algorithm, whose keys come first.
    pub(super) first: Algorithm,
}

/// All keys of the issuer at one time. States move on by themselves, so ask with the time, and build a new one with
/// [`KeyRing::rebuilt`] when [`KeyRing::next_change`] has come.
pub struct KeyRing {
    schedule: Schedule,
    verifiers: HashMap<Kid, Verifier>,
    /// Each with its key's dates; few, whatever the ring has seen.
    signers: Vec<(Key, Signer)>,
    secret: Arc<RingSecret>,
    version: RingVersion,
    warnings: Vec<KeyDirWarning>,
    first: Algorithm,
    jwks: Jwks,
    built_at: Timestamp,
}

impl KeyRing {
    pub(super) fn new(loaded: RingParts, now: Timestamp) -> Self {
        let RingParts { schedule, publics, loaded, secret, version, warnings, first } = loaded;
        let pair_up = |key: &Key| {
            let public = Arc::clone(publics.get(&key.kid)?);
            Some((key.kid.clone(), Verifier { key: key.clone(), public }))
        };
        let verifiers: HashMap<Kid, Verifier> = schedule.keys().iter().filter_map(pair_up).collect();
        let signer = |key: &Key| {
            let loaded = Arc::clone(loaded.get(&key.kid)?);
            Some((key.clone(), Signer { loaded, published_until: key.published_until }))
        };
        // A key whose successor can't be opened here stays at hand for as long as it is published: a rotation that this
        // process can't follow must not stop it from signing.
        let followed =
            |alg: Algorithm| schedule.active(alg, now).is_some_and(|active| loaded.contains_key(&active.kid));
        let keeps = |key: &&Key| key.has_private_half(now) || (key.is_published(now) && !followed(key.alg));
        let signers = schedule.keys().iter().filter(keeps).filter_map(signer).collect();
        let published = schedule.published(now, first);
        let jwks = Jwks::new(published.iter().filter_map(|key| verifiers.get(&key.kid)).map(Verifier::jwk));
        Self { schedule, verifiers, signers, secret, version, warnings, first, jwks, built_at: now }
    }

    /// What signs with `alg`: the active key. If its private half can't be had (the clock was set back past a rotation,
    /// or the file could not be opened), the waiting key steps in early, as it is published already; and if that can't
    /// either, the key before goes on, whose tokens end with it.
    pub fn signer(&self, alg: Algorithm, now: Timestamp) -> Option<&Signer> {
        let of_state =
            |state: KeyState| self.signers.iter().filter(move |(key, _)| key.alg == alg && key.state(now) == state);
        let newest = |state: KeyState| of_state(state).max_by_key(|(key, _)| key.signs_from);
        let waiting = || of_state(KeyState::Next).min_by_key(|(key, _)| key.signs_from);
        let found = newest(KeyState::Active).or_else(waiting).or_else(|| newest(KeyState::Retiring));
        found.map(|(_, signer)| signer)
    }

    /// What verifies tokens that name `kid`: any key of the ring but a revoked one. Ask [`Verifier::is_published`] too,
    /// unless the token is a refresh token of ours.
    pub fn verifier(&self, kid: &str, now: Timestamp) -> Option<&Verifier> {
        self.verifiers.get(kid).filter(|verifier| verifier.key.state(now) != KeyState::Revoked)
    }

    /// The public half of the one key whose name begins so, revoked ones too: for a person who types it.
    pub fn find(&self, prefix: &str) -> Result<&Verifier, KeyChangeError> {
        let kid = &self.schedule.find(prefix)?.kid;
        self.verifiers.get(kid).ok_or_else(|| KeyChangeError::Unknown(prefix.to_owned()))
    }

    /// The public half of the key that signs with `alg`.
    pub fn active(&self, alg: Algorithm, now: Timestamp) -> Option<&Verifier> {
        self.schedule.active(alg, now).and_then(|key| self.verifiers.get(&key.kid))
    }

    /// The JWKS for the time the snapshot was built at.
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// All keys' dates.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The secret that others are derived from.
    pub fn secret(&self) -> &Arc<RingSecret> {
        &self.secret
    }

    /// The default signer's algorithm.
    pub fn default_algorithm(&self) -> Algorithm {
        self.first
    }

    /// What was odd about the folder, but not in the way.
    pub fn warnings(&self) -> &[KeyDirWarning] {
        &self.warnings
    }

    /// Which `ring.json` this is; compare with `KeyDir::version` to see whether it has changed.
    pub fn version(&self) -> RingVersion {
        self.version
    }

    /// When a new snapshot must be built, as some key's state will then have changed by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.schedule.next_change(self.built_at)
    }

    /// The same ring at another time: other JWKS, and no private half that has ended. None while nothing has changed
    /// since it was built; a clock set back counts as a change.
    pub fn rebuilt(&self, now: Timestamp) -> Option<Self> {
        if now >= self.built_at && self.next_change().is_none_or(|change| now < change) {
            return None;
        }
        let publics = self.verifiers.iter().map(|(kid, verifier)| (kid.clone(), Arc::clone(&verifier.public)));
        let loaded = RingParts {
            schedule: self.schedule.clone(),
            publics: publics.collect(),
            loaded: self.loaded_keys().collect(),
            secret: Arc::clone(&self.secret),
            version: self.version,
            warnings: self.warnings.clone(),
            first: self.first,
        };
        Some(Self::new(loaded, now))
    }

    /// The pairs it holds, for the next snapshot to take over.
    pub(super) fn loaded_keys(&self) -> impl Iterator<Item = (Kid, Arc<LoadedKey>)> {
        self.signers.iter().map(|(key, signer)| (key.kid.clone(), Arc::clone(&signer.loaded)))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys, built at {})", self.schedule.keys().len(), self.built_at)
    }
}
