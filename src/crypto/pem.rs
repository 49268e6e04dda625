//! Private keys in PEM files. Reads PKCS#8, encrypted PKCS#8, PKCS#1 and SEC1; writes PKCS#8, encrypted if there is a
//! passphrase.
//!
//! This module handles formats only: `key_pair` checks whether the numbers are a valid key. The blocks of a file are
//! found here and not by a crate, because `pem` leaves unwiped copies of the text and skips a truncated block, and
//! `pem-rfc7468` rejects files that `openssl` writes: with several blocks, with text after a block, or with lines of
//! other lengths.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use pkcs8::der::{Decode, Encode};
use pkcs8::pkcs5::{self, pbes2, scrypt};
use pkcs8::spki::AlgorithmIdentifier;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::algorithm::{EC, RSA};
use crate::domain::secret::{SecretBytes, SecretText};
use crate::random::Random;

/// The cost of scrypt (log₂ N, r, p; RFC 7914 §2): 16 MiB, the highest that `openssl pkey` accepts without an option.
const SCRYPT: (u8, u32, u32) = (14, 8, 1);

/// The advice for unsupported formats.
const CONVERSION_ADVICE: &str = "convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW`";

/// The advice for the key format of OpenSSH, which `openssl` cannot read.
const OPENSSH_ADVICE: &str = "convert a copy with `ssh-keygen -p -m PKCS8 -f COPY`";

fn conversion_advice(label: &str) -> &'static str {
    if label == "OPENSSH PRIVATE KEY" { OPENSSH_ADVICE } else { CONVERSION_ADVICE }
}

/// Why a PEM file could not be read or written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PemError {
    /// The file has no `-----BEGIN`, or is not UTF-8.
    #[error(
        "the file is not PEM: a private key begins with `-----BEGIN …PRIVATE KEY-----`; convert a binary file (DER) with `openssl pkey -inform DER -in FILE -out NEW`, a PKCS#12 file with `openssl pkcs12 -in FILE -nocerts -out NEW`"
    )]
    NotPem,
    /// The file is PEM without a private key.
    #[error("the file has no private key, only `{0}`; give the file with the private key")]
    NoPrivateKey(String),
    /// The file has more than one private key.
    #[error("the file has several private keys; give a file with one private key")]
    SeveralKeys,
    /// The key has an unsupported PEM label.
    #[error("the format `{0}` is not supported; {advice}", advice = conversion_advice(.0))]
    UnsupportedFormat(String),
    /// The key has the legacy encryption of PEM, which derives its key with one round of MD5.
    #[error("the key has the legacy PEM encryption (`Proc-Type: 4,ENCRYPTED`), which is weak; {CONVERSION_ADVICE}")]
    LegacyEncryption,
    /// The encryption of the key is not PBES2 with AES and with scrypt or PBKDF2-SHA-2.
    #[error(
        "the encryption is not supported (only PBES2 with AES and with scrypt or PBKDF2-SHA-2); {CONVERSION_ADVICE}"
    )]
    Encryption,
    /// The key is encrypted, and the caller passed no passphrase.
    #[error("the key is encrypted and no passphrase was given")]
    NeedsPassphrase,
    /// The passphrase does not decrypt the key. A damaged file has the same effect.
    #[error("the passphrase is wrong, or the file is damaged")]
    WrongPassphrase,
    /// The text or its bytes are truncated or invalid.
    #[error("the file is damaged")]
    Damaged,
    /// The key could not be encoded.
    #[error("the PEM encoder rejected the key")]
    Encode,
}

/// A private key that was read from a file.
pub struct PemKey {
    /// The key in PKCS#8, whatever the format of the file.
    pub pkcs8: SecretBytes,
    /// Whether the file was encrypted.
    pub encrypted: bool,
}

impl fmt::Debug for PemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PemKey(encrypted: {})", self.encrypted)
    }
}

/// Reads the only private key in a PEM file. Other blocks (`EC PARAMETERS`, certificates) are skipped. A passphrase for
/// an unencrypted key is ignored.
pub fn read(text: &[u8], passphrase: Option<&SecretText>) -> Result<PemKey, PemError> {
    let blocks = blocks(text)?;
    let private: Vec<&PemBlock<'_>> = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY")).collect();
    let block = match (private.as_slice(), blocks.first()) {
        ([block], _) => *block,
        ([], None) => return Err(PemError::NotPem),
        ([], Some(other)) => return Err(PemError::NoPrivateKey(other.label.to_owned())),
        _ => return Err(PemError::SeveralKeys),
    };
    if block.body.contains("Proc-Type:") {
        return Err(PemError::LegacyEncryption);
    }
    let der = block.decode()?;
    let encrypted = block.label == "ENCRYPTED PRIVATE KEY";
    let pkcs8 = match block.label {
        "PRIVATE KEY" => normalise(der.expose()),
        "RSA PRIVATE KEY" => wrap(RSA, AnyRef::NULL, der.expose()),
        "EC PRIVATE KEY" => wrap(EC, (&sec1_curve(der.expose())?).into(), der.expose()),
        "ENCRYPTED PRIVATE KEY" => decrypt(der.expose(), passphrase),
        other => Err(PemError::UnsupportedFormat(other.to_owned())),
    }?;
    Ok(PemKey { pkcs8, encrypted })
}

/// Writes a PKCS#8 key as PEM (RFC 7468 §10, §11). With a passphrase the key is encrypted (PBES2, scrypt, AES-256-CBC).
pub fn write(
    pkcs8: &SecretBytes,
    passphrase: Option<&SecretText>,
    random: &Random,
) -> Result<Zeroizing<String>, PemError> {
    let (document, label) = match passphrase {
        None => (SecretDocument::try_from(pkcs8.expose()), "PRIVATE KEY"),
        Some(passphrase) => (encrypt(pkcs8.expose(), passphrase, random), "ENCRYPTED PRIVATE KEY"),
    };
    document.and_then(|document| document.to_pem(label, LineEnding::LF)).map_err(|_| PemError::Encode)
}

fn encrypt(pkcs8: &[u8], passphrase: &SecretText, random: &Random) -> pkcs8::der::Result<SecretDocument> {
    let failed = || pkcs8::der::ErrorKind::Failed;
    let info = PrivateKeyInfoRef::try_from(pkcs8).map_err(|_| failed())?;
    let cost = scrypt::Params::new(SCRYPT.0, SCRYPT.1, SCRYPT.2).map_err(|_| failed())?;
    let params = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &random.bytes::<16>(), random.bytes())
        .map_err(|_| failed())?;
    info.encrypt_with_params(params, passphrase.expose()).map_err(|_| failed().into())
}

fn decrypt(der: &[u8], passphrase: Option<&SecretText>) -> Result<SecretBytes, PemError> {
    // An unknown cipher or key derivation fails here, because the parser does not know its identifier.
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| {
        let is_complete = AnyRef::from_der(der).is_ok();
        if is_complete { PemError::Encryption } else { PemError::Damaged }
    })?;
    let passphrase = passphrase.ok_or(PemError::NeedsPassphrase)?;
    let plain = info.decrypt(passphrase.expose()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs5::Error::NoPbes1CryptSupport
            | pkcs5::Error::AlgorithmParametersInvalid { .. },
        ) => PemError::Encryption,
        _ => PemError::WrongPassphrase,
    })?;
    // About one of 256 wrong passphrases yields random bytes with valid padding.
    normalise(plain.as_bytes()).map_err(|_| PemError::WrongPassphrase)
}

/// Re-encodes PKCS#8 without its optional parts (attributes, public key), which some readers reject.
fn normalise(der: &[u8]) -> Result<SecretBytes, PemError> {
    let mut info = PrivateKeyInfoRef::try_from(der).map_err(|_| PemError::Damaged)?;
    info.public_key = None;
    Ok(SecretBytes::new(info.to_der().map_err(|_| PemError::Damaged)?))
}

/// Wraps PKCS#1 or SEC1 into PKCS#8.
fn wrap(oid: ObjectIdentifier, parameters: AnyRef<'_>, der: &[u8]) -> Result<SecretBytes, PemError> {
    let algorithm = AlgorithmIdentifier { oid, parameters: Some(parameters) };
    let private_key = OctetStringRef::new(der).map_err(|_| PemError::Damaged)?;
    let info: PrivateKeyInfoRef<'_> = pkcs8::PrivateKeyInfo::new(algorithm, private_key);
    Ok(SecretBytes::new(info.to_der().map_err(|_| PemError::Damaged)?))
}

/// Reads the curve of a SEC1 key (RFC 5915 §3).
fn sec1_curve(der: &[u8]) -> Result<ObjectIdentifier, PemError> {
    let parameters = EcPrivateKey::try_from(der).map_err(|_| PemError::Damaged)?.parameters;
    parameters.and_then(EcParameters::named_curve).ok_or(PemError::Damaged)
}

/// One block `-----BEGIN label-----` … `-----END label-----`.
struct PemBlock<'a> {
    label: &'a str,
    body: &'a str,
}

impl PemBlock<'_> {
    /// Decodes the bytes of the block. The intermediate text is wiped, because it contains the key.
    fn decode(&self) -> Result<SecretBytes, PemError> {
        let mut text: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(self.body.len()));
        text.extend(self.body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Vec::with_capacity(text.len());
        if STANDARD.decode_vec(&*text, &mut bytes).is_err() {
            bytes.zeroize();
            return Err(PemError::Damaged);
        }
        Ok(SecretBytes::new(bytes))
    }
}

/// The blocks of a PEM text in order. Text outside of blocks is ignored (RFC 7468 §2).
fn blocks(text: &[u8]) -> Result<Vec<PemBlock<'_>>, PemError> {
    let mut rest = std::str::from_utf8(text).map_err(|_| PemError::NotPem)?;
    let mut blocks = Vec::new();
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----").ok_or(PemError::Damaged)?;
        let (body, after) = after.split_once(&format!("-----END {label}-----")).ok_or(PemError::Damaged)?;
        blocks.push(PemBlock { label, body });
        rest = after;
    }
    Ok(blocks)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::key_error::KeyError;
    use crate::crypto::key_pair::KeyPair;
    use crate::crypto::testing::openssl;
    use crate::domain::algorithm::Algorithm;

    fn secret(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    fn kid(pem: &[u8], passphrase: Option<&SecretText>) -> String {
        let opened = read(pem, passphrase).unwrap();
        let pair = KeyPair::from_pkcs8_der(&opened.pkcs8).unwrap();
        pair.self_test().unwrap();
        pair.public().kid().to_string()
    }

    fn read_error(pem: impl AsRef<[u8]>, passphrase: Option<&SecretText>) -> PemError {
        read(pem.as_ref(), passphrase).unwrap_err()
    }

    #[test]
    fn written_pem_is_read_here_and_by_openssl() {
        for alg in Algorithm::ALL {
            let pair = KeyPair::generate(alg, 2048).unwrap();
            for passphrase in [None, Some(secret("correct horse"))] {
                let pem = write(&pair.to_pkcs8_der().unwrap(), passphrase.as_ref(), &Random::seeded(1)).unwrap();
                assert_eq!(read(pem.as_bytes(), passphrase.as_ref()).unwrap().encrypted, passphrase.is_some());
                assert_eq!(kid(pem.as_bytes(), passphrase.as_ref()), pair.public().kid().as_str());
                if let Some(public) = openssl(&["pkey", "-pubout", "-passin", "pass:correct horse"], pem.as_bytes()) {
                    assert_eq!(String::from_utf8(public).unwrap(), pair.public().spki_pem().unwrap());
                }
            }
        }
    }

    #[test]
    fn wrong_and_missing_passphrases_are_distinct_errors() {
        let pair = KeyPair::generate(Algorithm::Es256, 0).unwrap();
        let pem = write(&pair.to_pkcs8_der().unwrap(), Some(&secret("right")), &Random::seeded(1)).unwrap();
        assert_eq!(read_error(&*pem, None), PemError::NeedsPassphrase);
        assert_eq!(read_error(&*pem, Some(&secret("wrong"))), PemError::WrongPassphrase);
    }

    #[test]
    fn every_form_that_openssl_writes_gives_the_same_key() {
        let pass = ["-passout", "pass:pw"];
        let formats: [&[&str]; 7] = [
            &["pkcs8", "-topk8", "-nocrypt"],
            &["pkcs8", "-topk8", "-v2", "aes-128-cbc", pass[0], pass[1]],
            &["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", pass[0], pass[1]],
            &["pkcs8", "-topk8", "-v2", "aes-192-cbc", "-scrypt", pass[0], pass[1]],
            &["pkey"],
            &["pkey", "-traditional"],
            &["pkey", "-text"],
        ];
        let ec = ["ecparam", "-genkey", "-name", "prime256v1"];
        let rsa = ["genrsa", "-traditional", "2048"];
        for generate in [&ec[..], &rsa[..]] {
            let Some(original) = openssl(generate, b"") else { return };
            let expected = kid(&original, None);
            for format in formats {
                let pem = openssl(format, &original).unwrap();
                assert_eq!(kid(&pem, Some(&secret("pw"))), expected, "{format:?}");
            }
        }
    }

    #[test]
    fn unsupported_pem_forms_are_rejected_with_advice() {
        let Some(original) = openssl(&["genrsa", "-traditional", "2048"], b"") else { return };
        let legacy = openssl(&["rsa", "-aes128", "-traditional", "-passout", "pass:pw"], &original).unwrap();
        assert_eq!(read_error(legacy, Some(&secret("pw"))), PemError::LegacyEncryption);
        let sha1 = ["pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1", "-passout", "pass:pw"];
        assert_eq!(read_error(openssl(&sha1, &original).unwrap(), Some(&secret("pw"))), PemError::Encryption);
        let des = ["pkcs8", "-topk8", "-v2", "des3", "-passout", "pass:pw"];
        assert_eq!(read_error(openssl(&des, &original).unwrap(), Some(&secret("pw"))), PemError::Encryption);
        let public = openssl(&["pkey", "-pubout"], &original).unwrap();
        assert_eq!(read_error(public, None), PemError::NoPrivateKey("PUBLIC KEY".to_owned()));
        assert_eq!(read_error(openssl(&["pkey", "-outform", "DER"], &original).unwrap(), None), PemError::NotPem);
        assert_eq!(read_error([&original[..], &original[..]].concat(), None), PemError::SeveralKeys);
        assert_eq!(read_error(&original[..original.len() / 2], None), PemError::Damaged);
        let garbled = String::from_utf8(original).unwrap().replace("\n-----END", "*\n-----END");
        assert_eq!(read_error(garbled, None), PemError::Damaged);
        let form = PemError::UnsupportedFormat("OPENSSH PRIVATE KEY".to_owned());
        let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----";
        assert_eq!(read_error(openssh, None), form);
        assert!(form.to_string().contains("ssh-keygen -p -m PKCS8"));
        assert!(PemError::UnsupportedFormat("DSA".to_owned()).to_string().contains("openssl pkcs8 -topk8"));
        assert_eq!(read_error("", None), PemError::NotPem);
    }

    /// An EC key in PKCS#8, and the members of its SEC1 form, which in PKCS#8 has no curve.
    fn ec_key() -> (SecretBytes, Vec<u8>) {
        let pkcs8 = KeyPair::generate(Algorithm::Es256, 0).unwrap().to_pkcs8_der().unwrap();
        let sec1 = PrivateKeyInfoRef::try_from(pkcs8.expose()).unwrap().private_key.as_bytes().to_vec();
        (pkcs8, sec1)
    }

    fn pem_of(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn the_layout_of_a_pem_file_is_free() {
        let (pkcs8, _) = ec_key();
        let text = pem_of("PRIVATE KEY", pkcs8.expose());
        let expected = kid(text.as_bytes(), None);
        let lines = |end: &str| text.trim().replace('\n', end);
        let (head, body) = text.split_once('\n').unwrap();
        let certificate = pem_of("CERTIFICATE", b"not read");
        for accepted in [
            lines("\n"),
            lines("\r\n"),
            lines("\r"),
            lines("\n\n"),
            lines(" \t\n  "),
            lines(""),
            format!("{head}\n{} {}", &body[..7], &body[7..]),
            format!("Bag Attributes: ü\n{certificate}{text}{certificate}\n"),
        ] {
            assert_eq!(kid(accepted.as_bytes(), None), expected, "{accepted}");
        }
        for (rejected, error) in [
            (text.replace("END PRIVATE", "END EC PRIVATE"), PemError::Damaged),
            (text.replace("-----END", "----END"), PemError::Damaged),
            (text.replace("-----BEGIN PRIVATE", "----BEGIN PRIVATE"), PemError::NotPem),
            (format!("{text}-----BEGIN CERTIFICATE-----\n"), PemError::Damaged),
            (text.replace("\n-----END", "A\n-----END"), PemError::Damaged),
            (pem_of("PRIVATE KEY", b""), PemError::Damaged),
            (pem_of("Private key", pkcs8.expose()), PemError::NoPrivateKey("Private key".to_owned())),
            (format!("{text}{text}"), PemError::SeveralKeys),
        ] {
            assert_eq!(read_error(&rejected, None), error, "{rejected}");
        }
        assert_eq!(read_error([text.as_bytes(), b"\xff"].concat(), None), PemError::NotPem);
    }

    #[test]
    fn a_sec1_key_must_name_its_curve() {
        let (pkcs8, without_curve) = ec_key();
        let key = EcPrivateKey::try_from(without_curve.as_slice()).unwrap();
        let curve = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
        let named = EcPrivateKey { parameters: Some(EcParameters::NamedCurve(curve)), ..key }.to_der().unwrap();
        let label = "EC PRIVATE KEY";
        let expected = kid(pem_of("PRIVATE KEY", pkcs8.expose()).as_bytes(), None);
        assert_eq!(kid(pem_of(label, &named).as_bytes(), None), expected);
        let version_2 = [&named[..4], &[2], &named[5..]].concat();
        let longer = [&named[..], &[0]].concat();
        for damaged in [&without_curve, &version_2, &longer, &named[..named.len() - 1].to_vec(), &vec![0x30, 0]] {
            assert_eq!(read_error(pem_of(label, damaged), None), PemError::Damaged);
        }
    }

    #[test]
    fn unsupported_keys_are_named_in_the_error() {
        let unsupported = |name: &str| KeyError::Unsupported(name.to_owned());
        let cases: [(&[&str], KeyError); 6] = [
            (&["genpkey", "-algorithm", "ed25519"], unsupported("an Ed25519 key")),
            (&["genpkey", "-algorithm", "rsa-pss"], unsupported("an RSA-PSS key")),
            (&["ecparam", "-genkey", "-noout", "-name", "secp384r1"], unsupported("a P-384 key")),
            (&["ecparam", "-genkey", "-noout", "-name", "secp256k1"], unsupported("a secp256k1 key")),
            (&["genrsa", "1024"], KeyError::RsaBits(1024)),
            (&["genrsa", "-3", "2048"], KeyError::Exponent),
        ];
        for (generate, expected) in cases {
            let Some(pem) = openssl(generate, b"") else { return };
            let opened = read(&pem, None).unwrap();
            assert_eq!(KeyPair::from_pkcs8_der(&opened.pkcs8).unwrap_err(), expected);
        }
    }
}
