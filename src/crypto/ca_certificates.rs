//! The certificates in a PEM file of an operator, such as `email.ca_file`.
//!
//! The crate `pem` decodes the blocks, while `rustls` reads the certificates of the server (`http/server/tls.rs`). They
//! accept different damaged files, so with one reader for both, a file that works today could be rejected. `pem` skips
//! a truncated block, so `pem_file` finds the blocks first.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::crypto::pem_file::{CERTIFICATE, sections};

/// Returns every certificate.
///
/// # Errors
/// What is wrong with the content, and what to do.
pub fn read_ca_certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
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
