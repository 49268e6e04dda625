//! Minting: claims to a compact JWS, by a signer that is held ready. Parses no key, encodes no header.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::key_ring::Signer;
use crate::domain::key::Typ;
use crate::domain::secret::SecretText;

/// About what a token takes, so that its text is allocated once.
const USUAL_LENGTH: usize = 1024;

/// The token could not be made: the claims are no JSON, or the crypto library refused.
#[derive(Debug, thiserror::Error)]
#[error("signing with key {kid} failed: {cause}")]
pub struct SignFault {
    kid: String,
    cause: String,
}

/// A token but for its signature, and the key that is to sign it: what a thread that signs aside needs, and no more.
pub struct UnsignedToken {
    signer: Signer,
    /// The signing input (RFC 7515 §5.1).
    text: String,
}

impl UnsignedToken {
    /// The claims as a token of the given `typ`.
    pub fn new(signer: &Signer, typ: Typ, claims: &impl Serialize) -> Result<Self, SignFault> {
        let payload = serde_json::to_vec(claims).map_err(|error| fault(signer, &error))?;
        let mut text = String::with_capacity(USUAL_LENGTH);
        text.push_str(signer.header(typ));
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut text);
        Ok(Self { signer: signer.clone(), text })
    }

    /// Signs it. RSA takes hundreds of microseconds.
    pub fn sign(self) -> Result<SecretText, SignFault> {
        let Self { signer, text: mut token } = self;
        let mut signature = Vec::with_capacity(256);
        signer.sign(token.as_bytes(), &mut signature).map_err(|error| fault(&signer, &error))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(SecretText::new(token))
    }
}

fn fault(signer: &Signer, cause: &impl ToString) -> SignFault {
    SignFault { kid: signer.kid().to_string(), cause: cause.to_string() }
}
