//! Why a key cannot be used or generated.

use aws_lc_rs::error::{KeyRejected, Unspecified};

/// Why a key cannot be used or generated.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// The type of the key is neither RSA (RS256) nor P-256 (ES256).
    #[error("{0} is not supported; use an RSA key (RS256) or a P-256 key (ES256)")]
    Unsupported(String),
    /// An RSA key that is too short to be safe or too long to be fast.
    #[error("the RSA key has {0} bits; use 2048 to 4096 bits")]
    RsaBits(usize),
    /// An RSA key with a public exponent below 65537.
    #[error(
        "the RSA public exponent is below 65537, which is unsafe for signatures; use a key with the exponent 65537"
    )]
    Exponent,
    /// The encoding or the numbers of the key are invalid.
    #[error("the key is damaged: its numbers are invalid")]
    Damaged,
    /// The members of the JWK contradict each other, or its `kid` is not the thumbprint.
    #[error("the public members of the JWK do not match its kid")]
    Jwk,
    /// An RSA size that cannot be generated.
    #[error("RSA keys of {0} bits cannot be generated; use 2048, 3072 or 4096")]
    GenerateSize(u32),
    /// The crypto library returned an error.
    #[error("the crypto library could not generate or use the key")]
    Failed,
}

impl From<KeyRejected> for KeyError {
    fn from(_: KeyRejected) -> Self {
        Self::Damaged
    }
}

impl From<Unspecified> for KeyError {
    fn from(_: Unspecified) -> Self {
        Self::Failed
    }
}

impl From<pkcs8::der::Error> for KeyError {
    fn from(_: pkcs8::der::Error) -> Self {
        Self::Damaged
    }
}

impl From<pkcs1::Error> for KeyError {
    fn from(_: pkcs1::Error) -> Self {
        Self::Damaged
    }
}
