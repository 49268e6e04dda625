//! The only parser of received tokens. It reads a compact JWS (RFC 7515 §7.1). Before any cryptographic operation
//! it rejects tokens that would be unacceptable even with a valid signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::domain::algorithm::Algorithm;
use crate::domain::strict_json;

/// The maximum length of a token of Countersign, in bytes.
pub const TOKEN_MAX: usize = 8 * 1024;
/// The maximum length of another issuer's token, in bytes.
pub const FOREIGN_TOKEN_MAX: usize = 16 * 1024;

/// The form rules for tokens of one kind of issuer.
struct TokenRules {
    max: usize,
    /// Header members by which the sender chooses what the verifier fetches or trusts (RFC 7515 §4.1, RFC 8725 §3.10),
    /// or changes how the token is processed (`crit`, `b64`).
    forbidden: &'static [&'static str],
    needs_kid: bool,
}

const OWN_TOKEN_RULES: TokenRules = TokenRules {
    max: TOKEN_MAX,
    forbidden: &["jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "crit", "b64"],
    needs_kid: true,
};
/// Other issuers also send members that contain or name a key or certificate (RFC 7515 §4.1.2 to §4.1.8). They are
/// harmless, because the verifier ignores them: it finds the key by its `kid` among those that the issuer publishes. The
/// verifier also ignores `b64`, but must not ignore what `crit` lists (RFC 7515 §4.1.11).
const FOREIGN_TOKEN_RULES: TokenRules = TokenRules { max: FOREIGN_TOKEN_MAX, forbidden: &["crit"], needs_kid: false };

/// Why a token is rejected. The reason is for logs and tests: a caller learns only that the token is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// The token is longer than this number of bytes.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// The token is not three parts of canonical base64url with two JSON objects.
    #[error("not a compact JWS")]
    Malformed,
    /// Countersign does not sign with this `alg`. `none` and `HS256` are examples.
    #[error("unsupported algorithm (alg)")]
    Algorithm,
    /// The header has a forbidden member.
    #[error("forbidden header member")]
    Header,
    /// The `kid` is missing or is not a string.
    #[error("no key id (kid)")]
    NoKid,
    /// No usable key has this `kid`: it is unknown, revoked or unpublished, or has another algorithm.
    #[error("unknown key (kid)")]
    UnknownKey,
    /// The signature is not valid for the key with this `kid`.
    #[error("invalid signature")]
    Signature,
    /// The `typ` or `token_type` belongs to another kind of token.
    #[error("another kind of token (typ, token_type)")]
    WrongKind,
    /// The current time is at or after `exp` plus the leeway.
    #[error("expired (exp)")]
    Expired,
    /// The current time is before `nbf` or `iat` by more than the leeway.
    #[error("not yet valid (nbf, iat)")]
    NotYetValid,
    /// The `iss` is another issuer.
    #[error("another issuer (iss)")]
    Issuer,
    /// The `aud` contains no accepted audience.
    #[error("another audience (aud)")]
    Audience,
    /// A claim is missing or has a wrong type.
    #[error("a claim is missing or has a wrong type")]
    Claims,
}

/// A well-formed token with an algorithm and a key id. Its signature and claims are not verified yet.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    /// The `alg` of the header.
    pub alg: Algorithm,
    /// The `kid` of the header. It is empty if another issuer's token has none.
    pub kid: String,
    /// The `typ` of the header, in lower case and without `application/` (RFC 7515 §4.1.9). It is empty if absent.
    pub typ: String,
    /// The bytes that the signature covers.
    pub signing_input: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
    /// The unverified claims.
    pub claims: Map<String, Value>,
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token of Countersign. The cheapest checks come first.
    pub fn parse(token: &'a str) -> Result<Self, TokenFault> {
        Self::read(token, &OWN_TOKEN_RULES)
    }

    /// Reads another issuer's token with the same strictness. It may be longer and omit the `kid`, its header may have
    /// members that are ignored, and a `kid` or `typ` that is null counts as absent.
    pub fn parse_foreign(token: &'a str) -> Result<Self, TokenFault> {
        Self::read(token, &FOREIGN_TOKEN_RULES)
    }

    fn read(token: &'a str, rules: &TokenRules) -> Result<Self, TokenFault> {
        if token.len() > rules.max {
            return Err(TokenFault::TooLong(rules.max));
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(TokenFault::Malformed)?;
        let header = strict_json::parse_object(&decode(header)?).map_err(|_| TokenFault::Malformed)?;
        if header.keys().any(|name| rules.forbidden.contains(&name.as_str())) {
            return Err(TokenFault::Header);
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let alg = text("alg").and_then(|name| name.parse().ok()).ok_or(TokenFault::Algorithm)?;
        let member = |name: &str| header.get(name).filter(|value| rules.needs_kid || !value.is_null());
        let kid = match member("kid") {
            Some(Value::String(kid)) => kid.clone(),
            None if !rules.needs_kid => String::new(),
            _ => return Err(TokenFault::NoKid),
        };
        let typ = match member("typ") {
            None => String::new(),
            Some(Value::String(typ)) => typ.to_ascii_lowercase().trim_start_matches("application/").to_owned(),
            Some(_) => return Err(TokenFault::WrongKind),
        };
        let signature = decode(signature)?;
        let claims = strict_json::parse_object(&decode(payload)?).map_err(|_| TokenFault::Malformed)?;
        Ok(Self { alg, kid, typ, signing_input: signing_input.as_bytes(), signature, claims })
    }
}

/// Decodes base64url without padding. The decoder rejects unused bits at the end, so each value has one encoding.
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload),
            URL_SAFE_NO_PAD.encode([7; 64])
        )
    }

    fn fault(token: &str) -> Option<TokenFault> {
        UnverifiedToken::parse(token).err()
    }

    #[test]
    fn a_well_formed_token_is_parsed() {
        let text = token(r#"{"alg":"ES256","typ":"application/AT+JWT","kid":"k"}"#, r#"{"exp":1}"#);
        let read = UnverifiedToken::parse(&text).expect("the token is well formed");
        assert_eq!((read.alg, read.kid.as_str(), read.typ.as_str()), (Algorithm::Es256, "k", "at+jwt"));
        assert_eq!(read.signature, [7; 64]);
        assert_eq!(read.claims["exp"], 1);
    }

    #[test]
    fn malformed_tokens_are_rejected_before_any_cryptography() {
        let rows = [
            (r#"{"alg":"none","kid":"k"}"#, TokenFault::Algorithm),
            (r#"{"alg":"None","kid":"k"}"#, TokenFault::Algorithm),
            (r#"{"alg":"HS256","kid":"k"}"#, TokenFault::Algorithm),
            (r#"{"alg":"es256","kid":"k"}"#, TokenFault::Algorithm),
            (r#"{"alg":["ES256"],"kid":"k"}"#, TokenFault::Algorithm),
            (r#"{"kid":"k"}"#, TokenFault::Algorithm),
            (r#"{"alg":"ES256"}"#, TokenFault::NoKid),
            (r#"{"alg":"ES256","kid":7}"#, TokenFault::NoKid),
            (r#"{"alg":"ES256","kid":"k","jku":"https://evil.example/"}"#, TokenFault::Header),
            (r#"{"alg":"ES256","kid":"k","x5u":"https://evil.example/"}"#, TokenFault::Header),
            (r#"{"alg":"ES256","kid":"k","jwk":{}}"#, TokenFault::Header),
            (r#"{"alg":"ES256","kid":"k","crit":["b64"],"b64":false}"#, TokenFault::Header),
            (r#"{"alg":"ES256","kid":"k","b64":false}"#, TokenFault::Header),
            (r#"{"alg":"ES256","kid":"k","typ":1}"#, TokenFault::WrongKind),
            (r#"{"alg":"none","alg":"ES256","kid":"k"}"#, TokenFault::Malformed),
            ("[]", TokenFault::Malformed),
            ("", TokenFault::Malformed),
        ];
        for (header, expected) in rows {
            assert_eq!(fault(&token(header, "{}")), Some(expected), "{header}");
        }
        assert_eq!(fault(&token(r#"{"alg":"ES256","kid":"k"}"#, r#"{"a":1,"a":2}"#)), Some(TokenFault::Malformed));
    }

    #[test]
    fn non_canonical_base64url_is_rejected() {
        let valid = token(r#"{"alg":"ES256","kid":"k"}"#, "{}");
        assert_eq!(fault(&valid), None);
        let padded = format!("{valid}==");
        let mut unused_bits = valid.clone();
        unused_bits.pop();
        unused_bits.push('d'); // 64 bytes leave four unused bits in the last character: all are 0 in "c", not in "d".
        let extra_part = format!("{valid}.x");
        let spaced = valid.replacen('.', " .", 1);
        for bad in [padded, unused_bits, extra_part, spaced, "a.b".into(), "..".into(), String::new()] {
            assert_eq!(fault(&bad), Some(TokenFault::Malformed), "{bad}");
        }
        assert_eq!(fault(&"a".repeat(TOKEN_MAX + 1)), Some(TokenFault::TooLong(TOKEN_MAX)));
    }

    #[test]
    fn a_foreign_token_may_be_longer_and_omit_the_kid_only() {
        let foreign = |header: &str| UnverifiedToken::parse_foreign(&token(header, "{}")).map(|token| token.kid);
        assert_eq!(foreign(r#"{"alg":"RS256"}"#).as_deref(), Ok(""));
        assert_eq!(foreign(r#"{"alg":"RS256","kid":"k","x5t":"abc"}"#).as_deref(), Ok("k"));
        assert_eq!(foreign(r#"{"alg":"RS256","kid":null,"typ":null}"#).as_deref(), Ok(""));
        assert_eq!(foreign(r#"{"alg":"RS256","kid":7}"#), Err(TokenFault::NoKid));
        for name in ["jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "b64", "iss"] {
            for value in ["[]", "{}", "null", "7", "\"https://evil.example/\""] {
                let header = format!(r#"{{"alg":"RS256","kid":"k","{name}":{value}}}"#);
                assert_eq!(foreign(&header).as_deref(), Ok("k"), "{header}");
                let own = fault(&token(&header.replace("RS256", "ES256"), "{}"));
                assert_eq!(own, (name != "iss").then_some(TokenFault::Header), "{header}");
            }
        }
        assert_eq!(foreign(r#"{"alg":"RS256","crit":[]}"#), Err(TokenFault::Header));
        assert_eq!(fault(&token(r#"{"alg":"ES256","kid":null}"#, "{}")), Some(TokenFault::NoKid));
        for alg in ["none", "HS256", "rs256", ""] {
            assert_eq!(foreign(&format!(r#"{{"alg":"{alg}"}}"#)), Err(TokenFault::Algorithm), "{alg}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "a".repeat(TOKEN_MAX));
        let long = token(r#"{"alg":"RS256"}"#, &long);
        assert_eq!(fault(&long), Some(TokenFault::TooLong(TOKEN_MAX)));
        assert!(UnverifiedToken::parse_foreign(&long).is_ok());
        let longest = UnverifiedToken::parse_foreign(&"a".repeat(FOREIGN_TOKEN_MAX + 1)).err();
        assert_eq!(longest, Some(TokenFault::TooLong(FOREIGN_TOKEN_MAX)));
    }
}
