//! Tests of the settings: bounds, profiles, and parsing of typed values.

use super::*;

#[test]
fn defaults_are_within_bounds_and_names_are_unique() {
    let all = definitions();
    for row in &all {
        assert!(row.is_valid(&row.default), "{}", row.name);
    }
    let names: std::collections::BTreeSet<_> = all.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), all.len());
}

#[test]
fn the_default_profiles_are_the_documented_ones() {
    let settings = Settings::default();
    let lifetimes = Dialect::ALL.map(|dialect| {
        let profile = settings.profile(dialect);
        assert_eq!(profile.dialect, dialect);
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
    for (rotate, blacklist, earlier_stay_valid) in
        [(false, false, false), (false, true, false), (true, false, true), (true, true, false)]
    {
        let stored = [
            ("profiles.simplejwt.rotate_refresh_tokens".to_owned(), Value::from(rotate)),
            ("profiles.simplejwt.blacklist_after_rotation".to_owned(), Value::from(blacklist)),
        ];
        let settings = Settings::new(&stored);
        let rules = |dialect| {
            let policy = settings.profile(dialect).refresh;
            (policy.rotate, policy.earlier_stay_valid)
        };
        assert_eq!(rules(Dialect::Simplejwt), (rotate, earlier_stay_valid));
        assert_eq!(rules(Dialect::DrfPyjwt), (true, false), "drf_pyjwt always rotates and invalidates earlier tokens");
    }
}

#[test]
fn setting_values_are_parsed_from_text() {
    let parse = |name: &str, text: &str| Definition::find(name).and_then(|row| row.parse(text));
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
    let Err(error) = Definition::find("profiles.simplejwt.acess_lifetime") else { panic!("the name is unknown") };
    let message =
        "unknown setting \"profiles.simplejwt.acess_lifetime\"; did you mean \"profiles.simplejwt.access_lifetime\"?";
    assert_eq!(error.to_string(), message);
}

#[test]
fn an_invalid_stored_value_is_ignored() {
    let stored =
        [("profiles.simplejwt.access_lifetime".to_owned(), Value::from(0)), ("gone".to_owned(), Value::from(1))];
    assert_eq!(Settings::new(&stored).profile(Dialect::Simplejwt).access_lifetime.as_secs(), 300);
}
