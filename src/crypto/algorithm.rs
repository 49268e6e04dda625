//! The one table of what a signature algorithm is made of. A later algorithm is a row here and a name in
//! `domain::algorithm`; nobody else compares names, curves or object identifiers.

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair,
    VerificationAlgorithm,
};
use pkcs8::ObjectIdentifier;

use crate::crypto::key_pair::{KeyError, PrivateHalf};
use crate::domain::algorithm::Algorithm;

/// What an algorithm is made of.
pub struct AlgorithmSpec {
    /// Its name.
    pub alg: Algorithm,
    /// JWK `kty` (RFC 7518 §6.1).
    pub kty: &'static str,
    /// JWK `crv`, for elliptic curves (RFC 7518 §6.2.1.1).
    pub crv: Option<&'static str>,
    /// What a PKCS#8 file calls the key's kind.
    pub(super) oid: ObjectIdentifier,
    /// And its curve.
    pub(super) curve: Option<ObjectIdentifier>,
    pub(super) verification: &'static dyn VerificationAlgorithm,
    pub(super) certificate: &'static rcgen::SignatureAlgorithm,
    /// Makes a private half; the argument is the size of an RSA key in bits.
    pub(super) generate: fn(u32) -> Result<PrivateHalf, KeyError>,
    /// Reads one from PKCS#8.
    pub(super) open: fn(&[u8]) -> Result<PrivateHalf, KeyError>,
}

/// `rsaEncryption` (RFC 8017 appendix A.1).
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey` (RFC 5480 §2.1.1).
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480 §2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

static ES256: AlgorithmSpec = AlgorithmSpec {
    alg: Algorithm::Es256,
    kty: "EC",
    crv: Some("P-256"),
    oid: EC,
    curve: Some(P256),
    verification: &ECDSA_P256_SHA256_FIXED,
    certificate: &rcgen::PKCS_ECDSA_P256_SHA256,
    generate: |_| Ok(PrivateHalf::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)),
    open: |pkcs8| Ok(PrivateHalf::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?)),
};

static RS256: AlgorithmSpec = AlgorithmSpec {
    alg: Algorithm::Rs256,
    kty: "RSA",
    crv: None,
    oid: RSA,
    curve: None,
    verification: &RSA_PKCS1_2048_8192_SHA256,
    certificate: &rcgen::PKCS_RSA_SHA256,
    generate: |bits| Ok(PrivateHalf::Rsa(Box::new(RsaKeyPair::generate(rsa_size(bits)?)?))),
    open: |pkcs8| Ok(PrivateHalf::Rsa(Box::new(RsaKeyPair::from_pkcs8(pkcs8)?))),
};

/// The facts about `alg`.
pub fn spec(alg: Algorithm) -> &'static AlgorithmSpec {
    match alg {
        Algorithm::Es256 => &ES256,
        Algorithm::Rs256 => &RS256,
    }
}

/// The algorithm that a key of this kind (and curve) signs with, or what kind of key that is.
pub(super) fn of_kind(oid: ObjectIdentifier, curve: Option<ObjectIdentifier>) -> Result<Algorithm, String> {
    let known = Algorithm::ALL.map(spec).into_iter().find(|spec| spec.oid == oid && spec.curve == curve);
    known.map(|spec| spec.alg).ok_or_else(|| {
        let named = if oid == EC { curve.unwrap_or(oid) } else { oid }.to_string();
        let name = STRANGERS.iter().find(|(oid, _)| **oid == named).map(|(_, name)| (*name).to_owned());
        name.unwrap_or_else(|| format!("a key of the kind {named}"))
    })
}

/// Kinds of keys that people have, and that sign nothing here.
const STRANGERS: [(&str, &str); 9] = [
    ("1.2.840.10045.2.1", "an elliptic-curve key without a named curve"),
    ("1.2.840.10040.4.1", "a DSA key"),
    ("1.2.840.113549.1.1.10", "a key for RSA-PSS alone"),
    ("1.3.132.0.34", "a key on P-384"),
    ("1.3.132.0.35", "a key on P-521"),
    ("1.3.132.0.10", "a key on secp256k1"),
    ("1.3.101.112", "an Ed25519 key"),
    ("1.3.101.113", "an Ed448 key"),
    ("1.3.101.110", "an X25519 key"),
];

fn rsa_size(bits: u32) -> Result<KeySize, KeyError> {
    match bits {
        2048 => Ok(KeySize::Rsa2048),
        3072 => Ok(KeySize::Rsa3072),
        4096 => Ok(KeySize::Rsa4096),
        other => Err(KeyError::Size(other)),
    }
}
