//! Reads `email.ca_file`.

use std::path::Path;

use rustls::pki_types::CertificateDer;

use crate::crypto::ca_certificates::read_ca_certificates;
use crate::mail::error::MailSetupError;

/// Returns every certificate in the file.
pub(super) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, MailSetupError> {
    let unusable = |problem: String| MailSetupError::CaFile { path: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    read_ca_certificates(&bytes).map_err(unusable)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::certificate::for_tls;

    fn problem(content: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, content).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains("email.ca_file"), "{error}");
        error
    }

    #[test]
    fn every_certificate_of_the_file_is_read() {
        let (one, key) = for_tls("one.example.com").unwrap();
        let (two, _) = for_tls("two.example.com").unwrap();
        let key = std::str::from_utf8(key.expose()).unwrap();
        for (text, count) in [
            (one.clone(), 1),
            (format!("# Schl\u{fc}ssel\n{one}\n{two}"), 2),
            (format!("{one}{key}{two}").replace('\n', "\r\n"), 2),
            (one.replace("CERTIFICATE", "X509 CERTIFICATE"), 1),
        ] {
            assert_eq!(read_ca_certificates(text.as_bytes()).unwrap().len(), count, "{text}");
        }
        assert_eq!(read_ca_certificates(&[b"\xfc\n".as_slice(), one.as_bytes()].concat()).unwrap().len(), 1);
    }

    #[test]
    fn an_unusable_ca_file_is_named() {
        let (one, key) = for_tls("one.example.com").unwrap();
        let (two, _) = for_tls("two.example.com").unwrap();
        let truncated = format!("{one}{}", &two[..two.len() / 2]);
        for (content, expected) in [
            (b"hello".as_slice(), "not PEM"),
            (b"", "empty"),
            (key.expose(), "no certificate"),
            (truncated.as_bytes(), "is truncated"),
            (one.replace("CERTIFICATE", "TRUSTED CERTIFICATE").as_bytes(), "openssl x509"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "line 1 is damaged"),
            (&pem::parse(&one).unwrap().into_contents(), "DER"),
        ] {
            assert!(problem(content).contains(expected), "{expected}: {}", problem(content));
        }
        let missing = read(Path::new("nowhere/ca.pem")).unwrap_err().to_string();
        assert!(missing.contains("nowhere/ca.pem") && missing.contains("No such file"), "{missing}");
    }
}
