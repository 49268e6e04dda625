//! The table of all runtime settings: one row each, and the settings of the profiles.

use std::borrow::Cow;
use std::time::Duration;

use super::super::duration::{DAY, MINUTE};
use super::super::email_confirmation::VerifyEmail;
use super::definition::{Definition, SettingError};
use super::profiles::{PROFILES, ProfileSettings};
use super::typed::Setting;

/// Declares settings and the list of their definitions.
macro_rules! settings {
    ($($setting:ident: $type:ty = $value:expr;)*) => {
        $(pub(super) static $setting: Setting<$type> = $value;)*
        /// The definitions of the settings above, in their order.
        static DEFINITIONS: &[&Definition] = &[$(&$setting.definition),*];
    };
}

settings! {
    SIMPLEJWT_ROTATES: bool = Setting::flag(
        "profiles.simplejwt.rotate_refresh_tokens", false, "whether a refresh returns a new refresh token");
    SIMPLEJWT_BLACKLISTS: bool = Setting::flag(
        "profiles.simplejwt.blacklist_after_rotation", false,
        "whether a refresh token is refused once it has been rotated");
    SIMPLEJWT_USER_ID_CLAIM: Cow<'static, str> = Setting::claim(
        "profiles.simplejwt.user_id_claim", "user_id", "the name of the claim that contains the integer user id");
    REUSE_GRACE: Duration = Setting::seconds(
        "sessions.reuse_grace", [0, 5 * MINUTE], 10,
        "time after a rotation for which the previous refresh token still returns the same new refresh token");
    MAX_AGE: Option<Duration> = Setting::optional_seconds(
        "sessions.max_age", [60, 10 * 366 * DAY], "maximum lifetime of a session, regardless of refreshes; also ends open sessions");
    RESET_TIMEOUT: Duration = Setting::seconds(
        "passwords.reset_timeout", [1, 7 * DAY], 15 * MINUTE, "time for which a reset code or link is valid");
    TEMPORARY_LIFETIME: Duration = Setting::seconds(
        "passwords.temporary_lifetime", [1, 7 * DAY], DAY,
        "time for which a temporary password, and a session opened with it, is valid");
    REGISTRATION_OPEN: bool = Setting::flag("registration.open", true, "whether anyone may register");
    REGISTRATION_VERIFY_EMAIL: VerifyEmail = Setting::verify_email(
        "registration.verify_email", VerifyEmail::Off,
        "whether a new account gets an e-mail to confirm its address, and may sign in only afterwards");
}

/// The definitions of all runtime settings, in the order in which they are listed.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    PROFILES.iter().flat_map(ProfileSettings::definitions).chain(DEFINITIONS.iter().copied())
}

/// Returns the definition with this name.
///
/// # Errors
/// No setting has this name.
pub fn find(name: &str) -> Result<&'static Definition, SettingError> {
    definitions().find(|definition| definition.name == name).ok_or_else(|| {
        let scored = definitions().map(|definition| (strsim::jaro_winkler(definition.name, name), definition.name));
        let nearest = scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
        SettingError::Unknown { name: name.to_owned(), nearest: nearest.map(|(_, nearest)| nearest) }
    })
}
