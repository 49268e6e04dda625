//! The settings that exist once for each profile. The row of the dialect has their defaults.

use std::time::Duration;

use super::super::algorithm::Algorithm;
use super::super::dialect::Dialect;
use super::super::duration::DAY;
use super::super::token_kind::Typ;
use super::definition::Definition;
use super::typed::Setting;

/// The settings of one profile.
#[derive(Debug)]
pub(super) struct ProfileSettings {
    /// The dialect whose tokens have the profile.
    pub dialect: Dialect,
    pub access_lifetime: Setting<Duration>,
    pub refresh_lifetime: Setting<Duration>,
    pub algorithm: Setting<Option<Algorithm>>,
    pub audience: Setting<Option<String>>,
    pub typ: Setting<Typ>,
}

macro_rules! profile {
    ($dialect:ident, $name:literal) => {
        ProfileSettings {
            dialect: Dialect::$dialect,
            access_lifetime: Setting::seconds(
                concat!("profiles.", $name, ".access_lifetime"),
                [1, 90 * DAY],
                Dialect::$dialect.row().access_lifetime.as_secs(),
                "lifetime of an access token",
            ),
            refresh_lifetime: Setting::seconds(
                concat!("profiles.", $name, ".refresh_lifetime"),
                [1, 10 * 366 * DAY],
                Dialect::$dialect.row().refresh_lifetime.as_secs(),
                "lifetime of a session from sign-in, or from its last refresh or renewal",
            ),
            algorithm: Setting::optional_algorithm(
                concat!("profiles.", $name, ".algorithm"),
                "signature algorithm of access tokens; none means tokens.algorithm",
            ),
            audience: Setting::optional_text(
                concat!("profiles.", $name, ".audience"),
                "the aud claim of access tokens; none means tokens.audience",
            ),
            typ: Setting::access_typ(concat!("profiles.", $name, ".typ"), Typ::Jwt, "the typ header of access tokens"),
        }
    };
}

/// The profiles, in the order of [`Dialect::ALL`].
pub(super) static PROFILES: [ProfileSettings; Dialect::ALL.len()] = [
    profile!(JwtIssuer, "jwt_issuer"),
    profile!(RestJwt, "rest_jwt"),
    profile!(RestSocial, "rest_social"),
    profile!(DrfPyjwt, "drf_pyjwt"),
    profile!(Simplejwt, "simplejwt"),
];

impl ProfileSettings {
    /// The definitions of all settings of the profile, in the order in which they are listed.
    pub fn definitions(&self) -> [&Definition; 5] {
        // The pattern names every field, so that a new setting without a definition here does not compile.
        let Self { dialect: _, access_lifetime, refresh_lifetime, algorithm, audience, typ } = self;
        [
            &access_lifetime.definition,
            &refresh_lifetime.definition,
            &algorithm.definition,
            &audience.definition,
            &typ.definition,
        ]
    }
}
