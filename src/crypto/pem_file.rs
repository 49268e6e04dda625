//! The blocks of a PEM file (RFC 7468), found by line, and the names of the formats that operators take for PEM.
//!
//! This module decodes nothing. Unlike the readers of the crates, it reports a truncated block, which they skip, and the
//! line of every block. `crypto::pem` reads private keys of the key ring, with other rules.

use std::fmt;

/// The label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";

/// One block of a PEM file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemSection {
    /// The label, such as `CERTIFICATE`.
    pub label: String,
    /// The number of the line with `-----BEGIN`, from 1.
    pub line: usize,
    /// Whether the block has the legacy encryption of PEM (`Proc-Type: 4,ENCRYPTED`, RFC 1421).
    pub has_legacy_encryption: bool,
}

/// Why the blocks of a file cannot be found. The text is the end of a sentence about the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemFileError {
    /// The file has no block.
    #[error("{0}")]
    NotPem(FileFormat),
    /// A block has no end.
    #[error("the `{label}` that begins in line {line} is truncated: its END line is missing")]
    Truncated {
        /// The label.
        label: String,
        /// The line of its beginning.
        line: usize,
    },
    /// A block has no beginning.
    #[error("line {0} ends a block that has no BEGIN line")]
    NoBeginning(usize),
}

/// Finds the blocks of a PEM file. Text of any encoding outside of blocks is ignored.
///
/// # Errors
/// There is no block, or one is incomplete.
pub fn sections(bytes: &[u8]) -> Result<Vec<PemSection>, PemFileError> {
    let mut sections = Vec::new();
    let mut open: Option<PemSection> = None;
    let truncated = |open: PemSection| PemFileError::Truncated { label: open.label, line: open.line };
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if let Some(rest) = line.strip_prefix(b"-----BEGIN ") {
            if let Some(open) = open {
                return Err(truncated(open));
            }
            let label = rest.strip_suffix(b"-----").unwrap_or(rest);
            let section = PemSection {
                label: String::from_utf8_lossy(label).into_owned(),
                line: number + 1,
                has_legacy_encryption: false,
            };
            if !rest.ends_with(b"-----") {
                return Err(truncated(section));
            }
            open = Some(section);
        } else if line.starts_with(b"-----END ") {
            sections.push(open.take().ok_or(PemFileError::NoBeginning(number + 1))?);
        } else if let Some(section) = &mut open {
            section.has_legacy_encryption |= line.starts_with(b"Proc-Type:");
        }
    }
    match open {
        Some(open) => Err(truncated(open)),
        None if sections.is_empty() => Err(PemFileError::NotPem(FileFormat::of(bytes))),
        None => Ok(sections),
    }
}

/// What a file without PEM blocks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// No bytes, or only white space.
    Empty,
    /// A certificate in DER.
    DerCertificate,
    /// A private key in DER.
    DerKey,
    /// PKCS#12, also named PFX.
    Pkcs12,
    /// A key store of Java.
    Jks,
    /// A key of the program `PuTTY`.
    Putty,
    /// A public key of OpenSSH.
    OpensshPublic,
    /// Text in UTF-16.
    Utf16,
    /// Anything else.
    Unknown,
}

impl FileFormat {
    /// Recognises the format by its first bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            _ if bytes.trim_ascii().is_empty() => Self::Empty,
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'-', 0, b'-', 0, ..] | [0, b'-', 0, b'-', ..] => Self::Utf16,
            [0xfe, 0xed, 0xfe, 0xed, ..] => Self::Jks,
            [0x30, ..] => Self::of_der(bytes),
            _ if bytes.starts_with(b"PuTTY-User-Key-File") => Self::Putty,
            _ if [&b"ssh-"[..], b"ecdsa-sha2-", b"sk-"].iter().any(|start| bytes.starts_with(start)) => {
                Self::OpensshPublic
            }
            _ => Self::Unknown,
        }
    }

    /// Recognises a DER sequence by its first member: PKCS#12 begins with the version 3, private keys with the versions
    /// 0 or 1, a certificate with a sequence.
    fn of_der(bytes: &[u8]) -> Self {
        let length_bytes = match bytes.get(1) {
            Some(length) if length & 0x80 != 0 => usize::from(length & 0x7f),
            _ => 0,
        };
        match bytes.get(2 + length_bytes..) {
            Some([2, 1, 3, ..]) => Self::Pkcs12,
            Some([2, 1, 0 | 1, ..] | [0x30, _, 6, ..]) => Self::DerKey,
            Some([0x30, ..]) => Self::DerCertificate,
            _ => Self::Unknown,
        }
    }
}

/// The format and the remedy, as the end of a sentence about the file.
impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the file is empty",
            Self::DerCertificate => {
                "the file is a certificate in DER, not PEM; convert it with `openssl x509 -inform DER -in FILE -out NEW`"
            }
            Self::DerKey => {
                "the file is a private key in DER, not PEM; convert it with `openssl pkey -inform DER -in FILE -out NEW`"
            }
            Self::Pkcs12 => {
                "the file is PKCS#12 (.p12, .pfx), not PEM; convert it with `openssl pkcs12 -in FILE -nodes -out NEW`"
            }
            Self::Jks => {
                "the file is a key store of Java, not PEM; convert it with `keytool -importkeystore -srckeystore FILE \
                 -destkeystore NEW -deststoretype PKCS12` and then with `openssl pkcs12`"
            }
            Self::Putty => {
                "the file is a key of PuTTY, not PEM; export it in PuTTYgen in OpenSSH form, then use \
                 `ssh-keygen -p -m PKCS8 -f COPY`"
            }
            Self::OpensshPublic => "the file is a public key of OpenSSH; give the private key",
            Self::Utf16 => "the file is text in UTF-16; save it as ASCII or UTF-8",
            Self::Unknown => "the file is not PEM: it has no line that starts with `-----BEGIN`",
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const BLOCK: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn blocks_are_found_with_their_lines() {
        let file =
            [b"Bag: Schl\xfcssel\r\n".as_slice(), BLOCK.replace('\n', "\r\n").as_bytes(), BLOCK.as_bytes()].concat();
        let found: Vec<_> = sections(&file).unwrap().into_iter().map(|section| (section.label, section.line)).collect();
        assert_eq!(found, [(CERTIFICATE.to_owned(), 2), (CERTIFICATE.to_owned(), 5)]);
        let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA\n-----END RSA PRIVATE KEY-----";
        assert!(sections(legacy.as_bytes()).unwrap()[0].has_legacy_encryption);
    }

    #[test]
    fn every_truncation_is_reported_with_its_line() {
        let file = format!("{BLOCK}{BLOCK}");
        let last = file.len() - "-----END CERTIFICATE-----\n".len();
        let middle = file.replacen("-----END CERTIFICATE-----\n", "", 1);
        for (text, line) in [
            (&file[..last], 4),
            (&file[..last - 3], 4),
            (&file[..last - 6], 4),
            (&file[..BLOCK.len() + 20], 4),
            (middle.as_str(), 1),
        ] {
            let error = sections(text.as_bytes()).unwrap_err();
            assert!(matches!(error, PemFileError::Truncated { line: found, .. } if found == line), "{text}: {error}");
        }
        assert_eq!(sections(&file.as_bytes()[28..]), Err(PemFileError::NoBeginning(2)));
    }

    #[test]
    fn other_formats_are_named() {
        for (bytes, format) in [
            (b"".as_slice(), FileFormat::Empty),
            (b" \r\n\t", FileFormat::Empty),
            (b"hello", FileFormat::Unknown),
            (b"\xff\xfe-\0-\0", FileFormat::Utf16),
            (b"-\0-\0-\0", FileFormat::Utf16),
            (b"\xfe\xed\xfe\xed\0\0\0\x02", FileFormat::Jks),
            (b"PuTTY-User-Key-File-3: ssh-rsa", FileFormat::Putty),
            (b"ssh-ed25519 AAAA me@host", FileFormat::OpensshPublic),
            (b"\x30\x82\x09\xd1\x02\x01\x03\x30", FileFormat::Pkcs12),
            (b"\x30\x82\x04\xbe\x02\x01\x00\x30", FileFormat::DerKey),
            (b"\x30\x77\x02\x01\x01\x04\x20", FileFormat::DerKey),
            (b"\x30\x82\x03\x0b\x30\x82\x01\xf3", FileFormat::DerCertificate),
            (b"\x30", FileFormat::Unknown),
        ] {
            assert_eq!(FileFormat::of(bytes), format, "{bytes:?}");
            assert_eq!(sections(bytes), Err(PemFileError::NotPem(format)));
        }
    }
}
