//! The public keys of another issuer (RFC 7517 §5), and whether one of them signed a token. This module does not fetch
//! the keys.

use serde_json::{Map, Value};

use super::algorithm::spec;
use super::jwk::{raw_numbers, raw_point};
use super::key_pair::PublicKey;
use super::token::{TokenFault, UnverifiedToken};
use crate::domain::algorithm::Algorithm;
use crate::domain::strict_json::{self, present};

/// The maximum number of keys that are read from a JWKS; further keys are ignored.
const KEYS_MAX: usize = 64;

/// The text is not a JSON object `{"keys":[…]}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JWKS")]
pub struct NotAJwks;

/// The keys of a JWKS that can verify tokens.
#[derive(Clone, Debug)]
pub struct ForeignKeys {
    keys: Vec<ForeignKey>,
}

/// A key with the `kid` that its issuer chose. (A `kid` of Countersign is the thumbprint of the key.)
#[derive(Clone, Debug)]
struct ForeignKey {
    kid: Option<String>,
    key: PublicKey,
}

impl ForeignKeys {
    /// Reads a JWKS. Keys of unsupported algorithms or for other uses are skipped (RFC 7517 §5), and so are keys that
    /// are unsafe, damaged or private, or whose `kid` is empty or not a string. A member that is null counts as absent.
    /// Numbers may have padding, which RFC 7515 §2 does not allow, but some issuers write.
    pub fn parse(text: &[u8]) -> Result<Self, NotAJwks> {
        let jwks = strict_json::parse_object(text).map_err(|_| NotAJwks)?;
        let members = jwks.get("keys").and_then(Value::as_array).ok_or(NotAJwks)?;
        Ok(Self { keys: members.iter().take(KEYS_MAX).filter_map(parse_key).collect() })
    }

    /// Verifies the signature of a token.
    ///
    /// # Errors
    /// [`TokenFault::UnknownKey`] if no key has the `kid` and the algorithm of the token; the JWKS may be outdated
    /// then. [`TokenFault::Signature`] if the signature is invalid.
    pub fn verify(&self, token: &UnverifiedToken<'_>) -> Result<(), TokenFault> {
        let has_alg = |key: &&PublicKey| key.alg() == token.alg;
        let mut named = self.named(&token.kid).filter(has_alg).peekable();
        if named.peek().is_none() {
            return Err(TokenFault::UnknownKey);
        }
        let signed = named.any(|key| key.verify(token.signing_input, &token.signature).is_ok());
        if signed { Ok(()) } else { Err(TokenFault::Signature) }
    }

    /// The keys with this `kid`. If the token or the key has no `kid`, the key is used only if it is the only usable
    /// key of the JWKS.
    fn named<'a>(&'a self, kid: &'a str) -> impl Iterator<Item = &'a PublicKey> {
        let is_only = self.keys.len() == 1;
        let is_named = move |key: &&'a ForeignKey| match &key.kid {
            Some(name) if !kid.is_empty() => name == kid,
            _ => is_only,
        };
        self.keys.iter().filter(is_named).map(|key| &key.key)
    }
}

fn parse_key(member: &Value) -> Option<ForeignKey> {
    let jwk = member.as_object()?;
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let unpadded = |name: &str| text(name).map(|text| text.trim_end_matches('='));
    let is = |name: &str, value: &str| present(jwk, name).is_none_or(|found| found.as_str() == Some(value));
    let alg = Algorithm::ALL.into_iter().find(|alg| {
        let spec = spec(*alg);
        let curve = present(jwk, "crv").map(Value::as_str);
        text("kty") == Some(spec.kty) && curve == spec.crv.map(Some) && is("alg", alg.name())
    })?;
    // If a private key is published, anyone can sign with it.
    if !is("use", "sig") || !may_verify(jwk) || present(jwk, "d").is_some() {
        return None;
    }
    let raw = match spec(alg).crv {
        Some(_) => raw_point(unpadded("x")?, unpadded("y")?),
        None => raw_numbers(unpadded("n")?, unpadded("e")?),
    }?;
    let kid = match present(jwk, "kid") {
        None => None,
        Some(Value::String(kid)) if !kid.is_empty() => Some(kid.clone()),
        Some(_) => return None,
    };
    Some(ForeignKey { kid, key: PublicKey::new(spec(alg), &raw).ok()? })
}

/// Whether `key_ops` (RFC 7517 §4.3) is absent or permits verification.
fn may_verify(jwk: &Map<String, Value>) -> bool {
    let verifies = |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
    present(jwk, "key_ops").is_none_or(verifies)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::key_pair::KeyPair;
    use crate::crypto::testing::foreign_token;

    fn jwk(pair: &KeyPair, change: &[(&str, Value)]) -> Value {
        let mut jwk = serde_json::to_value(pair.public().jwk()).unwrap();
        for (name, value) in change {
            jwk[*name] = value.clone();
        }
        let members = jwk.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn verify(keys: &[Value], token: &str) -> Result<(), TokenFault> {
        let keys = ForeignKeys::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        keys.verify(&UnverifiedToken::parse_foreign(token).unwrap())
    }

    #[test]
    fn finds_the_key_that_signed() {
        for alg in Algorithm::ALL {
            let pair = KeyPair::generate(alg, 2048).unwrap();
            let other = KeyPair::generate(alg, 2048).unwrap();
            let one = jwk(&pair, &[("kid", json!("one"))]);
            let two = jwk(&other, &[("kid", json!("two"))]);
            let bare = jwk(&pair, &[("kid", Value::Null), ("use", Value::Null), ("alg", Value::Null)]);
            let [named, unnamed] =
                [json!({"alg": alg, "kid": "one"}), json!({"alg": alg})].map(|h| foreign_token(&pair, &h, &json!({})));
            assert_eq!(verify(&[one.clone(), two.clone()], &named), Ok(()));
            assert_eq!(verify(std::slice::from_ref(&one), &unnamed), Ok(()), "a single key needs no kid in the token");
            assert_eq!(verify(std::slice::from_ref(&bare), &named), Ok(()), "a single key needs no kid of its own");
            assert_eq!(verify(&[bare, two.clone()], &named), Err(TokenFault::UnknownKey), "one of two keys has no kid");
            assert_eq!(verify(&[one, two.clone()], &unnamed), Err(TokenFault::UnknownKey), "two keys, no kid");
            let wrong = jwk(&other, &[("kid", json!("one"))]);
            assert_eq!(verify(&[wrong, two], &named), Err(TokenFault::Signature));
            assert_eq!(verify(&[], &named), Err(TokenFault::UnknownKey));
        }
    }

    #[test]
    fn unusable_keys_are_ignored() {
        let pair = KeyPair::generate(Algorithm::Es256, 2048).unwrap();
        let token = foreign_token(&pair, &json!({"alg": "ES256", "kid": "k"}), &json!({}));
        let named = ("kid", json!("k"));
        let rows = [
            ("use", json!("enc")),
            ("alg", json!("ES384")),
            ("alg", json!("RS256")),
            ("kty", json!("oct")),
            ("crv", json!("P-384")),
            ("crv", Value::Null),
            ("key_ops", json!(["sign"])),
            ("key_ops", json!("verify")),
            ("d", json!("AAAA")),
            ("x", json!("AAAA")),
            ("y", json!(7)),
            ("kid", json!(7)),
        ];
        for change in rows {
            let keys = [jwk(&pair, &[named.clone(), change.clone()])];
            assert_eq!(verify(&keys, &token), Err(TokenFault::UnknownKey), "{change:?}");
        }
        assert_eq!(verify(&[jwk(&pair, &[named, ("key_ops", json!(["verify"]))])], &token), Ok(()));
    }

    /// The JWK with these members changed, also to null.
    fn with_members(pair: &KeyPair, changes: &[(&str, Value)]) -> Value {
        let mut jwk = jwk(pair, &[("kid", json!("k"))]);
        for (name, value) in changes {
            jwk[*name] = value.clone();
        }
        jwk
    }

    #[test]
    fn a_member_that_is_null_counts_as_absent() {
        for alg in Algorithm::ALL {
            let pair = KeyPair::generate(alg, 2048).unwrap();
            let token = foreign_token(&pair, &json!({"alg": alg, "kid": "k"}), &json!({}));
            let foreign_members = if alg == Algorithm::Es256 { ["n", "e"] } else { ["crv", "x"] };
            let optional = ["use", "alg", "kid", "key_ops", "d", "p", "x5c", "x5u", "x5t", "ext"];
            let all: Vec<_> = optional.iter().chain(&foreign_members).map(|name| (*name, Value::Null)).collect();
            for change in all.iter().map(std::slice::from_ref).chain([all.as_slice()]) {
                assert_eq!(verify(&[with_members(&pair, change)], &token), Ok(()), "{alg}: {change:?}");
            }
            for required in if alg == Algorithm::Es256 { ["kty", "crv", "x", "y"] } else { ["kty", "n", "e", "kty"] } {
                let keys = [with_members(&pair, &[(required, Value::Null)])];
                assert_eq!(verify(&keys, &token), Err(TokenFault::UnknownKey), "{alg}: {required}");
            }
        }
    }

    #[test]
    fn numbers_of_a_key_may_have_padding() {
        for (alg, names) in [(Algorithm::Es256, ["x", "y"]), (Algorithm::Rs256, ["n", "e"])] {
            let pair = KeyPair::generate(alg, 2048).unwrap();
            let token = foreign_token(&pair, &json!({"alg": alg, "kid": "k"}), &json!({}));
            let plain = with_members(&pair, &[]);
            let padded = names.map(|name| {
                let text = plain[name].as_str().unwrap();
                (name, json!(format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))))
            });
            assert_ne!(with_members(&pair, &padded), plain);
            assert_eq!(verify(&[with_members(&pair, &padded)], &token), Ok(()), "{alg}");
        }
    }

    #[test]
    fn a_key_of_another_type_does_not_verify() {
        let ec = KeyPair::generate(Algorithm::Es256, 0);
        let rsa = KeyPair::generate(Algorithm::Rs256, 2048);
        let ec = ec.unwrap();
        let rsa = rsa.unwrap();
        let token = foreign_token(&ec, &json!({"alg": "ES256", "kid": "k"}), &json!({}));
        assert_eq!(verify(&[jwk(&rsa, &[("kid", json!("k"))])], &token), Err(TokenFault::UnknownKey));
    }

    #[test]
    fn only_a_jwks_is_accepted() {
        for bad in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
            assert_eq!(ForeignKeys::parse(bad.as_bytes()).err(), Some(NotAJwks), "{bad}");
        }
        assert!(ForeignKeys::parse(br#"{"keys":[7,null,{}],"more":1}"#).is_ok());
    }
}
