//! Verification of a token: its form, its key, its signature, then its claims.
//!
//! The key determines the algorithm. A token with a different `alg` is rejected.

use std::time::Duration;

use serde_json::{Map, Value};

use super::key_ring::{KeyRing, Verifier};
use super::token::{TokenFault, UnverifiedToken};
use crate::domain::time::Timestamp;
use crate::domain::token_kind::TokenKind;

/// The conditions that a token must meet.
#[derive(Clone, Debug)]
pub struct ExpectedClaims<'a> {
    /// The only accepted `iss`.
    pub issuer: &'a str,
    /// The accepted audiences. The token's `aud` must contain at least one.
    pub audiences: &'a [&'a str],
    /// The expected kind of token.
    pub kind: TokenKind,
    /// The current time.
    pub now: Timestamp,
    /// The accepted difference between the clock of the server that signed the token and the clock of this server.
    pub leeway: Duration,
}

/// A token with a valid signature of a key in the ring and with the expected claims.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    claims: Map<String, Value>,
}

impl VerifiedToken {
    /// A claim with a string value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A claim with an integer value.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.claims.get(name)?.as_i64()
    }

    /// The expiry (`exp`), as the verification read it.
    pub fn expires_at(&self) -> Option<Timestamp> {
        date(&self.claims, "exp").ok().flatten()
    }

    /// All claims.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}

/// Parses a token and verifies its signature and claims.
pub fn verify(token: &str, ring: &KeyRing, expected: &ExpectedClaims<'_>) -> Result<VerifiedToken, TokenFault> {
    let token = UnverifiedToken::parse(token)?;
    if !expected.kind.accepts_typ(&token.typ) {
        return Err(TokenFault::WrongKind);
    }
    let is_usable = |key: &&Verifier| {
        key.alg() == token.alg && (key.is_published(expected.now) || !expected.kind.row().by_published_key)
    };
    let key = ring.verifier(&token.kid, expected.now).filter(is_usable).ok_or(TokenFault::UnknownKey)?;
    key.verify(token.signing_input, &token.signature).map_err(|_| TokenFault::Signature)?;
    check_claims(&token.claims, expected)?;
    Ok(VerifiedToken { claims: token.claims })
}

fn check_claims(claims: &Map<String, Value>, expected: &ExpectedClaims<'_>) -> Result<(), TokenFault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if date(claims, "exp")?.ok_or(TokenFault::Claims)? + expected.leeway <= expected.now {
        return Err(TokenFault::Expired);
    }
    for name in ["nbf", "iat"] {
        if date(claims, name)?.is_some_and(|at| at > expected.now + expected.leeway) {
            return Err(TokenFault::NotYetValid);
        }
    }
    if text("iss").ok_or(TokenFault::Claims)? != expected.issuer {
        return Err(TokenFault::Issuer);
    }
    let is_accepted = |aud: &Value| aud.as_str().is_some_and(|aud| expected.audiences.contains(&aud));
    let has_accepted = match claims.get("aud").ok_or(TokenFault::Claims)? {
        Value::Array(audiences) => audiences.iter().any(is_accepted),
        audience => is_accepted(audience),
    };
    if !has_accepted {
        return Err(TokenFault::Audience);
    }
    if text("token_type").ok_or(TokenFault::Claims)? != expected.kind.row().token_type {
        return Err(TokenFault::WrongKind);
    }
    Ok(())
}

/// The last second of the year 9999: RFC 3339 §1 cannot express later dates.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reads a `NumericDate` claim (RFC 7519 §2): a number of seconds up to the year 9999. A fraction is dropped. Returns
/// `None` if the claim is absent.
///
/// # Errors
/// [`TokenFault::Claims`] for any other value.
pub fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, TokenFault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and the check below rejects a saturated value"
    )]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64)).ok_or(TokenFault::Claims)?;
    if seconds.unsigned_abs() > LAST_SECOND {
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
            kind: TokenKind::Access,
            now,
            leeway: Duration::from_secs(5),
        }
    }

    fn valid_claims() -> Map<String, Value> {
        let claims = json!({"iss": "https://a.example", "aud": "x", "exp": 1100, "nbf": 900, "iat": 900, "token_type": "access"});
        claims.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn valid_claims_are_accepted_within_the_leeway() {
        assert_eq!(check_claims(&valid_claims(), &expected()), Ok(()));
        for (name, value) in
            [("exp", json!(996)), ("nbf", json!(1005)), ("aud", json!(["z", "y"])), ("exp", json!(1100.5))]
        {
            let mut claims = valid_claims();
            claims.insert(name.to_owned(), value);
            assert_eq!(check_claims(&claims, &expected()), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_verified_token_returns_the_verified_expiry() {
        let mut claims = valid_claims();
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
            ("nbf", json!(1006), TokenFault::NotYetValid),
            ("nbf", json!("900"), TokenFault::Claims),
            ("iat", json!(1006), TokenFault::NotYetValid),
            ("iss", json!("https://a.example/"), TokenFault::Issuer),
            ("iss", json!(["https://a.example"]), TokenFault::Claims),
            ("aud", json!("z"), TokenFault::Audience),
            ("aud", json!([]), TokenFault::Audience),
            ("aud", json!({"x": "x"}), TokenFault::Audience),
            ("token_type", json!("refresh"), TokenFault::WrongKind),
            ("token_type", Value::Null, TokenFault::Claims),
        ];
        for (name, value, fault) in rows {
            let mut claims = valid_claims();
            claims.insert(name.to_owned(), value.clone());
            assert_eq!(check_claims(&claims, &expected()), Err(fault), "{name}: {value}");
        }
        for name in ["exp", "iss", "aud", "token_type"] {
            let mut claims = valid_claims();
            claims.remove(name);
            assert_eq!(check_claims(&claims, &expected()), Err(TokenFault::Claims), "without {name}");
        }
    }
}
