//! Reads the PEM files of `[tls]`. An error names the setting, the file, its format and the remedy.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::crypto::pem_file::{CERTIFICATE, PemSection, sections};

/// The byte order mark that some editors put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The formats of private keys that the TLS library reads.
const READABLE_KEYS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// Reads a certificate chain, the certificate of the server first.
///
/// # Errors
/// What is wrong with the file and what to do, as the end of a sentence.
pub(super) fn certificate_chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let found = sections(bytes).map_err(|error| error.to_string())?;
    if !found.iter().any(|section| section.label == CERTIFICATE) {
        return Err(no_certificate(&found));
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(LINES.to_owned()),
        Err(_) => Err("a certificate in the file is damaged".to_owned()),
    }
}

/// Reads the first private key that is neither encrypted nor of an unsupported format.
///
/// # Errors
/// What is wrong with the file and what to do, as the end of a sentence. It contains nothing of the key.
pub(super) fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let found = sections(bytes).map_err(|error| error.to_string())?;
    let is_readable = |section: &PemSection| READABLE_KEYS.contains(&&*section.label) && !section.has_legacy_encryption;
    if !found.iter().any(is_readable) {
        return Err(no_key(&found));
    }
    if let Some(encrypted) = found.iter().find(|section| section.has_legacy_encryption) {
        return Err(encrypted_key(encrypted));
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => LINES.to_owned(),
        // The error of the library may quote a line of the file.
        _ => "the private key in the file is damaged".to_owned(),
    })
}

const LINES: &str = "each BEGIN and END must be a line of its own, without blanks in front";

fn no_certificate(found: &[PemSection]) -> String {
    let label = found.first().map_or("", |section| &*section.label);
    match label {
        _ if label.ends_with("PRIVATE KEY") => {
            "the file contains a private key and no certificate; were tls.certificate and tls.key exchanged?".to_owned()
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "the file contains a certificate request; use the certificate that the authority issued for it".to_owned()
        }
        "PKCS7" => "the file is PKCS#7; convert it with `openssl pkcs7 -print_certs -in FILE -out NEW`".to_owned(),
        "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => {
            format!("the file contains a `{label}`; convert it with `openssl x509 -in FILE -out NEW`")
        }
        label => format!("the file contains no certificate, only `{label}`"),
    }
}

fn no_key(found: &[PemSection]) -> String {
    let Some(key) = found.iter().find(|section| section.label.ends_with("PRIVATE KEY")) else {
        let label = found.first().map_or("", |section| &*section.label);
        return match label {
            CERTIFICATE => "the file contains a certificate and no private key; were tls.certificate and tls.key \
                            exchanged?"
                .to_owned(),
            label => format!("the file contains no private key, only `{label}`"),
        };
    };
    match &*key.label {
        "ENCRYPTED PRIVATE KEY" => encrypted_key(key),
        _ if key.has_legacy_encryption => encrypted_key(key),
        "OPENSSH PRIVATE KEY" => {
            "the private key has the format of OpenSSH; convert a copy with `ssh-keygen -p -m PKCS8 -f COPY`".to_owned()
        }
        label => format!(
            "the private key has the format `{label}`, which is not supported; use an RSA, ECDSA or Ed25519 key in PKCS#8"
        ),
    }
}

fn encrypted_key(key: &PemSection) -> String {
    format!(
        "the private key is encrypted (`{}` in line {}); write it without encryption with `openssl pkey -in FILE -out \
         NEW`, readable only by the user of the server",
        key.label, key.line
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::certificate::for_tls;
    use crate::crypto::testing::openssl;

    #[test]
    fn other_formats_of_the_certificate_are_named() {
        let (chain, key) = for_tls("one.example.com").unwrap();
        let (other, _) = for_tls("two.example.com").unwrap();
        let two = format!("{chain}{other}");
        for text in [chain.clone(), two.clone(), two.replace('\n', "\r\n"), format!("\u{feff}{chain}")] {
            assert_eq!(certificate_chain(text.as_bytes()).unwrap().len(), text.matches("BEGIN").count(), "{text}");
        }
        let der = pem::parse(&chain).unwrap().into_contents();
        let utf16: Vec<u8> = chain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"hello", "not PEM"),
            (&der, "DER"),
            (&utf16, "UTF-16"),
            (key.expose(), "exchanged"),
            (chain.replace("CERTIFICATE", "CERTIFICATE REQUEST").as_bytes(), "certificate request"),
            (chain.replace("CERTIFICATE", "PKCS7").as_bytes(), "openssl pkcs7"),
            (chain.replace("CERTIFICATE", "TRUSTED CERTIFICATE").as_bytes(), "openssl x509"),
            (chain.replace("CERTIFICATE", "PUBLIC KEY").as_bytes(), "only `PUBLIC KEY`"),
            (&two.as_bytes()[..two.len() - 40], "truncated"),
            (chain.replace("-----\n", "-----\n*").as_bytes(), "damaged"),
            (chain.replace("-----BEGIN", " -----BEGIN").as_bytes(), "line of its own"),
        ] {
            let error = certificate_chain(bytes).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn other_formats_of_the_key_are_named() {
        let (chain, key) = for_tls("one.example.com").unwrap();
        let text = std::str::from_utf8(key.expose()).unwrap();
        assert!(private_key(text.as_bytes()).is_ok() && private_key(format!("{chain}{text}").as_bytes()).is_ok());
        let renamed = |label: &str| text.replace("PRIVATE KEY", label);
        let der = pem::parse(text).unwrap().into_contents();
        let legacy = renamed("RSA PRIVATE KEY").replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1);
        for (bytes, expected) in [
            (&b"\n"[..], "empty"),
            (&der, "private key in DER"),
            (b"PuTTY-User-Key-File-2: ssh-rsa", "PuTTY"),
            (chain.as_bytes(), "exchanged"),
            (renamed("ENCRYPTED PRIVATE KEY").as_bytes(), "openssl pkey"),
            (legacy.as_bytes(), "is encrypted"),
            (renamed("OPENSSH PRIVATE KEY").as_bytes(), "ssh-keygen -p -m PKCS8"),
            (renamed("DSA PRIVATE KEY").as_bytes(), "not supported"),
            (renamed("PUBLIC KEY").as_bytes(), "only `PUBLIC KEY`"),
            (&text.as_bytes()[..text.len() / 2], "truncated"),
        ] {
            let error = private_key(bytes).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn an_encrypted_key_of_openssl_is_named() {
        let Some(plain) = openssl(&["ecparam", "-genkey", "-name", "prime256v1"], b"") else { return };
        assert!(private_key(&plain).is_ok(), "EC PARAMETERS before the key");
        for arguments in [&["pkcs8", "-topk8", "-passout", "pass:pw"][..], &["ec", "-aes128", "-passout", "pass:pw"]] {
            let encrypted = openssl(arguments, &plain).unwrap();
            assert!(private_key(&encrypted).unwrap_err().contains("is encrypted"), "{arguments:?}");
        }
        let pkcs12 = b"\x30\x82\x09\xd1\x02\x01\x03\x30";
        assert!(private_key(pkcs12).unwrap_err().contains("openssl pkcs12"));
    }
}
