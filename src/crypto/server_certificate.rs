//! Verifies the certificates of other servers.
//!
//! The roots are those of the system, or Mozilla's if the system has none, and the operator's own. This module opens no
//! connection and reads no file.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsFailure, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use webpki::Error as PathError;

use crate::crypto::tls_error::path_error;

/// Builds a configuration that trusts the roots of the system and the operator's own certificates: as authorities, and
/// as the certificate of a server itself.
///
/// # Errors
/// A certificate of the operator is invalid.
pub fn client_config(trusted: Vec<CertificateDer<'static>>) -> Result<ClientConfig, TlsFailure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(TrustVerifier { inner: path_verifier(&trusted, &provider)?, trusted });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Whether the system has root certificates. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them.
pub fn has_system_roots() -> bool {
    Verifier::new(Arc::new(aws_lc_rs::default_provider())).is_ok()
}

/// Builds a configuration that accepts every certificate. Only for a request without secrets to a server of this machine.
///
/// # Errors
/// The crypto library supports no TLS version.
pub fn unverified_client_config() -> Result<ClientConfig, TlsFailure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Accepts every certificate and every signature.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsFailure> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsFailure> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsFailure> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn path_verifier(
    trusted: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsFailure> {
    // With the operator's certificates, the verifier would not report that the system has none, and would then trust no
    // public authority.
    if has_system_roots() {
        return Ok(Arc::new(Verifier::new_with_extra_roots(trusted.iter().cloned(), Arc::clone(provider))?));
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in trusted {
        roots.add(certificate.clone())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|error| TlsFailure::General(error.to_string()))?)
}

/// Verifies the path to a trusted root. A certificate that the operator trusts as such needs no path: it is often
/// self-signed, and then marked as an authority (`openssl req -x509`). Its dates, purpose and names are still checked.
#[derive(Debug)]
struct TrustVerifier {
    inner: Arc<dyn ServerCertVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for TrustVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsFailure> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(TlsFailure::InvalidCertificate(error)) if lacks_a_path(&error) && self.trusted.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsFailure> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsFailure> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whether the path to a root is what is wrong with a certificate. `webpki` checks the dates of a certificate before
/// its basic constraints and its path.
fn lacks_a_path(error: &CertificateError) -> bool {
    match error {
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => true,
        CertificateError::Other(error) => matches!(path_error(error), Some(PathError::CaUsedAsEndEntity)),
        _ => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
    use time::OffsetDateTime;

    use super::*;
    use crate::crypto::tls_error::{TlsSettingNames, describe_tls_error};

    const NOW: u64 = 1_700_000_000;
    const SETTINGS: TlsSettingNames =
        TlsSettingNames { ca_file: "email.ca_file", host: "email.host", security: "email.port" };

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let at = |seconds: u64| OffsetDateTime::from_unix_timestamp(seconds.try_into().unwrap()).unwrap();
        (params.not_before, params.not_after) = (at(NOW - 1000), at(NOW + 1000));
        params
    }

    fn authority() -> CertificateParams {
        let mut params = params("ca.example.com");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn self_signed(params: &CertificateParams) -> CertificateDer<'static> {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    /// The certificates of an authority and of a server.
    fn issued(authority: CertificateParams, server: &CertificateParams) -> [CertificateDer<'static>; 2] {
        let key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&key).unwrap().into();
        let issuer = Issuer::new(authority, key);
        [root, server.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().into()]
    }

    /// Verifies a certificate for `mail.example.com`. Returns the description of the error.
    fn verify(
        certificate: &CertificateDer<'static>,
        trusted: &[&CertificateDer<'static>],
        at: u64,
    ) -> Result<(), String> {
        let trusted: Vec<_> = trusted.iter().map(|certificate| (*certificate).clone()).collect();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = TrustVerifier { inner: path_verifier(&trusted, &provider).unwrap(), trusted };
        let name = ServerName::try_from("mail.example.com").unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let outcome = verifier.verify_server_cert(certificate, &[], &name, &[], at);
        outcome.map(drop).map_err(|error| describe_tls_error(&error, &SETTINGS))
    }

    #[test]
    fn a_certificate_that_is_itself_trusted_needs_no_authority() {
        let mut as_authority = params("mail.example.com");
        as_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        for params in [params("mail.example.com"), as_authority] {
            let certificate = self_signed(&params);
            assert_eq!(verify(&certificate, &[&certificate], NOW), Ok(()));
            let other = self_signed(&params);
            assert!(verify(&certificate, &[&other], NOW).is_err(), "another certificate with the same names");
            assert!(
                verify(&certificate, &[&certificate], NOW + 2000)
                    .unwrap_err()
                    .contains("expired at 2023-11-14T22:30:00Z")
            );
            assert!(verify(&certificate, &[&certificate], NOW - 2000).unwrap_err().contains("valid only from"));
        }
        let [root, leaf] = issued(authority(), &params("mail.example.com"));
        assert_eq!((verify(&leaf, &[&root], NOW), verify(&leaf, &[&leaf], NOW)), (Ok(()), Ok(())));
        let [_, foreign] = issued(authority(), &params("other.example.com"));
        assert!(verify(&foreign, &[&foreign], NOW).unwrap_err().contains("only for other.example.com"));
    }

    #[test]
    fn every_reason_for_rejecting_a_certificate_is_in_words() {
        let valid = || params("mail.example.com");
        let mut self_signed_authority = valid();
        self_signed_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let self_signed_authority = self_signed(&self_signed_authority);
        let mut for_clients = valid();
        for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let [client_root, for_clients] = issued(authority(), &for_clients);
        let [root, server] = issued(authority(), &valid());
        let [other_root, other] = issued(authority(), &params("other.example.com"));
        let mut nameless = valid();
        nameless.subject_alt_names.clear();
        let [nameless_root, nameless] = issued(authority(), &nameless);
        let no_authority = params("ca.example.com");
        let [leaf_root, below_leaf] = issued(no_authority, &valid());
        let damaged = CertificateDer::from(vec![0x30, 3, 2, 1, 1]);
        for (certificate, trusted, at, problem, advice) in [
            (&server, &root, NOW + 2000, "expired at", "renew it"),
            (&server, &root, NOW - 2000, "valid only from", "clock"),
            (&server, &client_root, NOW, "", "email.ca_file"),
            (&self_signed_authority, &root, NOW, "CA:TRUE", "put it into email.ca_file"),
            (&for_clients, &client_root, NOW, "extended key usage", "replace it"),
            (&other, &other_root, NOW, "not valid for mail.example.com, only for other.example.com", "set email.host"),
            (&nameless, &nameless_root, NOW, "subjectAltName", "replace it"),
            (&damaged, &root, NOW, "is damaged", "replace it"),
        ] {
            let error = verify(certificate, &[trusted], at).unwrap_err();
            assert!(error.contains(problem) && error.contains(advice), "{problem}: {error}");
            assert!(!error.contains("Error") && !error.contains('{'), "{error}");
        }
        // An authority need not be marked as one if the operator trusts it.
        assert_eq!(verify(&below_leaf, &[&leaf_root], NOW), Ok(()));
    }
}
