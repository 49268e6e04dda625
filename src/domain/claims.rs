//! The claims a user's tokens carry besides those of the issuer.

use serde::Serialize;
use serde_json::{Map, Value};

use super::strict_json;

/// What no user's claims may name: the issuer's word on who and when.
pub const RESERVED: [&str; 16] = [
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
];

/// The greatest size of a user's claims as JSON, in bytes; a token with them fits into the
/// 4 KiB that browsers allow a cookie.
pub const CLAIMS_MAX: usize = 2048;

/// A user's own claims: a JSON object that names nothing reserved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Claims(Map<String, Value>);

/// Why an object can't be a user's claims.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ClaimsError {
    /// Not a JSON object, or one that has a name twice.
    #[error("claims must be one JSON object with no name twice, like {{\"roles\":[\"editor\"]}}")]
    NotAnObject,
    /// Names what only the issuer may say.
    #[error("the claim `{0}` is the issuer's own: choose another name")]
    Reserved(String),
    /// Too large to put in a token.
    #[error("claims must have at most {CLAIMS_MAX} bytes as JSON")]
    TooLarge,
}

impl Claims {
    /// Checks an object somebody wrote.
    pub fn parse(text: &str) -> Result<Self, ClaimsError> {
        let Ok(map) = strict_json::parse_object(text.as_bytes()) else { return Err(ClaimsError::NotAnObject) };
        if let Some(name) = map.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(ClaimsError::Reserved(name.clone()));
        }
        if text.len() > CLAIMS_MAX {
            return Err(ClaimsError::TooLarge);
        }
        Ok(Self(map))
    }

    /// Wraps part of what were claims already.
    pub(super) fn from_object(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// Reads what the store kept: what was once let in stays readable, whatever the rules become. A reserved name is
    /// passed over when a token is made.
    pub fn from_stored(json: &str) -> Result<Self, ClaimsError> {
        serde_json::from_str(json).map(Self).map_err(|_| ClaimsError::NotAnObject)
    }

    /// As they are stored.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// Each claim, in the order it was written.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_claim_names_are_rejected() {
        assert_eq!(Claims::parse(r#"{"sub":"root"}"#), Err(ClaimsError::Reserved("sub".into())));
        assert_eq!(Claims::parse("[1]"), Err(ClaimsError::NotAnObject));
        assert_eq!(Claims::parse(r#"{"role":"a","role":"b"}"#), Err(ClaimsError::NotAnObject));
        assert_eq!(Claims::parse(&format!(r#"{{"a":"{}"}}"#, "x".repeat(CLAIMS_MAX))), Err(ClaimsError::TooLarge));
        assert_eq!(Claims::parse(r#"{"roles":["a"]}"#).map(|claims| claims.to_json()), Ok(r#"{"roles":["a"]}"#.into()));
    }
}
