//! Tests of the sources of secrets: line endings, stray characters, and files that other users can use.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::domain::social::provider_options::KnownProvider;

/// Every secret of the settings, except that of a provider of the operator's own choice, which needs other settings.
const SECRETS: [&str; 7] = [
    "keys.passphrase",
    "email.password",
    "admin.password",
    "metrics.token",
    "social.google.client_secret",
    "social.github.client_secret",
    "social.facebook.client_secret",
];

/// A secret that every setting accepts.
const SECRET: &str = "a1b2c3d4e5f6a7b8c9d0";

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The settings with this secret from the environment, and what else the setting needs.
fn with(variable: &str, value: &str) -> Result<Config, String> {
    let environment = [
        (variable, value),
        ("COUNTERSIGN_EMAIL__HOST", "mail.example.com"),
        ("COUNTERSIGN_EMAIL__USERNAME", "u"),
        ("COUNTERSIGN_ADMIN__USERNAME", "root"),
        ("COUNTERSIGN_ADMIN__EMAIL", "root@example.com"),
        ("COUNTERSIGN_SOCIAL__GOOGLE__CLIENT_ID", "i"),
        ("COUNTERSIGN_SOCIAL__GITHUB__CLIENT_ID", "i"),
        ("COUNTERSIGN_SOCIAL__FACEBOOK__CLIENT_ID", "i"),
        ("COUNTERSIGN_EMAIL__PASSWORD", SECRET),
        ("COUNTERSIGN_ADMIN__PASSWORD", SECRET),
        ("COUNTERSIGN_SOCIAL__GOOGLE__CLIENT_SECRET", SECRET),
        ("COUNTERSIGN_SOCIAL__GITHUB__CLIENT_SECRET", SECRET),
        ("COUNTERSIGN_SOCIAL__FACEBOOK__CLIENT_SECRET", SECRET),
    ];
    // The variable comes first; the others must not replace it or name the same secret again.
    let own = variable.trim_end_matches("_FILE");
    let environment = environment.iter().enumerate().filter(|(at, (name, _))| *at == 0 || *name != own);
    let environment = environment.map(|(_, (name, value))| ((*name).to_owned(), (*value).to_owned()));
    let from = ConfigSources { file: None, environment: environment.collect::<Vec<_>>(), flags: Vec::new() };
    Config::load_beside(Path::new("/nonexistent/countersign.toml"), from).map_err(|error| error.to_string())
}

fn variable(key: &str) -> String {
    source::variable(key)
}

fn value(config: &Config, key: &str) -> String {
    let secret = |provider: &Option<KnownProvider>| provider.as_ref().map(|provider| provider.client_secret.clone());
    let found = match key {
        "keys.passphrase" => config.keys.passphrase.clone(),
        "email.password" => config.email.smtp.as_ref().and_then(|smtp| Some(smtp.login.as_ref()?.password.clone())),
        "metrics.token" => config.metrics.as_ref().and_then(|metrics| metrics.token.clone()),
        "social.google.client_secret" => secret(&config.social.google),
        "social.github.client_secret" => secret(&config.social.github),
        "social.facebook.client_secret" => secret(&config.social.facebook),
        _ => None,
    };
    found.map(|secret| secret.expose().to_owned()).unwrap_or_default()
}

fn warned(config: &Config) -> Vec<&str> {
    config.warnings.iter().map(|finding| finding.setting.as_str()).collect()
}

#[test]
fn one_line_ending_of_a_secret_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    for key in SECRETS {
        for end in ["", "\n", "\r\n"] {
            let text = format!("{SECRET}{end}");
            fs::write(&file, &text).unwrap();
            chmod(&file, 0o600);
            let from_file = with(&format!("{}_FILE", variable(key)), file.to_str().unwrap()).unwrap();
            for config in [with(&variable(key), &text).unwrap(), from_file] {
                assert_eq!(warned(&config), [""; 0], "{key} {end:?}");
                if key != "admin.password" {
                    assert_eq!(value(&config, key), SECRET, "{key} {end:?}");
                }
            }
        }
    }
}

#[test]
fn stray_characters_of_a_secret_are_kept_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    // A token of the metrics has a form of its own, which none of these have.
    for key in SECRETS.into_iter().filter(|key| *key != "metrics.token") {
        for text in ["\u{feff}s3cret", " s3cret", "s3cret ", "s3cret\t", "s3cret\n\n", "s3cret\u{1}", "s3cret\r"] {
            fs::write(&file, text).unwrap();
            chmod(&file, 0o600);
            let from_file = with(&format!("{}_FILE", variable(key)), file.to_str().unwrap()).unwrap();
            for config in [with(&variable(key), text).unwrap(), from_file] {
                assert_eq!(warned(&config), [key], "{text:?}");
                assert!(!format!("{:?}", config.warnings).contains("s3cret"));
                if key != "admin.password" {
                    assert_eq!(value(&config, key), text.strip_suffix('\n').unwrap_or(text), "{key}");
                }
            }
        }
    }
}

#[test]
fn an_empty_or_endless_file_is_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    for (content, problem) in [("", "is empty"), ("\n", "is empty"), ("\r\n", "is empty")] {
        fs::write(&file, content).unwrap();
        let error = with("COUNTERSIGN_KEYS__PASSPHRASE_FILE", file.to_str().unwrap()).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
    let error = with("COUNTERSIGN_KEYS__PASSPHRASE_FILE", "/dev/zero").unwrap_err();
    assert!(error.contains("has more than 65536 bytes"), "{error}");
    let error = with("COUNTERSIGN_KEYS__PASSPHRASE", "\n").unwrap_err();
    assert!(error.contains("must not be empty"), "{error}");
}

#[test]
fn files_with_secrets_that_other_users_can_use_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, SECRET).unwrap();
    for key in SECRETS {
        for (mode, is_wide) in [
            (0o600, false),
            (0o400, false),
            (0o444, true),
            (0o640, true),
            (0o604, true),
            (0o620, true),
            (0o666, true),
            (0o777, true),
        ] {
            chmod(&file, mode);
            let config = with(&format!("{}_FILE", variable(key)), file.to_str().unwrap()).unwrap();
            let expected: &[&str] = if is_wide { &[key] } else { &[] };
            assert_eq!(warned(&config), expected, "{mode:o}");
            let found = deploy::unsafe_for_production(&config);
            assert_eq!(found.iter().filter(|finding| finding.condition.contains("(mode ")).count(), expected.len());
        }
    }
}

#[test]
fn a_settings_file_that_other_users_can_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let load = || {
        let from = ConfigSources { file: Some(file.clone()), environment: Vec::new(), flags: Vec::new() };
        let config = Config::load(from).unwrap();
        config.warnings.into_iter().map(|finding| finding.setting).collect::<Vec<_>>()
    };
    let path = file.display().to_string();
    let tls = "tls.key = '/nonexistent'\ntls.certificate = '/nonexistent'";
    for (text, mode, expected) in [
        ("keys.passphrase = 'x'", 0o600, &[] as &[&str]),
        ("keys.passphrase = 'x'", 0o640, &["keys.passphrase"]),
        (
            "log.level = 'warn'\nkeys.passphrase = 'x'\nmetrics.token = 'a1b2c3d4e5f6a7b8c9d0'",
            0o644,
            &["keys.passphrase"],
        ),
        ("log.level = 'warn'", 0o644, &[]),
        ("log.level = 'warn'", 0o664, &[&path]),
        ("log.level = 'warn'", 0o666, &[&path]),
        (tls, 0o644, &[]),
    ] {
        fs::write(&file, text).unwrap();
        chmod(&file, mode);
        assert_eq!(load(), expected, "{mode:o} {text}");
    }
    let key = folder.path().join("key.pem");
    fs::write(&key, "a private key").unwrap();
    chmod(&key, 0o644);
    fs::write(&file, format!("tls.key = '{0}'\ntls.certificate = '{0}'", key.display())).unwrap();
    chmod(&file, 0o600);
    assert_eq!(load(), ["tls.key"]);
}
