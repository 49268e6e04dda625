//! Tests of the settings: bounds, profiles, and parsing of typed values.

use serde_json::{Value, json};

use super::super::algorithm::Algorithm;
use super::super::dialect::Dialect;
use super::super::origin::Origin;
use super::super::token_kind::Typ;
use super::definition::SettingError;
use super::listing::rows;
use super::snapshot::Settings;
use super::table::{definitions, find};

const DAY: u64 = 86_400;

fn stored<const N: usize>(values: [(&str, Value); N]) -> [(String, Value); N] {
    values.map(|(name, value)| (name.to_owned(), value))
}

#[test]
fn defaults_are_within_bounds_and_names_are_unique() {
    for definition in definitions() {
        assert!(definition.is_valid(&definition.default_value()), "{}", definition.name);
    }
    let names: std::collections::BTreeSet<_> = definitions().map(|definition| definition.name).collect();
    assert_eq!(names.len(), definitions().count());
}

#[test]
fn every_dialect_has_the_settings_of_a_profile_under_its_name() {
    for dialect in Dialect::ALL {
        for key in ["access_lifetime", "refresh_lifetime", "algorithm", "audience", "typ"] {
            assert!(find(&format!("profiles.{dialect}.{key}")).is_ok(), "{dialect} {key}");
        }
    }
}

#[test]
fn stored_values_apply_to_the_profile_of_their_name() {
    let stored = stored([
        ("profiles.rest_jwt.algorithm", json!("RS256")),
        ("profiles.rest_jwt.audience", json!("shop")),
        ("profiles.rest_jwt.typ", json!("at+jwt")),
        ("profiles.simplejwt.user_id_claim", json!("uid")),
        ("sessions.max_age", json!(3600)),
        ("passwords.reset_timeout", json!(60)),
        ("registration.open", json!(false)),
    ]);
    let settings = Settings::new(&stored);
    let profile = settings.profile(Origin::Dialect(Dialect::RestJwt));
    assert_eq!(profile.algorithm, Some(Algorithm::Rs256));
    assert_eq!(profile.audience.as_deref(), Some("shop"));
    assert_eq!(profile.typ, Typ::AtJwt);
    let other = settings.profile(Origin::Dialect(Dialect::Simplejwt));
    assert_eq!((other.algorithm, other.audience.as_deref(), other.typ), (None, None, Typ::Jwt));
    assert_eq!((other.user_id_claim.as_str(), profile.user_id_claim.as_str()), ("uid", "user_id"));
    assert_eq!(other.refresh.max_age.map(|age| age.as_secs()), Some(3600));
    assert_eq!((settings.reset_timeout().as_secs(), settings.is_registration_open()), (60, false));
}

#[test]
fn a_row_is_printed_with_its_type_unit_and_bounds() {
    let rows = rows(&stored([("sessions.max_age", json!(3600)), ("registration.open", json!("yes"))]));
    let shown = |name: &str| {
        let row = rows.iter().find(|row| row.definition.name == name);
        row.and_then(|row| serde_json::to_string(row).ok()).unwrap_or_default()
    };
    assert_eq!(
        shown("sessions.max_age"),
        r#"{"name":"sessions.max_age","value":3600,"default":null,"type":"duration","unit":"seconds","min":60,"max":316224000}"#
    );
    assert_eq!(
        shown("registration.open"),
        r#"{"name":"registration.open","value":true,"default":true,"type":"boolean","unit":null,"min":null,"max":null}"#
    );
}

#[test]
fn the_default_profiles_are_the_documented_ones() {
    let settings = Settings::default();
    let lifetimes = Dialect::ALL.map(|dialect| {
        let profile = settings.profile(Origin::Dialect(dialect));
        (profile.access_lifetime.as_secs(), profile.refresh.lifetime.as_secs(), profile.refresh.rotate)
    });
    let month = 30 * DAY;
    assert_eq!(
        lifetimes,
        [(DAY, month, false), (DAY, month, false), (DAY, month, false), (30, month, true), (300, DAY, false)]
    );
    assert_eq!(settings.longest_access_lifetime().as_secs(), DAY);
}

#[test]
fn simplejwt_follows_its_rotation_and_blacklist_settings() {
    for (rotate, blacklist, earlier_tokens_stay_valid) in
        [(false, false, false), (false, true, false), (true, false, true), (true, true, false)]
    {
        let stored = stored([
            ("profiles.simplejwt.rotate_refresh_tokens", json!(rotate)),
            ("profiles.simplejwt.blacklist_after_rotation", json!(blacklist)),
        ]);
        let settings = Settings::new(&stored);
        let rules = |dialect| {
            let policy = settings.profile(Origin::Dialect(dialect)).refresh;
            (policy.rotate, policy.earlier_tokens_stay_valid)
        };
        assert_eq!(rules(Dialect::Simplejwt), (rotate, earlier_tokens_stay_valid));
        assert_eq!(rules(Dialect::DrfPyjwt), (true, false), "drf_pyjwt always rotates and invalidates earlier tokens");
    }
}

#[test]
fn setting_values_are_parsed_from_text() {
    let parse = |name: &str, text: &str| find(name).and_then(|definition| definition.parse(text));
    assert_eq!(parse("profiles.drf_pyjwt.access_lifetime", "90"), Ok(Value::from(90)));
    assert_eq!(parse("profiles.drf_pyjwt.access_lifetime", "5m"), Ok(Value::from(300)));
    assert_eq!(parse("sessions.max_age", "none"), Ok(Value::Null));
    assert_eq!(parse("profiles.simplejwt.user_id_claim", "uid"), Ok(Value::from("uid")));
    assert_eq!(parse("registration.open", "false"), Ok(Value::from(false)));
    for (name, text) in [
        ("profiles.drf_pyjwt.access_lifetime", "0"),
        ("profiles.drf_pyjwt.access_lifetime", "-5"),
        ("profiles.drf_pyjwt.access_lifetime", "none"),
        ("profiles.drf_pyjwt.access_lifetime", "91d"),
        ("profiles.simplejwt.algorithm", "HS256"),
        ("registration.open", "yes"),
        ("profiles.simplejwt.user_id_claim", ""),
        ("profiles.simplejwt.user_id_claim", "sub"),
        ("profiles.simplejwt.user_id_claim", "none"),
    ] {
        assert!(matches!(parse(name, text), Err(SettingError::InvalidValue { .. })), "{name} = {text}");
    }
}

#[test]
fn an_unknown_setting_suggests_the_nearest() {
    let Err(error) = find("profiles.simplejwt.acess_lifetime") else { panic!("the name is unknown") };
    let message =
        "unknown setting \"profiles.simplejwt.acess_lifetime\"; did you mean \"profiles.simplejwt.access_lifetime\"?";
    assert_eq!(error.to_string(), message);
}

#[test]
fn an_invalid_stored_value_is_ignored() {
    let stored = stored([("profiles.simplejwt.access_lifetime", json!(0)), ("gone", json!(1))]);
    assert_eq!(Settings::new(&stored).profile(Origin::Dialect(Dialect::Simplejwt)).access_lifetime.as_secs(), 300);
}
