//! The values of all settings at one moment, with their Rust types.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::dialect::{Dialect, RefreshStyle};
use super::super::email_confirmation::VerifyEmail;
use super::super::origin::Origin;
use super::super::profile::Profile;
use super::super::session::{RefreshPolicy, Session};
use super::super::time::Timestamp;
use super::super::token_kind::TokenKind;
use super::profiles::{PROFILES, ProfileSettings};
use super::table::{
    MAX_AGE, REGISTRATION_OPEN, REGISTRATION_VERIFY_EMAIL, RESET_TIMEOUT, REUSE_GRACE, SIMPLEJWT_BLACKLISTS,
    SIMPLEJWT_ROTATES, SIMPLEJWT_USER_ID_CLAIM, TEMPORARY_LIFETIME,
};

/// The stored name of [`Settings::promised_until`], in Unix seconds. It is stored with the settings but is not a
/// setting.
pub const PROMISED_UNTIL: &str = "keys.promised_until";
/// The stored name of [`Settings::former_audiences`], an object with audiences as names and Unix seconds as values. It
/// is stored with the settings but is not a setting.
pub const FORMER_AUDIENCES: &str = "tokens.former_audiences";

/// The name of the claim with the integer user id, in the profiles without a setting for it.
const USER_ID: Cow<'static, str> = Cow::Borrowed("user_id");

/// The effective values of all settings: an immutable snapshot.
#[derive(Clone, Debug)]
pub struct Settings {
    profiles: [Profile; Dialect::ALL.len()],
    reset_timeout: Duration,
    temporary_lifetime: Duration,
    is_registration_open: bool,
    verify_email: VerifyEmail,
    promised_until: Option<Timestamp>,
    former_audiences: BTreeMap<String, Timestamp>,
}

impl Settings {
    /// Builds a snapshot from stored values and defaults. A stored value that is no longer valid is ignored.
    pub fn new(stored: &[(String, Value)]) -> Self {
        let extra = |name: &str| stored.iter().find(|(stored_name, _)| stored_name == name).map(|(_, value)| value);
        let date = |at: &Value| at.as_i64().map(Timestamp::from_unix);
        let former = extra(FORMER_AUDIENCES).and_then(Value::as_object).into_iter().flatten();
        Self {
            profiles: PROFILES.each_ref().map(|settings| profile(settings, stored)),
            reset_timeout: RESET_TIMEOUT.value_in(stored),
            temporary_lifetime: TEMPORARY_LIFETIME.value_in(stored),
            is_registration_open: REGISTRATION_OPEN.value_in(stored),
            verify_email: REGISTRATION_VERIFY_EMAIL.value_in(stored),
            promised_until: extra(PROMISED_UNTIL).and_then(date),
            former_audiences: former.filter_map(|(name, until)| Some((name.clone(), date(until)?))).collect(),
        }
    }

    /// The profile that applies to the sessions of an origin.
    pub fn profile(&self, opened_by: Origin) -> &Profile {
        &self.profiles[opened_by.index()]
    }

    /// The rules for refreshing a session. They follow from its origin.
    pub fn policy_of(&self, session: &Session) -> &RefreshPolicy {
        &self.profile(session.opened_by).refresh
    }

    /// How long a reset code or link is valid.
    pub fn reset_timeout(&self) -> Duration {
        self.reset_timeout
    }

    /// How long a temporary password is valid.
    pub fn temporary_lifetime(&self) -> Duration {
        self.temporary_lifetime
    }

    /// Whether anyone may register.
    pub fn is_registration_open(&self) -> bool {
        self.is_registration_open
    }

    /// What a registration requires of the e-mail address.
    pub fn verify_email(&self) -> VerifyEmail {
        self.verify_email
    }

    /// The latest `exp` of tokens issued before an access-token lifetime was lowered. `None` if none was lowered.
    pub fn promised_until(&self) -> Option<Timestamp> {
        self.promised_until
    }

    /// The previous audiences of profiles, each with the latest `exp` of tokens issued for it.
    pub fn former_audiences(&self) -> &BTreeMap<String, Timestamp> {
        &self.former_audiences
    }

    /// The longest lifetime, in all profiles, of the tokens that are accepted only while their key is published. A key
    /// stays published at least this long after it stops signing.
    pub fn longest_access_lifetime(&self) -> Duration {
        let kinds = TokenKind::ALL.into_iter().filter(|kind| kind.row().by_published_key);
        let lifetimes = kinds.flat_map(|kind| self.profiles.iter().map(move |profile| profile.longest_lifetime(kind)));
        lifetimes.fold(Duration::ZERO, Duration::max)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(&[])
    }
}

fn profile(settings: &ProfileSettings, stored: &[(String, Value)]) -> Profile {
    let row = settings.dialect.row();
    let (rotate, blacklists, user_id_claim) = match row.refresh {
        RefreshStyle::SelfRenewing => (false, true, USER_ID),
        RefreshStyle::Uuid => (true, true, USER_ID),
        // In djangorestframework-simplejwt, blacklisting has no effect without rotation.
        RefreshStyle::Jwt => (
            SIMPLEJWT_ROTATES.value_in(stored),
            SIMPLEJWT_BLACKLISTS.value_in(stored),
            SIMPLEJWT_USER_ID_CLAIM.value_in(stored),
        ),
    };
    Profile {
        access_lifetime: settings.access_lifetime.value_in(stored),
        refresh: RefreshPolicy {
            lifetime: settings.refresh_lifetime.value_in(stored),
            max_age: MAX_AGE.value_in(stored),
            temporary_lifetime: TEMPORARY_LIFETIME.value_in(stored),
            rotate,
            reuse_grace: REUSE_GRACE.value_in(stored),
            earlier_tokens_stay_valid: rotate && !blacklists,
        },
        algorithm: settings.algorithm.value_in(stored),
        audience: settings.audience.value_in(stored),
        typ: settings.typ.value_in(stored),
        extra_claims: row.extra_claims,
        user_id_claim: user_id_claim.into_owned(),
    }
}
