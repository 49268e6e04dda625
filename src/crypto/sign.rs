//! Signing: turns claims into a compact JWS with a loaded key. It parses no key and encodes no header, because the
//! loaded key has both ready.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::key_ring::SigningKey;
use crate::domain::secret::SecretText;
use crate::domain::token_kind::Typ;

/// The space that is reserved for a token, in bytes. Most tokens are shorter, so their text is allocated only once.
const RESERVED_LENGTH: usize = 1024;

/// A token could not be signed: the claims cannot be serialised as JSON, or the crypto library failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign with the key {kid}: {cause}")]
pub struct SignFault {
    kid: String,
    cause: String,
}

/// A token without its signature, and its key. This is all that a signing thread needs.
pub struct UnsignedToken {
    key: SigningKey,
    /// The signing input (RFC 7515 §5.1).
    text: String,
}

impl UnsignedToken {
    /// Serializes the claims for a token of the given `typ`.
    pub fn new(key: &SigningKey, typ: Typ, claims: &impl Serialize) -> Result<Self, SignFault> {
        let payload = serde_json::to_vec(claims).map_err(|error| fault(key, &error))?;
        let mut text = String::with_capacity(RESERVED_LENGTH);
        text.push_str(key.header(typ));
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut text);
        Ok(Self { key: key.clone(), text })
    }

    /// Signs the token. An RSA signature takes hundreds of microseconds.
    pub fn sign(self) -> Result<SecretText, SignFault> {
        let Self { key, text: mut token } = self;
        let mut signature = Vec::with_capacity(256);
        key.sign(token.as_bytes(), &mut signature).map_err(|error| fault(&key, &error))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(SecretText::new(token))
    }
}

fn fault(key: &SigningKey, cause: &impl ToString) -> SignFault {
    SignFault { kid: key.kid().to_string(), cause: cause.to_string() }
}
