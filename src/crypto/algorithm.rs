//! The only table of signature algorithms. Other modules take key types, curves and object identifiers from it. A new
//! algorithm needs an entry here, a variant in `domain::algorithm` and its signature encoding in `certificate`.

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair,
    VerificationAlgorithm,
};
use pkcs8::ObjectIdentifier;

use crate::crypto::key_error::KeyError;
use crate::crypto::private_half::PrivateHalf;
use crate::domain::algorithm::Algorithm;

/// The properties of a signature algorithm.
pub struct AlgorithmSpec {
    /// The algorithm.
    pub alg: Algorithm,
    /// JWK `kty` (RFC 7518 §6.1).
    pub kty: &'static str,
    /// JWK `crv`, for elliptic curves (RFC 7518 §6.2.1.1).
    pub crv: Option<&'static str>,
    /// The object identifier of the key type in PKCS#8.
    pub(super) oid: ObjectIdentifier,
    /// The object identifier of the curve in PKCS#8, for elliptic curves.
    pub(super) curve: Option<ObjectIdentifier>,
    pub(super) verification: &'static dyn VerificationAlgorithm,
    pub(super) certificate: &'static rcgen::SignatureAlgorithm,
    /// Generates a private half. The argument is the size of an RSA key in bits.
    pub(super) generate: fn(u32) -> Result<PrivateHalf, KeyError>,
    /// Reads a private half from PKCS#8.
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

/// The properties of `alg`.
pub fn spec(alg: Algorithm) -> &'static AlgorithmSpec {
    match alg {
        Algorithm::Es256 => &ES256,
        Algorithm::Rs256 => &RS256,
    }
}

/// Finds the algorithm for a key type and curve.
///
/// # Errors
/// The name of an unsupported key type, for the error message.
pub(super) fn of_kind(oid: ObjectIdentifier, curve: Option<ObjectIdentifier>) -> Result<Algorithm, String> {
    let supported = Algorithm::ALL.map(spec).into_iter().find(|spec| spec.oid == oid && spec.curve == curve);
    supported.map(|spec| spec.alg).ok_or_else(|| {
        let identifier = if oid == EC { curve.unwrap_or(oid) } else { oid }.to_string();
        let name = UNSUPPORTED.iter().find(|(oid, _)| **oid == identifier).map(|(_, name)| (*name).to_owned());
        name.unwrap_or_else(|| format!("a key with the object identifier {identifier}"))
    })
}

/// Common key types that Countersign does not support, each with its object identifier and name.
const UNSUPPORTED: [(&str, &str); 9] = [
    ("1.2.840.10045.2.1", "an elliptic-curve key without a named curve"),
    ("1.2.840.10040.4.1", "a DSA key"),
    ("1.2.840.113549.1.1.10", "an RSA-PSS key"),
    ("1.3.132.0.34", "a P-384 key"),
    ("1.3.132.0.35", "a P-521 key"),
    ("1.3.132.0.10", "a secp256k1 key"),
    ("1.3.101.112", "an Ed25519 key"),
    ("1.3.101.113", "an Ed448 key"),
    ("1.3.101.110", "an X25519 key"),
];

fn rsa_size(bits: u32) -> Result<KeySize, KeyError> {
    match bits {
        2048 => Ok(KeySize::Rsa2048),
        3072 => Ok(KeySize::Rsa3072),
        4096 => Ok(KeySize::Rsa4096),
        other => Err(KeyError::GenerateSize(other)),
    }
}
