//! A key pair that signs and a public key that verifies. Both are parsed once and stay in memory while they are used.
//! Only [`KeyPair::to_pkcs8_der`] exports a private half.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_SHA256};
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::der::Decode as _;
use pkcs8::der::asn1::AnyRef;
use pkcs8::{Document, LineEnding, PrivateKeyInfoRef};

use crate::crypto::algorithm::{AlgorithmSpec, RSA, of_kind, spec};
use crate::crypto::jwk::Jwk;
use crate::crypto::key_error::KeyError;
use crate::crypto::private_half::PrivateHalf;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::Kid;
use crate::domain::secret::SecretBytes;

/// The accepted sizes of an RSA modulus, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// The smallest accepted public exponent, 65537. Smaller exponents have led to forged signatures.
const MIN_EXPONENT: &[u8] = &[1, 0, 1];

/// The signature is not valid for this key and message.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid signature")]
pub struct BadSignature;

/// A key pair that signs.
pub struct KeyPair {
    private: PrivateHalf,
    public: PublicKey,
}

impl KeyPair {
    /// Generates a new pair. `rsa_bits` (2048, 3072, 4096) applies to RSA only. An RSA key takes 20–1000 ms.
    pub fn generate(alg: Algorithm, rsa_bits: u32) -> Result<Self, KeyError> {
        Self::new(spec(alg), (spec(alg).generate)(rsa_bits)?)
    }

    /// Reads a private key in PKCS#8 (RFC 5208). Rejects unsupported key types, and RSA keys with an unsupported
    /// size or an unsafe exponent.
    pub fn from_pkcs8_der(der: &SecretBytes) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der.expose()).map_err(|_| KeyError::Damaged)?;
        let curve = info.algorithm.parameters.and_then(|any| any.decode_as().ok());
        let spec = spec(of_kind(info.algorithm.oid, curve).map_err(KeyError::Unsupported)?);
        if spec.oid == RSA {
            // Checked here, because the library rejects a short key without giving the reason.
            let key = RsaPrivateKeyRef::try_from(info.private_key.as_bytes());
            check_rsa_bits(key.map_err(|_| rsa_problem(info.private_key.as_bytes()))?.modulus.as_bytes())?;
        }
        Self::new(spec, (spec.open)(der.expose())?)
    }

    fn new(spec: &AlgorithmSpec, private: PrivateHalf) -> Result<Self, KeyError> {
        let public = match &private {
            PrivateHalf::Ec(key) => PublicKey::new(spec, key.public_key().as_ref()),
            PrivateHalf::Rsa(key) => PublicKey::new(spec, key.public_key().as_ref()),
        }?;
        Ok(Self { private, public })
    }

    /// Exports the private half in PKCS#8, to be written to its file.
    pub fn to_pkcs8_der(&self) -> Result<SecretBytes, KeyError> {
        Ok(SecretBytes::new(match &self.private {
            PrivateHalf::Ec(key) => key.to_pkcs8v1()?.as_ref().to_vec(),
            PrivateHalf::Rsa(key) => AsDer::<Pkcs8V1Der<'_>>::as_der(&**key)?.as_ref().to_vec(),
        }))
    }

    /// Appends the signature of `message` to `out`: `r ‖ s` for ES256 (RFC 7518 §3.4).
    pub fn sign(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
        // The library uses its own random source and ignores this argument.
        let rng = SystemRandom::new();
        match &self.private {
            PrivateHalf::Ec(key) => out.extend_from_slice(key.sign(&rng, message)?.as_ref()),
            PrivateHalf::Rsa(key) => {
                let start = out.len();
                out.resize(start + key.public_modulus_len(), 0);
                key.sign(&RSA_PKCS1_SHA256, &rng, message, &mut out[start..])?;
            }
        }
        Ok(())
    }

    /// Signs a message and verifies the signature, so that an unusable key is found before it signs a token.
    pub fn self_test(&self) -> Result<(), KeyError> {
        let message = self.public.kid().as_str().as_bytes();
        let mut signature = Vec::new();
        self.sign(message, &mut signature)?;
        self.public.verify(message, &signature).map_err(|_| KeyError::Damaged)
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public.kid())
    }
}

/// Why an RSA key (RFC 8017 §A.1.2) cannot be read: it has version 1, so more than two primes, or it is damaged.
fn rsa_problem(der: &[u8]) -> KeyError {
    match AnyRef::from_der(der) {
        Ok(sequence) if sequence.value().starts_with(&[2, 1, 1]) => {
            KeyError::Unsupported("an RSA key with more than two primes".to_owned())
        }
        _ => KeyError::Damaged,
    }
}

/// A public key that verifies signatures.
#[derive(Clone)]
pub struct PublicKey {
    alg: Algorithm,
    jwk: Jwk,
    key: ParsedPublicKey,
}

impl PublicKey {
    /// Reads a public JWK. Its `kid` must be its thumbprint (RFC 7638).
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let public = Self::new(spec(jwk.alg), &jwk.to_raw().ok_or(KeyError::Jwk)?)?;
        if public.jwk == *jwk { Ok(public) } else { Err(KeyError::Jwk) }
    }

    /// Creates a public key from `raw`: PKCS#1 for RSA, an uncompressed point for elliptic curves.
    pub(super) fn new(spec: &AlgorithmSpec, raw: &[u8]) -> Result<Self, KeyError> {
        let jwk = if spec.oid == RSA {
            let numbers = RsaPublicKeyRef::try_from(raw)?;
            let modulus = numbers.modulus.as_bytes();
            let exponent = numbers.public_exponent.as_bytes();
            check_rsa_bits(modulus)?;
            if (exponent.len(), exponent) < (MIN_EXPONENT.len(), MIN_EXPONENT) {
                return Err(KeyError::Exponent);
            }
            Jwk::rsa(spec, modulus, exponent)
        } else {
            Jwk::ec(spec, raw)
        };
        let jwk = jwk.ok_or(KeyError::Damaged)?;
        Ok(Self { alg: spec.alg, jwk, key: ParsedPublicKey::new(spec.verification, raw)? })
    }

    /// Verifies a signature of `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.key.verify_sig(message, signature).map_err(|_| BadSignature)
    }

    /// The only algorithm that may be used with the key.
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The `kid` of the key: its thumbprint (RFC 7638).
    pub fn kid(&self) -> &Kid {
        &self.jwk.kid
    }

    /// The public JWK (RFC 7517).
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The key in PEM, `-----BEGIN PUBLIC KEY-----…` (RFC 7468 §13).
    pub fn spki_pem(&self) -> Result<String, KeyError> {
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(&self.key)?;
        Ok(Document::try_from(der.as_ref())?.to_pem("PUBLIC KEY", LineEnding::LF)?)
    }

    /// The key as it is encoded in a certificate: PKCS#1 for RSA, an uncompressed point for elliptic curves.
    pub(super) fn raw(&self) -> &[u8] {
        self.key.as_ref()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid())
    }
}

fn check_rsa_bits(modulus: &[u8]) -> Result<(), KeyError> {
    let leading_zeros = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(leading_zeros);
    if RSA_BITS.contains(&bits) { Ok(()) } else { Err(KeyError::RsaBits(bits)) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_verifies_only_its_own_signatures() {
        for alg in Algorithm::ALL {
            let pair = KeyPair::generate(alg, 2048).unwrap();
            let other = KeyPair::generate(alg, 2048).unwrap();
            let mut out = b"kept".to_vec();
            pair.sign(b"message", &mut out).unwrap();
            let signature = out.strip_prefix(b"kept").unwrap();
            let expected_length = if alg == Algorithm::Es256 { 64 } else { 256 };
            assert_eq!(signature.len(), expected_length, "{alg:?}");
            assert_eq!(pair.public().verify(b"message", signature), Ok(()));
            assert_eq!(pair.public().verify(b"massage", signature), Err(BadSignature));
            assert_eq!(pair.public().verify(b"message", &signature[1..]), Err(BadSignature));
            assert_eq!(other.public().verify(b"message", signature), Err(BadSignature));
        }
    }

    #[test]
    fn key_pairs_round_trip_through_pkcs8_and_jwk() {
        for alg in Algorithm::ALL {
            let pair = KeyPair::generate(alg, 2048).unwrap();
            let again = KeyPair::from_pkcs8_der(&pair.to_pkcs8_der().unwrap()).unwrap();
            assert_eq!(again.public().jwk(), pair.public().jwk());
            let public = PublicKey::from_jwk(pair.public().jwk()).unwrap();
            let mut signature = Vec::new();
            again.sign(b"message", &mut signature).unwrap();
            assert_eq!(public.verify(b"message", &signature), Ok(()));
        }
    }

    #[test]
    fn independent_libraries_read_the_same_public_numbers() {
        use p256::elliptic_curve::sec1::ToSec1Point;
        use p256::pkcs8::DecodePrivateKey as _;
        use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};

        let pair = KeyPair::generate(Algorithm::Rs256, 2048).unwrap();
        let theirs = rsa::RsaPrivateKey::from_pkcs8_der(pair.to_pkcs8_der().unwrap().expose()).unwrap();
        let pem = theirs.to_public_key().to_public_key_pem(rsa::pkcs8::LineEnding::LF).unwrap();
        assert_eq!(pair.public().spki_pem().unwrap(), pem);

        let pair = KeyPair::generate(Algorithm::Es256, 0).unwrap();
        let theirs = p256::SecretKey::from_pkcs8_der(pair.to_pkcs8_der().unwrap().expose()).unwrap();
        assert_eq!(pair.public().raw(), &*theirs.public_key().to_sec1_point(false).to_bytes());
    }

    #[test]
    fn unsupported_rsa_sizes_and_damaged_keys_are_rejected() {
        assert_eq!(KeyPair::generate(Algorithm::Rs256, 1024).unwrap_err(), KeyError::GenerateSize(1024));
        let der = KeyPair::generate(Algorithm::Es256, 0).unwrap().to_pkcs8_der().unwrap();
        for cut in [0, 1, 40, der.expose().len() - 1] {
            let short = SecretBytes::new(der.expose()[..cut].to_vec());
            assert_eq!(KeyPair::from_pkcs8_der(&short).unwrap_err(), KeyError::Damaged);
        }
    }

    #[test]
    fn debug_output_shows_the_kid_and_no_private_key() {
        let pair = KeyPair::generate(Algorithm::Es256, 0).unwrap();
        assert_eq!(format!("{pair:?}"), format!("KeyPair({})", pair.public().kid()));
    }
}
