//! The self-signed X.509 certificate of a key, for clients that need a certificate instead of a bare key.
//!
//! It is created when the key is generated or imported, because the private half is deleted later. It is self-signed,
//! so it proves nothing about the owner of the key.

use std::time::Duration;

use pkcs8::der::Encode;
use pkcs8::der::asn1::UintRef;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyUsagePurpose, PublicKeyData, SigningKey};
use time::OffsetDateTime;

use crate::crypto::algorithm::spec;
use crate::crypto::key_error::KeyError;
use crate::crypto::key_pair::KeyPair;
use crate::domain::algorithm::Algorithm;
use crate::domain::secret::SecretBytes;
use crate::domain::time::Timestamp;

/// The certificate is valid from 24 h before the creation of its key, for verifiers whose clocks are slow.
const VALID_BEFORE: Duration = Duration::from_hours(24);
/// The certificate is valid until ten years after the creation of its key, longer than any key should sign.
const VALID_AFTER: Duration = Duration::from_hours(24 * 3650);

/// Creates the certificate in PEM (RFC 7468 §5), with `name` as subject and issuer.
pub fn self_signed(pair: &KeyPair, name: &str, created_at: Timestamp) -> Result<String, KeyError> {
    let date = |at: Timestamp| OffsetDateTime::from_unix_timestamp(at.unix()).map_err(|_| KeyError::Failed);
    let mut params = CertificateParams::default();
    params.not_before = date(created_at - VALID_BEFORE)?;
    params.not_after = date(created_at + VALID_AFTER)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params.self_signed(&CertificateSigner(pair)).map_err(|_| KeyError::Failed)?.pem())
}

/// Creates a TLS certificate and its key, both in PEM, for a host without a certificate from a certificate authority.
/// Browsers and clients must be configured to trust it. It is not stored: every start creates another.
pub fn for_tls(host: &str) -> Result<(String, SecretBytes), KeyError> {
    let names = vec![host.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).map_err(|_| KeyError::Failed)?;
    Ok((certified.cert.pem(), SecretBytes::new(certified.signing_key.serialize_pem().into_bytes())))
}

/// Signs the certificate with the key pair itself, so that the private half is not copied.
struct CertificateSigner<'a>(&'a KeyPair);

impl PublicKeyData for CertificateSigner<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public().raw()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        spec(self.0.public().alg()).certificate
    }
}

impl SigningKey for CertificateSigner<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let mut signature = Vec::new();
        self.0.sign(message, &mut signature).map_err(|_| rcgen::Error::RemoteKeyError)?;
        match self.0.public().alg() {
            Algorithm::Rs256 => Ok(signature),
            Algorithm::Es256 => asn1(&signature).ok_or(rcgen::Error::RemoteKeyError),
        }
    }
}

/// Converts an ECDSA signature from the form of JWS, `r ‖ s`, to the form of X.509, a sequence of two numbers
/// (RFC 3279 §2.2.3).
fn asn1(fixed: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = fixed.split_at_checked(fixed.len() / 2)?;
    [UintRef::new(r).ok()?, UintRef::new(s).ok()?].to_der().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::testing::openssl;

    #[test]
    fn openssl_verifies_the_certificate_and_reads_its_fields() {
        for alg in Algorithm::ALL {
            let pair = KeyPair::generate(alg, 2048).unwrap();
            let pem = self_signed(&pair, "issuer.example", Timestamp::from_unix(1_700_000_000)).unwrap();
            let arguments = ["x509", "-noout", "-pubkey", "-subject", "-issuer", "-dates", "-nameopt", "compat"];
            let Some(output) = openssl(&arguments, pem.as_bytes()) else { return };
            let text = String::from_utf8(output).unwrap();
            assert!(text.contains(&pair.public().spki_pem().unwrap()), "{text}");
            for line in [
                "subject=/CN=issuer.example",
                "issuer=/CN=issuer.example",
                "notBefore=Nov 13 22:13:20 2023 GMT",
                "notAfter=Nov 11 22:13:20 2033 GMT",
            ] {
                assert!(text.contains(line), "{line} is not in {text}");
            }
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("certificate.pem");
            std::fs::write(&file, &pem).unwrap();
            let verify = ["verify", "-check_ss_sig", "-attime", "1700000000", "-CAfile", file.to_str().unwrap()];
            openssl(&[&verify[..], &[file.to_str().unwrap()]].concat(), b"");
        }
    }
}
