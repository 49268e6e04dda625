//! The one door for every token that comes in: reads a compact JWS (RFC 7515 §7.1) and refuses, before any
//! cryptography, whatever a signature could not make good.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::domain::algorithm::Algorithm;
use crate::domain::strict_json;

/// The greatest length of a token of ours, in bytes.
pub const TOKEN_MAX: usize = 8 * 1024;
/// The greatest length of another issuer's token, in bytes.
pub const FOREIGN_TOKEN_MAX: usize = 16 * 1024;

/// What is taken from whom.
struct TokenRules {
    max: usize,
    /// Header members that make a verifier fetch or trust what the sender chose (RFC 7515 §4.1, RFC 8725 §3.10).
    forbidden: &'static [&'static str],
    needs_kid: bool,
}

const OURS: TokenRules = TokenRules {
    max: TOKEN_MAX,
    forbidden: &["jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "crit", "b64"],
    needs_kid: true,
};
/// Others name their keys by a certificate's thumbprint too, which asks for nothing and is not looked at.
const FOREIGN: TokenRules =
    TokenRules { max: FOREIGN_TOKEN_MAX, forbidden: &["jku", "x5u", "jwk", "x5c", "crit"], needs_kid: false };

/// Why a token is refused. For logs and for tests; a caller only ever learns that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Over this many bytes.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// Not three parts of canonical base64url holding two JSON objects.
    #[error("not a compact JWS")]
    Malformed,
    /// An `alg` that Countersign does not sign with, `none` and `HS256` among them.
    #[error("an algorithm that is not used here")]
    Algorithm,
    /// A header member that must not be obeyed.
    #[error("a header member that must not be obeyed")]
    Header,
    /// No `kid`, or one that is not a text.
    #[error("no key id")]
    NoKid,
    /// A `kid` that no key of the ring has, or one of another algorithm.
    #[error("an unknown key")]
    UnknownKey,
    /// Not signed by the key it names.
    #[error("a wrong signature")]
    Signature,
    /// A `typ` or `token_type` of another kind of token.
    #[error("a token of another kind")]
    Kind,
    /// Past its `exp`.
    #[error("expired")]
    Expired,
    /// Before its `nbf`, or issued in the future.
    #[error("not yet valid")]
    Early,
    /// Another issuer's.
    #[error("another issuer's")]
    Issuer,
    /// For another audience.
    #[error("for another audience")]
    Audience,
    /// A claim is missing or of a wrong type.
    #[error("a claim is missing or of a wrong type")]
    Claims,
}

/// A token that is well formed and names an algorithm and a key; nothing of it is proven yet.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    /// The algorithm it claims.
    pub alg: Algorithm,
    /// The key it claims; empty where another issuer's names none.
    pub kid: String,
    /// The `typ`, in lower case and without `application/` (RFC 7515 §4.1.9); empty where there is none.
    pub typ: String,
    /// What is signed.
    pub signing_input: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
    /// The claims it makes.
    pub claims: Map<String, Value>,
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token of ours. The cheapest refusals come first.
    pub fn parse(token: &'a str) -> Result<Self, TokenFault> {
        Self::read(token, &OURS)
    }

    /// Reads another issuer's token, as strictly, but for its length and the name of its key.
    pub fn parse_foreign(token: &'a str) -> Result<Self, TokenFault> {
        Self::read(token, &FOREIGN)
    }

    fn read(token: &'a str, form: &TokenRules) -> Result<Self, TokenFault> {
        if token.len() > form.max {
            return Err(TokenFault::TooLong(form.max));
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(TokenFault::Malformed)?;
        let header = strict_json::parse_object(&decode(header)?).map_err(|_| TokenFault::Malformed)?;
        if header.keys().any(|name| form.forbidden.contains(&name.as_str())) {
            return Err(TokenFault::Header);
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let alg = text("alg").and_then(|name| name.parse().ok()).ok_or(TokenFault::Algorithm)?;
        let kid = match header.get("kid") {
            Some(Value::String(kid)) => kid.clone(),
            None if !form.needs_kid => String::new(),
            _ => return Err(TokenFault::NoKid),
        };
        let typ = match header.get("typ") {
            None => String::new(),
            Some(Value::String(typ)) => typ.to_ascii_lowercase().trim_start_matches("application/").to_owned(),
            Some(_) => return Err(TokenFault::Kind),
        };
        let signature = decode(signature)?;
        let claims = strict_json::parse_object(&decode(payload)?).map_err(|_| TokenFault::Malformed)?;
        Ok(Self { alg, kid, typ, signing_input: signing_input.as_bytes(), signature, claims })
    }
}

/// Decodes base64url without padding; the engine refuses stray bits at the end, so one text has one spelling.
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
        let read = UnverifiedToken::parse(&text).expect("it is well formed");
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
            (r#"{"alg":"ES256","kid":"k","typ":1}"#, TokenFault::Kind),
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
        let good = token(r#"{"alg":"ES256","kid":"k"}"#, "{}");
        assert_eq!(fault(&good), None);
        let padded = format!("{good}==");
        let mut stray = good.clone();
        stray.pop();
        stray.push('d'); // 64 bytes leave four bits in the last character: "c" has none of them set, "d" has
        let more = format!("{good}.x");
        let spaced = good.replacen('.', " .", 1);
        for bad in [padded, stray, more, spaced, "a.b".into(), "..".into(), String::new()] {
            assert_eq!(fault(&bad), Some(TokenFault::Malformed), "{bad}");
        }
        assert_eq!(fault(&"a".repeat(TOKEN_MAX + 1)), Some(TokenFault::TooLong(TOKEN_MAX)));
    }

    #[test]
    fn a_foreign_token_may_be_longer_and_omit_the_kid_only() {
        let foreign = |header: &str| UnverifiedToken::parse_foreign(&token(header, "{}")).map(|token| token.kid);
        assert_eq!(foreign(r#"{"alg":"RS256"}"#).as_deref(), Ok(""));
        assert_eq!(foreign(r#"{"alg":"RS256","kid":"k","x5t":"abc"}"#).as_deref(), Ok("k"));
        assert_eq!(foreign(r#"{"alg":"RS256","kid":null}"#), Err(TokenFault::NoKid));
        for name in ["jku", "x5u", "jwk", "x5c", "crit"] {
            assert_eq!(foreign(&format!(r#"{{"alg":"RS256","{name}":[]}}"#)), Err(TokenFault::Header), "{name}");
        }
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
