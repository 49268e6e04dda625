//! Says in words why TLS with another server failed, and which setting helps.
//!
//! This module decides nothing: `server_certificate` verifies.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error as TlsFailure, OtherError};
use webpki::Error as PathError;

use crate::domain::time::Timestamp;

/// The settings to name in a message about a server's certificate.
#[derive(Clone, Copy, Debug)]
pub struct TlsSettingNames {
    /// The file with further trusted certificates, such as `email.ca_file`.
    pub ca_file: &'static str,
    /// The name of the server, such as `email.host`.
    pub host: &'static str,
    /// What decides whether the server is expected to use TLS, such as `email.port and email.security`.
    pub security: &'static str,
}

/// The error of `webpki` for which `rustls` has no error of its own.
pub(super) fn path_error(error: &OtherError) -> Option<&PathError> {
    error.0.downcast_ref()
}

/// Says what is wrong and which setting helps, as the end of a sentence.
pub fn describe_tls_error(error: &TlsFailure, settings: &TlsSettingNames) -> String {
    let TlsSettingNames { host, security, .. } = settings;
    match error {
        TlsFailure::InvalidCertificate(error) => {
            let (problem, advice) = describe_certificate_error(error, settings);
            format!("the certificate of the server {problem}; {advice}")
        }
        TlsFailure::NoCertificatesPresented => "the server sent no certificate; configure one there".to_owned(),
        TlsFailure::InvalidMessage(_) => format!("the server's data is not TLS; check {security}"),
        TlsFailure::PeerIncompatible(_)
        | TlsFailure::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => {
            "the server supports neither TLS 1.2 nor TLS 1.3 with a current cipher; update it".to_owned()
        }
        TlsFailure::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("the server has no certificate for this name; check {host}")
        }
        TlsFailure::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server requires a certificate of its clients, which is not supported; disable that there".to_owned()
        }
        TlsFailure::AlertReceived(alert) => {
            format!("the server ended the handshake: {}; check {security}", in_words(&format!("{alert:?}")))
        }
        _ => format!("the TLS handshake failed; check {security}"),
    }
}

/// What is wrong with a certificate, and what to do.
fn describe_certificate_error(error: &CertificateError, settings: &TlsSettingNames) -> (String, String) {
    let TlsSettingNames { ca_file, host, .. } = settings;
    let renew = || "renew it there, or correct the clock of this machine".to_owned();
    let replace = || "replace it there".to_owned();
    let date = |at: &UnixTime| Timestamp::from_unix(i64::try_from(at.as_secs()).unwrap_or(i64::MAX));
    match error {
        CertificateError::ExpiredContext { not_after, .. } => (format!("expired at {}", date(not_after)), renew()),
        CertificateError::Expired => ("has expired".to_owned(), renew()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            (format!("is valid only from {}", date(not_before)), renew())
        }
        CertificateError::NotValidYet => ("is not valid yet".to_owned(), renew()),
        CertificateError::UnknownIssuer => (
            "was issued by an authority that is not trusted here".to_owned(),
            format!(
                "set {ca_file} to a PEM file with the certificate of that authority, or with the certificate of the \
                 server itself"
            ),
        ),
        CertificateError::BadSignature => (
            "is not signed by the key of the authority that it names".to_owned(),
            format!("if that authority has a new key, put its new certificate into {ca_file}"),
        ),
        CertificateError::NotValidForNameContext { expected, presented } if !presented.is_empty() => {
            let presented: Vec<_> = presented.iter().map(|name| presented_name(name)).collect();
            let problem = format!("is not valid for {}, only for {}", expected.to_str(), presented.join(", "));
            (problem, format!("set {host} to one of these names"))
        }
        CertificateError::NotValidForNameContext { .. } | CertificateError::NotValidForName => {
            ("contains no name (subjectAltName) of the server".to_owned(), replace())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ("is not for TLS servers (its extended key usage has no serverAuth)".to_owned(), replace())
        }
        CertificateError::Revoked => ("was revoked".to_owned(), replace()),
        CertificateError::BadEncoding => ("is damaged".to_owned(), replace()),
        CertificateError::UnhandledCriticalExtension => ("has an unknown critical extension".to_owned(), replace()),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            ("has a signature of an unsupported kind, such as SHA-1".to_owned(), replace())
        }
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. }
        | CertificateError::InvalidOcspResponse => {
            ("has an unknown revocation status".to_owned(), "check the revocation service of its authority".to_owned())
        }
        CertificateError::Other(error) => describe_path_error(error, settings),
        other => (format!("is invalid ({})", in_words(&format!("{other:?}"))), replace()),
    }
}

/// What is wrong with a certificate for which `rustls` has no error of its own.
fn describe_path_error(error: &OtherError, settings: &TlsSettingNames) -> (String, String) {
    let ca_file = settings.ca_file;
    let replace = || "replace it there".to_owned();
    let Some(path_error) = path_error(error) else {
        // The verifier of the platform has errors of its own. Only the one of Linux is known by its text.
        let text = error.0.to_string();
        let problem = match text.as_str() {
            "certificate had invalid extensions" => "is not for TLS servers (its extended key usage has no serverAuth)",
            _ => "is rejected by this system",
        };
        return (problem.to_owned(), replace());
    };
    let problem = match path_error {
        PathError::CaUsedAsEndEntity => {
            let problem = "is the certificate of an authority (CA:TRUE) and not of a server";
            return (
                problem.to_owned(),
                format!("if it is self-signed, put it into {ca_file}; otherwise replace it there"),
            );
        }
        PathError::EndEntityUsedAsCa => "was issued by a certificate that is not an authority (CA:FALSE)",
        PathError::PathLenConstraintViolated => "has more intermediate authorities than its root allows",
        PathError::NameConstraintViolation => "has a name that its authority must not issue",
        PathError::UnsupportedCertVersion => "is not X.509 version 3, which has the names of the server",
        PathError::UnsupportedCriticalExtension => "has an unknown critical extension",
        PathError::EmptyEkuExtension => "is for no purpose (its extended key usage is empty)",
        PathError::InvalidSerialNumber => "has an invalid serial number",
        PathError::SignatureAlgorithmMismatch => "names two different signature algorithms",
        PathError::MaximumPathDepthExceeded
        | PathError::MaximumPathBuildCallsExceeded
        | PathError::MaximumSignatureChecksExceeded
        | PathError::MaximumNameConstraintComparisonsExceeded => "has too many intermediate authorities",
        other => return (format!("is invalid ({})", in_words(&format!("{other:?}"))), replace()),
    };
    (problem.to_owned(), replace())
}

/// The name in `DnsName("mail.example.com")`, the form in which `webpki` lists the names of a certificate.
fn presented_name(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// The name of an error as words: `BadDer` becomes `bad der`.
fn in_words(name: &str) -> String {
    let name = name.split(['(', '{', ' ']).next().unwrap_or(name);
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SETTINGS: TlsSettingNames =
        TlsSettingNames { ca_file: "email.ca_file", host: "email.host", security: "email.port" };

    #[test]
    fn errors_without_a_certificate_are_in_words() {
        use rustls::{InvalidMessage, PeerIncompatible};
        for (error, expected) in [
            (TlsFailure::InvalidMessage(InvalidMessage::InvalidContentType), "not TLS; check email.port"),
            (TlsFailure::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig), "TLS 1.2"),
            (TlsFailure::AlertReceived(AlertDescription::ProtocolVersion), "TLS 1.2"),
            (TlsFailure::AlertReceived(AlertDescription::UnrecognisedName), "check email.host"),
            (TlsFailure::AlertReceived(AlertDescription::InternalError), "internal error"),
            (TlsFailure::NoCertificatesPresented, "no certificate"),
            (TlsFailure::General("x".to_owned()), "handshake failed"),
        ] {
            let text = describe_tls_error(&error, &SETTINGS);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn path_errors_are_in_words() {
        for error in [
            PathError::CaUsedAsEndEntity,
            PathError::EndEntityUsedAsCa,
            PathError::PathLenConstraintViolated,
            PathError::NameConstraintViolation,
            PathError::UnsupportedCertVersion,
            PathError::UnsupportedCriticalExtension,
            PathError::EmptyEkuExtension,
            PathError::InvalidSerialNumber,
            PathError::SignatureAlgorithmMismatch,
            PathError::MaximumPathDepthExceeded,
            PathError::MalformedNameConstraint,
        ] {
            let name = format!("{error:?}");
            let error = TlsFailure::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))));
            let text = describe_tls_error(&error, &SETTINGS);
            assert!(text.starts_with("the certificate of the server ") && !text.contains(&name), "{text}");
        }
    }
}
