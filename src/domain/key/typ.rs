//! The values of the `typ` header.

use serde::{Deserialize, Serialize};

/// The `typ` header of a token (RFC 7519 §5.1), which states the purpose of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Typ {
    /// Any JWT. Every verifier accepts this value.
    #[serde(rename = "JWT")]
    Jwt,
    /// An access token according to RFC 9068 §2.1.
    #[serde(rename = "at+jwt")]
    AtJwt,
    /// A refresh token, which only the issuer accepts.
    #[serde(rename = "refresh+jwt")]
    RefreshJwt,
}

impl Typ {
    /// Every `typ` that the issuer signs.
    pub const ALL: [Self; 3] = [Self::Jwt, Self::AtJwt, Self::RefreshJwt];

    /// The value of the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::AtJwt => "at+jwt",
            Self::RefreshJwt => "refresh+jwt",
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_serialised_typ_equals_the_signed_typ() {
        for typ in Typ::ALL {
            assert_eq!(serde_json::to_value(typ).unwrap(), typ.name());
        }
    }
}
