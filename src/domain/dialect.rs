//! The closed set of dialects: the HTTP APIs that clients of the replaced systems already use. One table row per dialect
//! has everything in which the dialects differ, apart from their routes and bodies.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::claims::ExtraClaim;
use super::closed_set::closed_set;
use super::token_kind::TokenKind;

closed_set! {
    /// An HTTP API. `dialects.enabled` says whether the server serves it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Dialect {
        /// `/auth`, `/renew_token`, `/reset_password`: access tokens that are exchanged for new ones, and a cookie.
        JwtIssuer = "jwt_issuer",
        /// `/signup`, `/signin`, `/restore`: access tokens that are exchanged for new ones, and a restore link.
        RestJwt = "rest_jwt",
        /// `/google/`, `/github/`, `/facebook/`: sign-in with a provider.
        RestSocial = "rest_social",
        /// `/api/login/`, `/api/me/`: short access tokens, a UUID as refresh token, and responses in the format of
        /// Django REST Framework.
        DrfPyjwt = "drf_pyjwt",
        /// `/api/token/`: the views of `djangorestframework-simplejwt`.
        Simplejwt = "simplejwt",
    }
}

/// How a client gets a new access token in a live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshStyle {
    /// It exchanges the access token. There is no refresh token.
    SelfRenewing,
    /// It presents a refresh token that is a UUID. Each refresh rotates it.
    Uuid,
    /// It presents a refresh token that is a signed JWT. The settings say whether a refresh rotates it.
    Jwt,
}

impl RefreshStyle {
    /// The kind of the refresh tokens, if they are signed.
    pub const fn token_kind(self) -> Option<TokenKind> {
        match self {
            Self::SelfRenewing | Self::Uuid => None,
            Self::Jwt => Some(TokenKind::RefreshJwt),
        }
    }
}

/// The row of a dialect.
#[derive(Debug)]
pub struct DialectRow {
    /// How a client gets a new access token.
    pub refresh: RefreshStyle,
    /// The claims that access tokens have in addition to the registered claims.
    pub extra_claims: &'static [ExtraClaim],
    /// The default lifetime of an access token.
    pub access_lifetime: Duration,
    /// The default lifetime of a session from its opening, and from each refresh.
    pub refresh_lifetime: Duration,
}

const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const FIVE_MINUTES: Duration = Duration::from_mins(5);
const DAY: Duration = Duration::from_hours(24);
const MONTH: Duration = Duration::from_hours(30 * 24);

impl Dialect {
    /// The row of this dialect.
    pub const fn row(self) -> &'static DialectRow {
        match self {
            Self::JwtIssuer => &DialectRow {
                refresh: RefreshStyle::SelfRenewing,
                extra_claims: &[ExtraClaim::UserId, ExtraClaim::Username],
                access_lifetime: DAY,
                refresh_lifetime: MONTH,
            },
            Self::RestJwt => &DialectRow {
                refresh: RefreshStyle::SelfRenewing,
                extra_claims: &[ExtraClaim::Role, ExtraClaim::UserIdText],
                access_lifetime: DAY,
                refresh_lifetime: MONTH,
            },
            Self::RestSocial => &DialectRow {
                refresh: RefreshStyle::SelfRenewing,
                extra_claims: &[ExtraClaim::Role, ExtraClaim::UserIdText, ExtraClaim::Provider],
                access_lifetime: DAY,
                refresh_lifetime: MONTH,
            },
            Self::DrfPyjwt => &DialectRow {
                refresh: RefreshStyle::Uuid,
                extra_claims: &[ExtraClaim::UserId, ExtraClaim::Username],
                access_lifetime: HALF_A_MINUTE,
                refresh_lifetime: MONTH,
            },
            Self::Simplejwt => &DialectRow {
                refresh: RefreshStyle::Jwt,
                extra_claims: &[ExtraClaim::UserId],
                access_lifetime: FIVE_MINUTES,
                refresh_lifetime: DAY,
            },
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The names of all dialects as a phrase: `a, b or c`.
pub fn names() -> String {
    let [names @ .., last] = Dialect::ALL.map(Dialect::name);
    format!("{} or {last}", names.join(", "))
}

/// The name is not the name of a dialect. Names are case-sensitive.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown dialect `{0}`; use {names}", names = names())]
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
    fn a_name_is_parsed_and_listed_in_the_hint() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.name().parse(), Ok(dialect));
        }
        let hint = "unknown dialect `x`; use jwt_issuer, rest_jwt, rest_social, drf_pyjwt or simplejwt";
        assert_eq!(UnknownDialect("x".to_owned()).to_string(), hint);
    }

    #[test]
    fn unknown_names_are_rejected() {
        for name in ["", "Simplejwt", "simple_jwt", "jwt_issuer "] {
            assert_eq!(name.parse::<Dialect>(), Err(UnknownDialect(name.to_owned())));
        }
    }
}
