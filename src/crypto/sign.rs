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

/// Signs the claims as a token of the given `typ`.
pub fn mint(signer: &Signer, typ: Typ, claims: &impl Serialize) -> Result<SecretText, SignFault> {
    let fault = |cause: String| SignFault { kid: signer.kid().to_string(), cause };
    let payload = serde_json::to_vec(claims).map_err(|error| fault(error.to_string()))?;
    let mut token = String::with_capacity(USUAL_LENGTH);
    token.push_str(signer.header(typ));
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let mut signature = Vec::with_capacity(256);
    signer.sign(token.as_bytes(), &mut signature).map_err(|error| fault(error.to_string()))?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(SecretText::new(token))
}
