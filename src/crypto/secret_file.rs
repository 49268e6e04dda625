//! The content of `keys/secret`: 32 raw bytes, or encrypted PKCS#8 in PEM if there is a passphrase, as for the private
//! keys. In PKCS#8 the secret is the key material of HKDF (RFC 8619).

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Encode;
use pkcs8::der::asn1::{ObjectIdentifier, OctetStringRef};
use pkcs8::spki::AlgorithmIdentifier;
use zeroize::Zeroizing;

use super::derive::DerivedKeys;
use super::pem::{self, PemError};
use crate::domain::secret::{SecretBytes, SecretText};
use crate::random::Random;

/// `id-alg-hkdf-with-sha256` (RFC 8619 §2).
const HKDF_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.28");
/// The beginning of an encrypted file. 32 random bytes begin with it only by chance.
const PEM_START: &[u8] = b"-----BEGIN ";

/// Why the file with the secret could not be read or written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretFileError {
    /// The secret has this length in bytes.
    #[error("has {0} bytes instead of 32")]
    Length(usize),
    /// The PEM cannot be read or written.
    #[error("cannot be used: {0}")]
    Pem(#[from] PemError),
    /// The file contains a private key.
    #[error("contains a private key instead of the secret")]
    PrivateKey,
}

impl SecretFileError {
    /// What the operator should do.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Pem(PemError::NeedsPassphrase | PemError::WrongPassphrase) => "check `keys.passphrase`",
            _ => "restore it from a backup",
        }
    }
}

/// A secret that was read from its file.
#[derive(Debug)]
pub struct SecretFile {
    /// The 32 bytes of the secret.
    pub secret: SecretBytes,
    /// Whether the file was encrypted.
    pub encrypted: bool,
}

impl SecretFile {
    /// Reads the content of the file. A passphrase for an unencrypted secret is ignored.
    pub fn read(content: &SecretBytes, passphrase: Option<&SecretText>) -> Result<Self, SecretFileError> {
        if !content.expose().starts_with(PEM_START) {
            let secret = SecretBytes::new(content.expose().to_vec());
            return Self { secret, encrypted: false }.check_length();
        }
        let opened = pem::read(content.expose(), passphrase)?;
        let info = PrivateKeyInfoRef::try_from(opened.pkcs8.expose()).map_err(|_| PemError::Damaged)?;
        if info.algorithm.oid != HKDF_SHA256 {
            return Err(SecretFileError::PrivateKey);
        }
        let secret = SecretBytes::new(info.private_key.as_bytes().to_vec());
        Self { secret, encrypted: opened.encrypted }.check_length()
    }

    fn check_length(self) -> Result<Self, SecretFileError> {
        match self.secret.expose().len() {
            DerivedKeys::SECRET_LENGTH => Ok(self),
            length => Err(SecretFileError::Length(length)),
        }
    }

    /// The keys that are derived from the secret.
    ///
    /// # Errors
    /// If the secret does not have 32 bytes.
    pub fn derived_keys(&self) -> Result<DerivedKeys, SecretFileError> {
        let secret = self.secret.expose();
        secret.try_into().map(DerivedKeys::new).map_err(|_| SecretFileError::Length(secret.len()))
    }

    /// Whether the file is stored as this passphrase requires.
    pub fn is_stored_for(&self, passphrase: Option<&SecretText>) -> bool {
        self.encrypted == passphrase.is_some()
    }
}

/// The content of the file: encrypted if there is a passphrase. Slow with a passphrase (scrypt).
pub fn write(
    secret: &SecretBytes,
    passphrase: Option<&SecretText>,
    random: &Random,
) -> Result<SecretBytes, SecretFileError> {
    let Some(passphrase) = passphrase else { return Ok(secret.clone()) };
    let private_key = OctetStringRef::new(secret.expose()).map_err(|_| PemError::Encode)?;
    let algorithm = AlgorithmIdentifier { oid: HKDF_SHA256, parameters: None };
    let info: PrivateKeyInfoRef<'_> = pkcs8::PrivateKeyInfo::new(algorithm, private_key);
    let pkcs8 = SecretBytes::new(info.to_der().map_err(|_| PemError::Encode)?);
    let pem: Zeroizing<String> = pem::write(&pkcs8, Some(passphrase), random)?;
    Ok(SecretBytes::new(pem.as_bytes().to_vec()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::key_pair::KeyPair;
    use crate::domain::algorithm::Algorithm;

    fn text(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[test]
    fn the_secret_is_encrypted_exactly_if_there_is_a_passphrase() {
        let secret = SecretBytes::new((0..32).collect());
        for passphrase in [None, Some(text("correct horse"))] {
            let content = write(&secret, passphrase.as_ref(), &Random::seeded(1)).unwrap();
            let read = SecretFile::read(&content, passphrase.as_ref()).unwrap();
            assert_eq!((read.secret.expose(), read.encrypted), (secret.expose(), passphrase.is_some()));
            assert!(read.is_stored_for(passphrase.as_ref()));
            assert_eq!(content.expose() == secret.expose(), passphrase.is_none());
        }
        let plain = write(&secret, None, &Random::seeded(1)).unwrap();
        let read = SecretFile::read(&plain, Some(&text("ignored"))).unwrap();
        assert!(!read.encrypted && !read.is_stored_for(Some(&text("ignored"))));
    }

    #[test]
    fn an_invalid_secret_is_rejected_with_the_reason() {
        let secret = SecretBytes::new(vec![7; 32]);
        let content = write(&secret, Some(&text("right")), &Random::seeded(1)).unwrap();
        let error = |content: &[u8], passphrase: Option<&str>| {
            let content = SecretBytes::new(content.to_vec());
            SecretFile::read(&content, passphrase.map(text).as_ref()).unwrap_err()
        };
        assert_eq!(error(content.expose(), None), SecretFileError::Pem(PemError::NeedsPassphrase));
        for wrong in 0..20 {
            let wrong = format!("wrong {wrong}");
            assert_eq!(error(content.expose(), Some(&wrong)), SecretFileError::Pem(PemError::WrongPassphrase));
        }
        assert_eq!(error(&content.expose()[..99], Some("right")), SecretFileError::Pem(PemError::Damaged));
        assert_eq!(error(&[7; 31], None), SecretFileError::Length(31));
        assert_eq!(error(b"", Some("right")), SecretFileError::Length(0));
        let short = write(&SecretBytes::new(vec![7; 16]), Some(&text("right")), &Random::seeded(1)).unwrap();
        assert_eq!(error(short.expose(), Some("right")), SecretFileError::Length(16));
        let pair = KeyPair::generate(Algorithm::Es256, 0).unwrap();
        let key = pem::write(&pair.to_pkcs8_der().unwrap(), None, &Random::seeded(1)).unwrap();
        assert_eq!(error(key.as_bytes(), None), SecretFileError::PrivateKey);
    }
}
