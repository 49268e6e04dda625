//! Decodes tokens and forges invalid ones, with a different library from the one that the server uses.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use super::TestServer;

/// The header of a token.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a token.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The signing input of a JWS (RFC 7515 §5.1).
pub fn signing_input(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// Signs any header and claims with the server's own ES256 key, so that the signature is never the reason for a
/// rejection.
pub fn forge(server: &TestServer, header: &Value, claims: &Value) -> String {
    let kid = server.issuer.ring().schedule().active("ES256".parse().unwrap(), server.clock.now()).unwrap().kid.clone();
    let pem = fs::read(server.path(&format!("keys/{kid}.pem"))).unwrap();
    let input = signing_input(header, claims);
    let signature = sign(input.as_bytes(), &EncodingKey::from_ec_pem(&pem).unwrap(), Algorithm::ES256).unwrap();
    format!("{input}.{signature}")
}

/// Signs with a symmetric secret (HS256).
pub fn hmac(secret: &[u8], header: &Value, claims: &Value) -> String {
    let input = signing_input(header, claims);
    let signature = sign(input.as_bytes(), &EncodingKey::from_secret(secret), Algorithm::HS256).unwrap();
    format!("{input}.{signature}")
}
