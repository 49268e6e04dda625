//! Verifying: a well-formed token, the key it names, its signature, then its claims. The algorithm is the key's own;
//! a token only gets to agree with it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::key_ring::{KeyRing, Verifier};
use super::token::{TokenFault, UnverifiedToken};
use crate::domain::time::Timestamp;

/// Which kind of token is wanted: its `token_type` claim and the `typ` headers it may have.
#[derive(Clone, Copy, Debug)]
pub struct TokenKind {
    /// The `token_type` claim.
    pub token_type: &'static str,
    /// The `typ` headers, in lower case; an empty one lets it be missing.
    pub typs: &'static [&'static str],
    /// Whether its key must still be published. What resource servers no longer take, we don't take either; a refresh
    /// token is for ourselves and may outlive its key's publication.
    pub by_published_key: bool,
}

/// Access tokens, with or without RFC 9068's `typ`.
pub const ACCESS: TokenKind = TokenKind { token_type: "access", typs: &["jwt", "at+jwt", ""], by_published_key: true };
/// Refresh tokens that are signed JWTs.
pub const REFRESH: TokenKind = TokenKind { token_type: "refresh", typs: &["refresh+jwt"], by_published_key: false };
/// Access tokens that renew themselves until their `refresh_exp`.
pub const SLIDING: TokenKind = TokenKind { token_type: "sliding", ..ACCESS };

/// What a token must say to be taken.
#[derive(Clone, Debug)]
pub struct ExpectedClaims<'a> {
    /// The one `iss`.
    pub issuer: &'a str,
    /// The `aud`s of which one must be among the token's.
    pub audiences: &'a [&'a str],
    /// Its kind.
    pub kind: TokenKind,
    /// The time.
    pub now: Timestamp,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

/// A token that was signed by a key of the ring and says what was expected.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    claims: Map<String, Value>,
}

impl VerifiedToken {
    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A claim that is a whole number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.claims.get(name)?.as_i64()
    }

    /// When it expires, as the verification has read it.
    pub fn expires_at(&self) -> Option<Timestamp> {
        date(&self.claims, "exp").ok().flatten()
    }

    /// All claims.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}

/// Verifies a token from its text on.
pub fn verify(token: &str, ring: &KeyRing, expected: &ExpectedClaims<'_>) -> Result<VerifiedToken, TokenFault> {
    let token = UnverifiedToken::parse(token)?;
    if !expected.kind.typs.contains(&token.typ.as_str()) {
        return Err(TokenFault::Kind);
    }
    let fits =
        |key: &&Verifier| key.alg() == token.alg && (key.is_published(expected.now) || !expected.kind.by_published_key);
    let key = ring.verifier(&token.kid, expected.now).filter(fits).ok_or(TokenFault::UnknownKey)?;
    key.verify(token.signing_input, &token.signature).map_err(|_| TokenFault::Signature)?;
    check_claims(&token.claims, expected)?;
    Ok(VerifiedToken { claims: token.claims })
}

fn check_claims(claims: &Map<String, Value>, expected: &ExpectedClaims<'_>) -> Result<(), TokenFault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if date(claims, "exp")?.ok_or(TokenFault::Claims)? + expected.leeway <= expected.now {
        return Err(TokenFault::Expired);
    }
    for begin in ["nbf", "iat"] {
        if date(claims, begin)?.is_some_and(|at| at > expected.now + expected.leeway) {
            return Err(TokenFault::Early);
        }
    }
    if text("iss").ok_or(TokenFault::Claims)? != expected.issuer {
        return Err(TokenFault::Issuer);
    }
    let meant = |aud: &Value| aud.as_str().is_some_and(|aud| expected.audiences.contains(&aud));
    let for_us = match claims.get("aud").ok_or(TokenFault::Claims)? {
        Value::Array(several) => several.iter().any(meant),
        one => meant(one),
    };
    if !for_us {
        return Err(TokenFault::Audience);
    }
    if text("token_type").ok_or(TokenFault::Claims)? != expected.kind.token_type {
        return Err(TokenFault::Kind);
    }
    Ok(())
}

/// The last second of the year 9999, after which no date can be written down (RFC 3339 §1).
const LAST: u64 = 253_402_300_799;

/// A `NumericDate` (RFC 7519 §2): a number of seconds up to the year 9999, of which a fraction is dropped; anything else
/// is refused.
pub fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, TokenFault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which compares rightly")]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64)).ok_or(TokenFault::Claims)?;
    if seconds.unsigned_abs() > LAST {
        return Err(TokenFault::Claims);
    }
    Ok(Some(Timestamp::from_unix(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expected() -> ExpectedClaims<'static> {
        let now = Timestamp::from_unix(1000);
        ExpectedClaims {
            issuer: "https://a.example",
            audiences: &["x", "y"],
            kind: ACCESS,
            now,
            leeway: Duration::from_secs(5),
        }
    }

    fn good() -> Map<String, Value> {
        let claims = json!({"iss": "https://a.example", "aud": "x", "exp": 1100, "nbf": 900, "iat": 900, "token_type": "access"});
        claims.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn valid_claims_are_accepted_within_the_leeway() {
        assert_eq!(check_claims(&good(), &expected()), Ok(()));
        for (name, value) in
            [("exp", json!(996)), ("nbf", json!(1005)), ("aud", json!(["z", "y"])), ("exp", json!(1100.5))]
        {
            let mut claims = good();
            claims.insert(name.to_owned(), value);
            assert_eq!(check_claims(&claims, &expected()), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_verified_token_returns_the_verified_expiry() {
        let mut claims = good();
        claims.insert("exp".to_owned(), json!(1100.5));
        assert_eq!(VerifiedToken { claims }.expires_at(), Some(Timestamp::from_unix(1100)));
    }

    #[test]
    fn each_invalid_claim_is_rejected() {
        let rows = [
            ("exp", json!(995), TokenFault::Expired),
            ("exp", json!("1100"), TokenFault::Claims),
            ("exp", Value::Null, TokenFault::Claims),
            ("exp", json!(-1), TokenFault::Expired),
            ("nbf", json!(1006), TokenFault::Early),
            ("nbf", json!("900"), TokenFault::Claims),
            ("iat", json!(1006), TokenFault::Early),
            ("iss", json!("https://a.example/"), TokenFault::Issuer),
            ("iss", json!(["https://a.example"]), TokenFault::Claims),
            ("aud", json!("z"), TokenFault::Audience),
            ("aud", json!([]), TokenFault::Audience),
            ("aud", json!({"x": "x"}), TokenFault::Audience),
            ("token_type", json!("refresh"), TokenFault::Kind),
            ("token_type", Value::Null, TokenFault::Claims),
        ];
        for (name, value, fault) in rows {
            let mut claims = good();
            claims.insert(name.to_owned(), value.clone());
            assert_eq!(check_claims(&claims, &expected()), Err(fault), "{name}: {value}");
        }
        for name in ["exp", "iss", "aud", "token_type"] {
            let mut claims = good();
            claims.remove(name);
            assert_eq!(check_claims(&claims, &expected()), Err(TokenFault::Claims), "without {name}");
        }
    }
}
