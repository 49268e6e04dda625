//! The closed set of dialects: the HTTP APIs that clients of the replaced systems already use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An HTTP API and its profile (token settings). It is serialised as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// `/auth`, `/renew_token`, `/reset_password`: access tokens that are exchanged for new ones, and a cookie.
    JwtIssuer,
    /// `/signup`, `/signin`, `/restore`: access tokens that are exchanged for new ones, and a restore link.
    RestJwt,
    /// `/google/`, `/github/`, `/facebook/`: sign-in with a provider.
    RestSocial,
    /// `/api/login/`, `/api/me/`: short access tokens, a UUID as refresh token, and responses in the format of Django
    /// REST Framework.
    DrfPyjwt,
    /// `/api/token/`: the views of `djangorestframework-simplejwt`.
    Simplejwt,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] = [Self::JwtIssuer, Self::RestJwt, Self::RestSocial, Self::DrfPyjwt, Self::Simplejwt];

    /// The name in settings, in the database and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JwtIssuer => "jwt_issuer",
            Self::RestJwt => "rest_jwt",
            Self::RestSocial => "rest_social",
            Self::DrfPyjwt => "drf_pyjwt",
            Self::Simplejwt => "simplejwt",
        }
    }

    /// Whether an access token can be exchanged for a new one while its session is live. The other dialects have
    /// refresh tokens.
    pub const fn is_self_renewing(self) -> bool {
        match self {
            Self::JwtIssuer | Self::RestJwt | Self::RestSocial => true,
            Self::DrfPyjwt | Self::Simplejwt => false,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is not the name of a dialect. Names are case-sensitive.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown dialect `{0}`; use jwt_issuer, rest_jwt, rest_social, drf_pyjwt or simplejwt")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or_else(|| UnknownDialect(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_has_the_same_name_everywhere() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.name().parse(), Ok(dialect));
            assert_eq!(serde_json::to_value(dialect).ok(), Some(serde_json::Value::from(dialect.name())));
            assert!(UnknownDialect(String::new()).to_string().contains(dialect.name()), "the hint names {dialect}");
        }
    }

    #[test]
    fn unknown_names_are_rejected() {
        for name in ["", "Simplejwt", "simple_jwt", "jwt_issuer "] {
            assert_eq!(name.parse::<Dialect>(), Err(UnknownDialect(name.to_owned())));
        }
    }
}
