//! Checks the `typ` header and the claims of an ID token (OpenID Connect Core 1.0 §3.1.3.7). The token parser in
//! `crypto` checks its format, and `openid` verifies its signature with the provider's keys.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::crypto::token::UnverifiedToken;
use crate::crypto::verify::date;
use crate::domain::strict_json::present;
use crate::domain::time::Timestamp;

/// The values against which an ID token is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedIdToken<'a> {
    /// The accepted spellings of the issuer.
    pub(super) issuers: &'a [&'a str],
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
    /// The tolerated difference between the provider's clock and the local clock.
    pub(super) leeway: Duration,
}

/// Checks `typ` and the claims. A claim that is null counts as absent. The error names the problem and contains no part of the token.
pub(super) fn check(token: &UnverifiedToken<'_>, expected: &ExpectedIdToken<'_>) -> Result<(), &'static str> {
    if !matches!(token.typ.as_str(), "" | "jwt") {
        return Err("another kind of token (typ)");
    }
    check_claims(&token.claims, expected)
}

fn check_claims(claims: &Map<String, Value>, expected: &ExpectedIdToken<'_>) -> Result<(), &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if !text("iss").is_some_and(|iss| expected.issuers.contains(&iss)) {
        return Err("another issuer (iss)");
    }
    check_audience(claims, expected.client_id)?;
    let when = |name: &str| match present(claims, name) {
        None => Ok(None),
        Some(_) => date(claims, name).map_err(|_| "invalid date (exp, iat, nbf)"),
    };
    if when("exp")?.ok_or("no expiry (exp)")? + expected.leeway <= expected.now {
        return Err("expired (exp)");
    }
    let latest = expected.now + expected.leeway;
    if when("iat")?.ok_or("no issue date (iat)")? > latest || when("nbf")?.is_some_and(|at| at > latest) {
        return Err("not yet valid (iat, nbf)");
    }
    if text("nonce") != Some(expected.nonce) || expected.nonce.is_empty() {
        return Err("another sign-in attempt (nonce)");
    }
    Ok(())
}

/// Checks that `aud` contains the client id. If `aud` has several entries or `azp` is present, `azp` must be the client
/// id.
fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), &'static str> {
    let has_several = match claims.get("aud") {
        Some(Value::String(one)) if one == client_id => false,
        Some(Value::Array(all)) if all.iter().all(Value::is_string) && all.iter().any(|one| one == client_id) => {
            all.len() > 1
        }
        _ => return Err("another audience (aud)"),
    };
    match present(claims, "azp") {
        Some(party) if party == client_id => Ok(()),
        None if !has_several => Ok(()),
        _ => Err("another authorized party (azp)"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    const EXPECTED: ExpectedIdToken<'static> = ExpectedIdToken {
        issuers: &["https://op.example"],
        client_id: "us",
        nonce: "n-1",
        now: Timestamp::from_unix(1000),
        leeway: Duration::from_secs(5),
    };

    fn checked(changes: &[(&str, Value)]) -> Result<(), &'static str> {
        let mut claims = json!({"iss": "https://op.example", "sub": "1", "aud": "us", "exp": 1100, "iat": 990,
            "nonce": "n-1"});
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        let mut claims = claims.as_object().unwrap().clone();
        claims.retain(|_, value| *value != "(gone)");
        check_claims(&claims, &EXPECTED)
    }

    #[test]
    fn valid_claims_are_accepted_within_the_leeway() {
        for changes in [
            &[][..],
            &[("exp", json!(996))],
            &[("iat", json!(1005)), ("nbf", json!(1005))],
            &[("iat", json!(990.5))],
            &[("aud", json!(["us"]))],
            &[("azp", json!("us"))],
            &[("azp", Value::Null), ("nbf", Value::Null)],
            &[("aud", json!(["them", "us"])), ("azp", json!("us"))],
        ] {
            assert_eq!(checked(changes), Ok(()), "{changes:?}");
        }
    }

    #[test]
    fn each_invalid_claim_is_rejected() {
        let gone = json!("(gone)");
        let rows = [
            ("iss", json!("https://op.example/"), "(iss)"),
            ("iss", json!("https://evil.example"), "(iss)"),
            ("iss", json!(["https://op.example"]), "(iss)"),
            ("iss", gone.clone(), "(iss)"),
            ("aud", json!("them"), "(aud)"),
            ("aud", json!("US"), "(aud)"),
            ("aud", json!(["them"]), "(aud)"),
            ("aud", json!([]), "(aud)"),
            ("aud", json!(["us", 7]), "(aud)"),
            ("aud", json!({"us": "us"}), "(aud)"),
            ("aud", gone.clone(), "(aud)"),
            ("aud", json!(["us", "them"]), "(azp)"),
            ("azp", json!("them"), "(azp)"),
            ("exp", json!(995), "(exp)"),
            ("exp", json!(-1), "(exp)"),
            ("exp", gone.clone(), "(exp)"),
            ("exp", json!("1100"), "invalid date (exp, iat, nbf)"),
            ("iat", json!(1006), "(iat, nbf)"),
            ("iat", gone.clone(), "(iat)"),
            ("exp", Value::Null, "(exp)"),
            ("iat", Value::Null, "(iat)"),
            ("nbf", json!("990"), "invalid date (exp, iat, nbf)"),
            ("nonce", Value::Null, "(nonce)"),
            ("nbf", json!(1006), "(iat, nbf)"),
            ("nonce", json!("n-2"), "(nonce)"),
            ("nonce", json!(["n-1"]), "(nonce)"),
            ("nonce", gone, "(nonce)"),
        ];
        for (name, value, expected) in rows {
            let error = checked(&[(name, value.clone())]).expect_err(name);
            assert!(error.contains(expected), "{name}: {value}: {error}");
        }
    }

    #[test]
    fn a_missing_nonce_is_rejected() {
        let claims = json!({"iss": "https://op.example", "aud": "us", "exp": 1100, "iat": 990, "nonce": ""});
        let expected = ExpectedIdToken { nonce: "", ..EXPECTED };
        assert!(check_claims(claims.as_object().unwrap(), &expected).is_err());
    }
}
