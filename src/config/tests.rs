//! Tests of the precedence of sources, the error messages and the example file.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::domain::secret::SecretText;

/// A folder with a settings file, in place of the working directory.
fn folder(toml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(DEFAULT_FILE), toml).unwrap();
    folder
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(folder: &TempDir, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let from = ConfigSources { file: None, environment: pairs(environment), flags: pairs(flags) };
    let error = |e: ConfigError| e.to_string().replace(&format!("{}/", folder.path().display()), "");
    Config::load_beside(&folder.path().join(DEFAULT_FILE), from).map_err(error)
}

fn from_environment(environment: &[(&str, &str)]) -> Result<Config, String> {
    load(&tempfile::tempdir().unwrap(), environment, &[])
}

#[test]
fn an_empty_configuration_is_valid() {
    let config = from_environment(&[("PATH", "/bin"), ("COUNTERSIGNED", "x")]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.data_dir.to_str(), config.keys_dir.to_str()), (Some("data"), Some("keys")));
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("data/countersign.db".into()));
    assert_eq!(config.dialects.enabled.len(), 5);
    assert!(config.settings.iter().all(|setting| setting.source == SettingSource::Default));
}

#[test]
fn each_layer_overrides_the_previous_one() {
    let folder = folder("[log]\nlevel = 'warn'\nformat = 'json'\n[email]\nport = 25");
    let environment = [("COUNTERSIGN_LOG__LEVEL", "debug"), ("COUNTERSIGN_EMAIL__PORT", "26")];
    let config = load(&folder, &environment, &[("log.level", "error")]).unwrap();
    assert_eq!((config.log.level.as_str(), config.log.format), ("error", LogFormat::Json));
    let source = |key| config.settings.iter().find(|setting| setting.key == key).unwrap().source.to_string();
    assert_eq!(source("log.level"), "command line");
    assert_eq!(source("email.port"), "COUNTERSIGN_EMAIL__PORT");
    assert!(source("log.format").ends_with("countersign.toml:3"));
    assert_eq!(source("email.host"), "default");
}

#[test]
fn environment_values_are_converted_to_the_setting_type() {
    let config = from_environment(&[
        ("COUNTERSIGN_DATA_DIR", "/srv/data"),
        ("COUNTERSIGN_EMAIL__PORT", "465"),
        ("COUNTERSIGN_THROTTLE__ENABLED", "false"),
        ("COUNTERSIGN_DIALECTS__ENABLED", "simplejwt, jwt_issuer"),
        ("COUNTERSIGN_CORS__ALLOWED_ORIGINS", ""),
        ("COUNTERSIGN_KEYS__ROTATE_EVERY", "90d"),
        ("COUNTERSIGN_KEYS__PASSPHRASE", "12345"),
        ("COUNTERSIGN_TEMPLATES_DIR", ""),
        ("COUNTERSIGN_SOCIAL__OIDC__CORP__ISSUER", "https://e.com"),
        ("COUNTERSIGN_SOCIAL__OIDC__CORP__CLIENT_ID", "id"),
    ])
    .unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/srv/data"));
    assert!(!config.throttle.enabled && config.dialects.enabled.len() == 2 && config.cors.allowed_origins.is_empty());
    assert_eq!(config.keys.rotate_every.map(|span| span.as_secs()), Some(90 * 86_400));
    assert_eq!(config.keys.passphrase.as_ref().map(SecretText::expose), Some("12345"));
    assert_eq!((config.templates_dir, config.social.oidc["corp"].client_id.as_str()), (None, "id"));
}

#[test]
fn a_secret_may_be_in_a_file() {
    let folder = folder("[keys]\npassphrase = 'from the settings file'");
    let file = folder.path().join("secret");
    fs::write(&file, " two words \r\n").unwrap();
    let variable = ("COUNTERSIGN_KEYS__PASSPHRASE_FILE", file.to_str().unwrap());
    let secret = |config: Config| config.keys.passphrase.unwrap().expose().to_owned();

    assert_eq!(load(&folder, &[variable], &[]).map(secret), Ok(" two words ".to_owned()));
    assert_eq!(load(&folder, &[variable], &[("keys.passphrase", "typed")]).map(secret), Ok("typed".to_owned()));
    assert_eq!(
        load(&folder, &[variable, ("COUNTERSIGN_KEYS__PASSPHRASE", "hunter2")], &[]).map(secret),
        Err("configuration error: COUNTERSIGN_KEYS__PASSPHRASE_FILE: keys.passphrase: COUNTERSIGN_KEYS__PASSPHRASE and \
             COUNTERSIGN_KEYS__PASSPHRASE_FILE are both set; remove one of them"
            .to_owned())
    );
    fs::write(&file, "\n").unwrap();
    assert!(load(&folder, &[variable], &[]).unwrap_err().contains("is empty; write the secret into it"));
    let empty = load(&folder, &[("COUNTERSIGN_KEYS__PASSPHRASE", "")], &[]).unwrap_err();
    assert!(empty.contains("COUNTERSIGN_KEYS__PASSPHRASE: keys.passphrase: must not be empty"), "{empty}");
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(load(&folder, &[variable], &[]).unwrap_err().contains("is not UTF-8 text"));
    fs::remove_file(&file).unwrap();
    let error = load(&folder, &[variable], &[]).unwrap_err();
    assert!(
        error.contains("COUNTERSIGN_KEYS__PASSPHRASE_FILE: keys.passphrase: cannot read \"")
            && error.contains("No such file"),
        "{error}"
    );
}

#[test]
fn only_secrets_accept_a_file_variable() {
    let folder = folder("");
    fs::write(folder.path().join("ca"), "not a path").unwrap();
    let ca = ("COUNTERSIGN_EMAIL__CA_FILE", "ca.pem");
    let config = load(&folder, &[ca, ("COUNTERSIGN_EMAIL__HOST", "h")], &[]).unwrap();
    assert_eq!(config.email.smtp.unwrap().ca_file, Some("ca.pem".into()));
    let error = from_environment(&[("COUNTERSIGN_TLS__KEY_FILE", "k.pem")]).unwrap_err();
    let expected = r#"unknown setting "COUNTERSIGN_TLS__KEY_FILE"; did you mean "COUNTERSIGN_TLS__KEY"?"#;
    assert!(error.contains(expected), "{error}");
    let error = Config::from_toml("keys.passphrase_file = 'x'").unwrap_err().to_string();
    assert!(error.contains("did you mean \"keys.passphrase\"?"), "{error}");
    let keys: Vec<String> = Config::default().settings.into_iter().map(|setting| setting.key).collect();
    assert!(
        !keys.iter().any(|key| keys.contains(&format!("{key}_file"))),
        "a key is read as the file variable of another key"
    );
}

#[test]
fn a_named_settings_file_must_exist_and_the_default_may_be_missing() {
    let file = Some(PathBuf::from("/nowhere/c.toml"));
    let error = Config::load(ConfigSources { file, environment: None, flags: vec![] }).unwrap_err().to_string();
    assert!(error.starts_with("configuration error: /nowhere/c.toml: cannot be read: No such file"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    assert!(load(&folder, &[], &[]).is_ok());
    fs::create_dir(folder.path().join(DEFAULT_FILE)).unwrap();
    assert!(load(&folder, &[], &[]).unwrap_err().contains("countersign.toml: cannot be read"));
}

#[test]
fn all_errors_are_reported_at_once() {
    let folder = folder("keys_dirr = 'k'\n[server]\nlisten = 'localhost'\n[email]\nport = 'x'\n");
    assert_eq!(
        load(&folder, &[("COUNTERSIGN_TOKENS__LEEWAY", "5")], &[("log.format", "xml")]).unwrap_err(),
        r#"5 configuration errors:
  countersign.toml:3: server.listen = "localhost": not an IP address and port; use "127.0.0.1:8080", or "0.0.0.0:8080" for every IPv4 address
  COUNTERSIGN_TOKENS__LEEWAY: tokens.leeway = "5": a duration needs a unit; write "5s" for seconds (other units: m, h, d)
  countersign.toml:5: email.port = "x": must be a whole number from 1 to 65535
  command line: log.format = "xml": must be "text" or "json"
  countersign.toml:1: unknown setting "keys_dirr"; did you mean "keys_dir"?"#
    );
}

#[test]
fn unknown_keys_are_rejected_at_any_depth_and_source() {
    for (toml, line, key, nearest) in [
        ("sever.listen = 1", 1, "sever.listen", "server.listen"),
        ("[social.google]\nclientid = 'x'", 2, "social.google.clientid", "social.google.client_id"),
        ("\"server.listen\" = 'x'", 1, "\"server.listen\"", "server.listen"),
        ("Server.listen = 'x'", 1, "Server.listen", "server.listen"),
    ] {
        let error = Config::from_toml(toml).unwrap_err().to_string();
        let expected = format!("test.toml:{line}: unknown setting {key:?}; did you mean {nearest:?}?");
        assert_eq!(error, format!("configuration error: {expected}"), "{toml}");
    }
    let error = from_environment(&[("COUNTERSIGN_SERVER_LISTEN", "x")]).unwrap_err();
    let expected =
        r#"environment: unknown setting "COUNTERSIGN_SERVER_LISTEN"; did you mean "COUNTERSIGN_SERVER__LISTEN"?"#;
    assert!(error.contains(expected), "{error}");
    let error = Config::from_toml("server = 'x'").unwrap_err().to_string();
    assert!(error.contains("test.toml:1: \"server\" is a section"), "{error}");
}

#[test]
fn variables_of_services_and_images_are_ignored() {
    for service in ["", "METRICS_", "ID_EXAMPLE_ORG_", "A1_", "SERVER_", "X__Y_", "SERVICE_HOST_", "PORT_80_TCP_"] {
        for (ending, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_HOST", "fd00::1"),
            ("SERVICE_PORT", "80"),
            ("SERVICE_PORT_HTTP", "80"),
            ("SERVICE_PORT_HTTP_METRICS_2", "80"),
            ("PORT", "tcp://10.0.0.1:80"),
            ("PORT", "udp://[fd00::1]:53"),
            ("PORT", "sctp://10.0.0.1:80"),
            ("PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("PORT_80_TCP_PROTO", "tcp"),
            ("PORT_80_TCP_PORT", "80"),
            ("PORT_80_TCP_ADDR", "10.0.0.1"),
            ("PORT_53_UDP_ADDR", "10.0.0.1"),
            ("PORT_36412_SCTP", "sctp://10.0.0.1:36412"),
        ] {
            let name = format!("COUNTERSIGN_{service}{ending}");
            assert!(from_environment(&[(&name, value)]).is_ok(), "{name}={value}");
        }
    }
    for name in ["COUNTERSIGN_BIN", "COUNTERSIGN_VERSION"] {
        assert!(from_environment(&[(name, "1.2.3")]).is_ok(), "{name}");
    }
    // Mistyped settings are errors as before.
    for (name, value) in [
        ("COUNTERSIGN_PORT", "8080"),
        ("COUNTERSIGN_METRICS_PORT", "9090"),
        ("COUNTERSIGN_SERVER_LISTEN", "10.0.0.1:80"),
        ("COUNTERSIGN_SERVICE", "10.0.0.1"),
        ("COUNTERSIGN_SERVICE_HOSTS", "10.0.0.1"),
        ("COUNTERSIGN_PORT_HTTP", "80"),
        ("COUNTERSIGN_PORT_80_HTTP", "80"),
        ("COUNTERSIGN_PORT_80_TCP_HOST", "10.0.0.1"),
        ("COUNTERSIGN_VERSIONS", "1"),
        ("COUNTERSIGN_SOCIAL__OIDC__A_SERVICE_PORT_X__ISSUE", "https://example.com"),
    ] {
        assert!(from_environment(&[(name, value)]).unwrap_err().contains("unknown setting"), "{name}={value}");
    }
    // The name of a service cannot end with a hyphen, so this is a setting.
    let error = from_environment(&[("COUNTERSIGN_EMAIL__PORT", "tcp://10.0.0.1:25")]).unwrap_err();
    assert!(error.contains("email.port"), "{error}");
}

#[test]
fn errors_contain_no_secrets() {
    for toml in [
        "keys.passphrase = 'hunter2\nx = 1",
        "keys.passphrase = hunter2",
        "keys.passphrase = ['hunter2']",
        "keys.pasphrase = 'hunter2'",
        "email.password = 'hunter2'",
        "social.google.client_secret = 'hunter2'",
        "server.public_url = 'https://me:hunter2@id.example.com'",
        "social.google.token_url = 'https://me:hunter2@id.example.com'",
        "[keys]\npassphrase = 'hunter2'\npassphrase = 'hunter2'",
    ] {
        let error = Config::from_toml(toml).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    assert!(
        Config::from_toml("keys.passphrase = 271828")
            .unwrap_err()
            .to_string()
            .ends_with("test.toml:1: keys.passphrase: must be a string in quotes")
    );
    let config = Config::from_toml("keys.passphrase = 'hunter2'").unwrap();
    assert!(!format!("{config:?} {}", config.in_force()).contains("hunter2"));
}

#[test]
fn a_toml_syntax_error_names_its_line() {
    let error = Config::from_toml("[server]\nlisten = \n").unwrap_err().to_string();
    assert!(error.starts_with("configuration error: test.toml:2: invalid TOML: "), "{error}");
}

#[test]
fn effective_settings_name_their_source() {
    let folder = folder("[server]\nmax_body = 2048\n[keys]\npassphrase = 'hunter2'");
    let shown = load(&folder, &[("COUNTERSIGN_CORS__ALLOWED_ORIGINS", "https://a.example")], &[]).unwrap().in_force();
    let path = folder.path().join(DEFAULT_FILE);
    for line in [
        "data_dir = \"data\"  # default",
        "# templates_dir is not set",
        "\n[server]\n",
        &format!("max_body = 2048  # {}:2", path.display()),
        &format!("passphrase = \"…\"  # {}:4", path.display()),
        "allowed_origins = [\"https://a.example\"]  # COUNTERSIGN_CORS__ALLOWED_ORIGINS",
        "leeway = \"5s\"  # default",
    ] {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
    let again = Config::from_toml(&shown).unwrap();
    assert_eq!(
        values(&again),
        values(&load(&folder, &[("COUNTERSIGN_CORS__ALLOWED_ORIGINS", "https://a.example")], &[]).unwrap())
    );
}

fn values(config: &Config) -> Vec<(String, Option<String>)> {
    config.settings.iter().map(|setting| (setting.key.clone(), setting.value.clone())).collect()
}

#[test]
fn an_assigned_port_replaces_only_default_urls() {
    let free = |toml| Config::from_toml(toml).unwrap().listening_on("127.0.0.1:4711".parse().unwrap());
    let followed = free("server.listen = '127.0.0.1:0'");
    assert_eq!(followed.server.public_url.as_str(), "http://127.0.0.1:4711");
    assert_eq!(
        (followed.tokens.issuer.as_str(), followed.tokens.audience.as_str()),
        ("http://127.0.0.1:4711", "http://127.0.0.1:4711")
    );
    let explicit = free("server.public_url = 'https://id.example.com'\ntokens.audience = 'shop'");
    assert_eq!(
        (explicit.server.public_url.as_str(), explicit.tokens.issuer.as_str()),
        ("https://id.example.com", "https://id.example.com")
    );
    assert_eq!(
        (free("tokens.audience = 'shop'").tokens.audience.as_str(), explicit.server.listen.port()),
        ("shop", 4711)
    );
}

/// The example file with its settings uncommented: the lines `#key = …` without a space after the `#`.
fn example() -> String {
    let uncommented = include_str!("../../countersign.example.toml").lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => setting,
        _ => line,
    });
    uncommented.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_shows_every_setting_with_its_default() {
    assert_eq!(
        values(&Config::from_toml(include_str!("../../countersign.example.toml")).unwrap()),
        values(&Config::default())
    );
    // An empty passphrase is an error, so that an operator cannot use the line unchanged.
    let refused = Config::from_toml(&example()).unwrap_err().to_string();
    assert!(refused.contains("keys.passphrase") && refused.lines().count() == 1, "{refused}");
    let mut shown = Config::from_toml(&example().replace("passphrase = \"\"", "passphrase = \"x\"")).unwrap();
    let passphrase = shown.settings.iter_mut().find(|setting| setting.key == "keys.passphrase").unwrap();
    passphrase.value = None;
    let found: Vec<_> = values(&shown).into_iter().filter(|(key, _)| !key.starts_with("social.oidc.")).collect();
    assert_eq!(found, values(&Config::default()));
    assert!(shown.social.oidc.is_empty(), "the example's provider is not configured");
    for setting in &shown.settings {
        assert!(matches!(setting.source, SettingSource::File { .. }), "{} is missing from the example", setting.key);
    }
}
