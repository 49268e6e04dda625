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
use pkcs8::der::{Decode, Encode, Reader as _, Tag, Tagged as _};
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
    /// The file has no `-----BEGIN`.
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
    /// An elliptic-curve key (SEC1) whose curve is described by its numbers.
    #[error(
        "the key describes its curve by explicit parameters instead of a name; convert it with `openssl ec -in FILE \
         -param_enc named_curve -out NEW`"
    )]
    ExplicitCurve,
    /// An elliptic-curve key (SEC1) without its curve.
    #[error("the key does not name its curve; export it again in PKCS#8, which names the curve")]
    NoCurve,
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
    if find(block.body, b"Proc-Type:").is_some() {
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
    let key = EcPrivateKey::try_from(der).map_err(|_| {
        if has_explicit_curve(der).unwrap_or(false) { PemError::ExplicitCurve } else { PemError::Damaged }
    })?;
    key.parameters.and_then(EcParameters::named_curve).ok_or(PemError::NoCurve)
}

/// Whether the parameters of a SEC1 key are a sequence, which describes the curve, and not an object identifier.
fn has_explicit_curve(der: &[u8]) -> pkcs8::der::Result<bool> {
    AnyRef::from_der(der)?.sequence(|reader| {
        let _version = u8::decode(reader)?;
        let _key = AnyRef::decode(reader)?;
        let parameters = AnyRef::decode(reader)?;
        let _public_key: Option<AnyRef<'_>> = if reader.is_finished() { None } else { Some(AnyRef::decode(reader)?) };
        Ok(AnyRef::from_der(parameters.value())?.tag() == Tag::Sequence)
    })
}

/// One block `-----BEGIN label-----` … `-----END label-----`.
struct PemBlock<'a> {
    label: &'a str,
    body: &'a [u8],
}

impl PemBlock<'_> {
    /// Decodes the bytes of the block. The intermediate text is wiped, because it contains the key.
    fn decode(&self) -> Result<SecretBytes, PemError> {
        let mut text: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(self.body.len()));
        text.extend(self.body.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Vec::with_capacity(text.len());
        if STANDARD.decode_vec(&*text, &mut bytes).is_err() {
            bytes.zeroize();
            return Err(PemError::Damaged);
        }
        Ok(SecretBytes::new(bytes))
    }
}

/// The blocks of a PEM text in order. Text outside of blocks is ignored (RFC 7468 §2), in whatever encoding it is.
fn blocks(text: &[u8]) -> Result<Vec<PemBlock<'_>>, PemError> {
    let mut rest = text;
    let mut blocks = Vec::new();
    while let Some((_, after)) = split(rest, b"-----BEGIN ") {
        let (label, after) = split(after, b"-----").ok_or(PemError::Damaged)?;
        let label = std::str::from_utf8(label).map_err(|_| PemError::Damaged)?;
        let end = format!("-----END {label}-----");
        let (body, after) = split(after, end.as_bytes()).ok_or(PemError::Damaged)?;
        blocks.push(PemBlock { label, body });
        rest = after;
    }
    Ok(blocks)
}

/// What is before and after the first `separator`.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    find(text, separator).map(|at| (&text[..at], &text[at + separator.len()..]))
}

/// Where `word` is found first.
fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}
