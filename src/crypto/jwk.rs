//! Public keys as JSON (RFC 7517, RFC 7518 §6). The types have no members for private values, so private values cannot
//! be written or read by accident.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use pkcs1::{RsaPublicKeyRef, UintRef};
use pkcs8::der::Encode;
use serde::{Deserialize, Serialize};

use crate::crypto::algorithm::AlgorithmSpec;
use crate::crypto::content_hash::ContentHash;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::Kid;

/// The length of a P-256 coordinate in bytes.
const COORDINATE_LENGTH: usize = 32;

/// A public signature key as a JWK. The fields are in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    kty: String,
    r#use: String,
    /// The algorithm of the key.
    pub alg: Algorithm,
    /// The thumbprint of the key (RFC 7638).
    pub kid: Kid,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl Jwk {
    /// Creates an RSA key from its numbers, big-endian, without leading zeros.
    pub(super) fn rsa(spec: &AlgorithmSpec, modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let n = URL_SAFE_NO_PAD.encode(modulus);
        let e = URL_SAFE_NO_PAD.encode(exponent);
        let kid = thumbprint(&format!(r#"{{"e":"{e}","kty":"{}","n":"{n}"}}"#, spec.kty))?;
        Some(Self { n: Some(n), e: Some(e), ..Self::without_parameters(spec, kid) })
    }

    /// Creates an elliptic-curve key from an uncompressed point. Returns `None` for bytes of another form.
    /// The caller must check that the point is on the curve.
    pub(super) fn ec(spec: &AlgorithmSpec, point: &[u8]) -> Option<Self> {
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(COORDINATE_LENGTH)?;
        let crv = spec.crv?;
        let x = URL_SAFE_NO_PAD.encode(x);
        let y = URL_SAFE_NO_PAD.encode(y);
        let kid = thumbprint(&format!(r#"{{"crv":"{crv}","kty":"{}","x":"{x}","y":"{y}"}}"#, spec.kty))?;
        Some(Self { crv: Some(crv.to_owned()), x: Some(x), y: Some(y), ..Self::without_parameters(spec, kid) })
    }

    fn without_parameters(spec: &AlgorithmSpec, kid: Kid) -> Self {
        let n = None;
        let e = None;
        let crv = None;
        let x = None;
        let y = None;
        Self { kty: spec.kty.to_owned(), r#use: "sig".to_owned(), alg: spec.alg, kid, n, e, crv, x, y }
    }

    /// Returns the key's bytes in the format of the crypto library: the reverse of [`Jwk::rsa`] and [`Jwk::ec`]. The
    /// caller must check that the bytes are a valid key with this `kid`.
    pub(super) fn to_raw(&self) -> Option<Vec<u8>> {
        match self.crv {
            Some(_) => raw_point(self.x.as_ref()?, self.y.as_ref()?),
            None => raw_numbers(self.n.as_ref()?, self.e.as_ref()?),
        }
    }
}

/// Creates an uncompressed point from its coordinates (RFC 7518 §6.2.1).
pub(super) fn raw_point(x: &str, y: &str) -> Option<Vec<u8>> {
    let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.decode(coordinate).ok());
    Some([vec![4], x?, y?].concat())
}

/// Encodes modulus and exponent (RFC 7518 §6.3.1) as PKCS#1.
pub(super) fn raw_numbers(n: &str, e: &str) -> Option<Vec<u8>> {
    let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.decode(number).ok());
    let [n, e] = [n?, e?];
    RsaPublicKeyRef { modulus: UintRef::new(&n).ok()?, public_exponent: UintRef::new(&e).ok()? }.to_der().ok()
}

/// The thumbprint of a key (RFC 7638 §3): the SHA-256 of its required members in lexicographic order.
fn thumbprint(members: &str) -> Option<Kid> {
    Kid::parse(&URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))).ok()
}

/// The bytes of a JWKS, ready to send, and their strong `ETag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// `{"keys":[…]}`.
    pub body: Bytes,
    /// The `ETag` with its quotation marks (RFC 9110 §8.8.3), ready to send.
    pub etag: Bytes,
    /// The first 64 bits of the `ETag` as a number, to compare the version that a client fetched with this version.
    pub version: u64,
}

impl Jwks {
    /// Serializes the keys in the given order.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a Jwk>) -> Self {
        #[derive(Serialize)]
        struct JwkSet<'a> {
            keys: Vec<&'a Jwk>,
        }
        // Serialization cannot fail, because the structure is fixed and contains only strings. If it failed, clients
        // would reject the empty body, because it is not a JWKS.
        let body = serde_json::to_vec(&JwkSet { keys: keys.into_iter().collect() }).unwrap_or_default();
        let hash = ContentHash::of(&body);
        Self { body: body.into(), etag: hash.etag().into(), version: hash.version() }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::key_error::KeyError;
    use crate::crypto::key_pair::{KeyPair, PublicKey};

    /// The example key of RFC 7638 §3.1, with `kid` and `use`.
    const RFC_7638: &str = r#"{"kty":"RSA","use":"sig","alg":"RS256","kid":"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}"#;

    #[test]
    fn the_kid_is_the_rfc_7638_thumbprint() {
        let jwk: Jwk = serde_json::from_str(RFC_7638).unwrap();
        assert_eq!(PublicKey::from_jwk(&jwk).unwrap().kid().as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(serde_json::to_string(&jwk).unwrap(), RFC_7638);
    }

    #[test]
    fn another_library_computes_the_same_kid() {
        use jsonwebtoken::jwk::{Jwk as TheirJwk, ThumbprintHash};
        for alg in Algorithm::ALL {
            let pair = KeyPair::generate(alg, 2048).unwrap();
            let json = serde_json::to_string(pair.public().jwk()).unwrap();
            let theirs: TheirJwk = serde_json::from_str(&json).unwrap();
            assert_eq!(theirs.thumbprint(ThumbprintHash::SHA256).unwrap(), pair.public().kid().as_str());
        }
    }

    #[test]
    fn contradictory_jwk_members_are_rejected() {
        let change = |member: &str, value: &str| {
            let mut json: serde_json::Value = serde_json::from_str(RFC_7638).unwrap();
            json[member] = value.into();
            serde_json::from_value::<Jwk>(json).map(|jwk| PublicKey::from_jwk(&jwk).map(|_| ()))
        };
        assert_eq!(change("kid", &"k".repeat(43)).unwrap(), Err(KeyError::Jwk));
        assert_eq!(change("kty", "EC").unwrap(), Err(KeyError::Jwk));
        assert_eq!(change("use", "enc").unwrap(), Err(KeyError::Jwk));
        assert_eq!(change("e", "AAEAAQ").unwrap(), Err(KeyError::Jwk), "a leading zero is rejected");
        assert!(change("alg", "ES256").unwrap().is_err());
        assert!(change("alg", "HS256").is_err());
        assert!(change("d", "AQAB").is_err(), "a private member is rejected");
    }

    #[test]
    fn the_etag_follows_the_jwks_bytes() {
        let jwk: Jwk = serde_json::from_str(RFC_7638).unwrap();
        let one = Jwks::new([&jwk]);
        let none = Jwks::new([]);
        assert_eq!(one.body, format!(r#"{{"keys":[{RFC_7638}]}}"#));
        assert_eq!(&none.body[..], br#"{"keys":[]}"#);
        assert_eq!(one.etag, Jwks::new([&jwk]).etag);
        assert_ne!((&one.etag, one.version), (&none.etag, none.version));
        let tag = one.etag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap();
        let tag = URL_SAFE_NO_PAD.decode(tag).unwrap();
        assert_eq!(one.version.to_be_bytes(), tag[..8]);
        assert_eq!(one.etag.len(), 24);
    }
}
