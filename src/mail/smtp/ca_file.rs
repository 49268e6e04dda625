//! Reads `email.ca_file`.
//!
//! The crate `pem` decodes the blocks, while `rustls` reads the certificates of the server (`http/server/tls.rs`). They
//! accept different damaged files, so with one reader for both, a file that works today could be rejected. `pem` skips
//! a truncated block, so `pem_file` finds the blocks first.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::crypto::pem_file::{CERTIFICATE, sections};
use crate::mail::error::MailSetupError;

/// Returns every certificate in the file.
pub(super) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, MailSetupError> {
    let unusable = |problem: String| MailSetupError::CaFile { path: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    parse(&bytes).map_err(unusable)
}

fn parse(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let sections = sections(bytes).map_err(|error| error.to_string())?;
    let is_certificate = |label: &str| [CERTIFICATE, "X509 CERTIFICATE"].contains(&label);
    if let Some(other) = sections.iter().find(|section| ["TRUSTED CERTIFICATE", "PKCS7"].contains(&&*section.label)) {
        let command = if other.label == "PKCS7" { "openssl pkcs7 -print_certs" } else { "openssl x509" };
        return Err(format!(
            "line {} begins a `{}`, which is not supported; convert it with `{command} -in FILE -out NEW`",
            other.line, other.label
        ));
    }
    let lines = sections.iter().filter(|section| is_certificate(&section.label)).map(|section| section.line);
    let blocks = pem::parse_many(bytes).map_err(|error| error.to_string())?;
    let blocks = blocks.into_iter().filter(|block| is_certificate(block.tag()));
    let certificates = blocks.zip(lines).map(|(block, line)| {
        let certificate = CertificateDer::from(block.into_contents());
        // A check only: the store is dropped.
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|_| format!("the certificate that begins in line {line} is damaged"))?;
        Ok(certificate)
    });
    match certificates.collect::<Result<Vec<_>, String>>()? {
        none if none.is_empty() => {
            Err(format!("the file contains no certificate, only `{}`", sections.first().map_or("", |s| &*s.label)))
        }
        certificates => Ok(certificates),
    }
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
            assert_eq!(parse(text.as_bytes()).unwrap().len(), count, "{text}");
        }
        assert_eq!(parse(&[b"\xfc\n".as_slice(), one.as_bytes()].concat()).unwrap().len(), 1);
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
