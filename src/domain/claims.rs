//! The claims of a user's tokens: the names that only the issuer sets, the claims that a dialect adds, and the user's
//! own.

use serde::Serialize;
use serde_json::{Map, Value};

use super::strict_json;

/// Claim names that only the issuer sets, and claim names whose meaning is defined by OpenID Connect Core 1.0 §2,
/// RFC 7800 §3.1, RFC 8693 §4 and RFC 9068 §2.2. A user's own claims must not contain them in any spelling.
///
/// `roles`, `groups` and `entitlements` (RFC 9068 §2.2.3.1) are not reserved: they are attributes of the user, which the
/// operator sets.
const RESERVED: [&str; 26] = [
    "iss",
    "sub",
    "aud",
    "iat",
    "nbf",
    "exp",
    "jti",
    "sid",
    "token_type",
    "generation",
    "refresh_exp",
    "user_id",
    "userid",
    "username",
    "provider",
    "must_change_password",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "cnf",
    "act",
    "may_act",
    "scope",
    "client_id",
];

/// Whether only the issuer sets the claim with this name, in any spelling: some JSON decoders ignore the case of names.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| is_same_name(name, reserved))
}

/// Whether two claim names differ at most in case, by Unicode's simple case folding. Go's `encoding/json` compares names
/// in this way, so that `ſub` (U+017F) is `sub`.
pub fn is_same_name(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { a.chars().map(fold).eq(b.chars().map(fold)) }
}

/// The simple case folding of a character. A character whose other case has several characters stays as it is, and so
/// does the dotless i, which only Turkic languages fold.
fn fold(c: char) -> char {
    fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
        chars.next().filter(|_| chars.next().is_none())
    }
    if c == '\u{131}' {
        return c;
    }
    let upper = only(c.to_uppercase()).unwrap_or(c);
    only(upper.to_lowercase()).unwrap_or(upper)
}

/// A claim that a profile adds to the registered claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraClaim {
    /// The integer user id as a number, under the name in `user_id_claim`.
    UserId,
    /// The integer user id as a string, under the name `userid`.
    UserIdText,
    /// The user name.
    Username,
    /// The configured role, under the name `role`. Absent if the user's own claims contain `role`.
    Role,
    /// The provider of the sign-in that opened the session. Absent if a password or an operator opened it.
    Provider,
}

/// The maximum size of a user's claims as JSON, in bytes. A token with such claims fits into the 4 KiB that browsers
/// allow for a cookie.
pub const CLAIMS_MAX: usize = 2048;

/// A user's own claims: a JSON object without reserved names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Claims(Map<String, Value>);

/// Why a text is rejected as a user's claims.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ClaimsError {
    /// The text is not a JSON object, or a name occurs twice.
    #[error("claims must be a JSON object without duplicate names, for example {{\"roles\":[\"editor\"]}}")]
    NotAnObject,
    /// A name is reserved: see [`is_reserved`].
    #[error("the claim `{0}` is reserved for the issuer; choose another name")]
    Reserved(String),
    /// The JSON text is longer than [`CLAIMS_MAX`].
    #[error("claims must have at most {CLAIMS_MAX} bytes as JSON")]
    TooLarge,
}

impl Claims {
    /// Parses and checks a JSON object from an operator, a form or an import.
    pub fn parse(text: &str) -> Result<Self, ClaimsError> {
        let Ok(map) = strict_json::parse_object(text.as_bytes()) else { return Err(ClaimsError::NotAnObject) };
        if let Some(name) = map.keys().find(|name| is_reserved(name)) {
            return Err(ClaimsError::Reserved(name.clone()));
        }
        if text.len() > CLAIMS_MAX {
            return Err(ClaimsError::TooLarge);
        }
        Ok(Self(map))
    }

    /// Wraps a subset of claims that were checked before.
    pub(super) fn from_object(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// Reads stored claims. The rules are not applied, so that claims accepted under earlier rules stay readable. The
    /// issuer skips reserved names when it issues a token.
    pub fn from_stored(json: &str) -> Result<Self, ClaimsError> {
        serde_json::from_str(json).map(Self).map_err(|_| ClaimsError::NotAnObject)
    }

    /// The stored form.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// The claims, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// Whether there are no claims.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_claim_names_are_rejected_in_every_spelling() {
        for name in ["Sub", "EXP", "\u{17f}ub", "i\u{17f}S", "to\u{212a}en_type", "Scope", "CLIENT_ID", "Cnf", "azP"] {
            let json = Value::Object(Map::from_iter([(name.to_owned(), Value::from(1))])).to_string();
            assert_eq!(Claims::parse(&json), Err(ClaimsError::Reserved(name.to_owned())));
        }
        for name in RESERVED {
            assert!(is_reserved(name) && is_reserved(&name.to_uppercase()), "{name}");
        }
        for name in
            ["role", "Roles", "groups", "entitlements", "subs", "\u{131}ss", "\u{130}ss", "s\u{fc}b", "\u{df}ub"]
        {
            assert!(!is_reserved(name), "{name}");
        }
        assert!(is_same_name("\u{3c3}", "\u{3c2}") && is_same_name("\u{c9}", "\u{e9}") && !is_same_name("e", "\u{e9}"));
    }

    #[test]
    fn invalid_claims_are_rejected() {
        assert_eq!(Claims::parse(r#"{"sub":"root"}"#), Err(ClaimsError::Reserved("sub".into())));
        assert_eq!(Claims::parse("[1]"), Err(ClaimsError::NotAnObject));
        assert_eq!(Claims::parse(r#"{"role":"a","role":"b"}"#), Err(ClaimsError::NotAnObject));
        assert_eq!(Claims::parse(&format!(r#"{{"a":"{}"}}"#, "x".repeat(CLAIMS_MAX))), Err(ClaimsError::TooLarge));
        assert_eq!(Claims::parse(r#"{"roles":["a"]}"#).map(|claims| claims.to_json()), Ok(r#"{"roles":["a"]}"#.into()));
    }
}
