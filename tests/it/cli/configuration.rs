//! `countersign settings` and `countersign check`: runtime settings, boot settings and unsafe settings.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::names;
use crate::support::binary::{TestFolder, finish};

#[test]
fn settings_are_listed_with_type_bounds_and_default() {
    let folder = TestFolder::new();
    let list = folder.run(&["settings", "list", "--json"]).json();
    let rows = list.as_array().unwrap();
    for row in rows {
        assert_eq!(names(row), ["name", "value", "default", "type", "unit", "min", "max"]);
        assert_eq!(row["value"], row["default"], "{row}");
    }
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone();
    for dialect in ["jwt_issuer", "rest_jwt", "rest_social", "drf_pyjwt", "simplejwt"] {
        for name in ["access_lifetime", "refresh_lifetime", "algorithm", "audience", "typ"] {
            row(&format!("profiles.{dialect}.{name}"));
        }
    }
    for name in [
        "profiles.simplejwt.rotate_refresh_tokens",
        "profiles.simplejwt.blacklist_after_rotation",
        "profiles.simplejwt.user_id_claim",
        "sessions.reuse_grace",
        "sessions.max_age",
        "passwords.reset_timeout",
        "registration.open",
        "registration.verify_email",
    ] {
        row(name);
    }
    assert_eq!(
        row("profiles.drf_pyjwt.access_lifetime"),
        json!({
            "name": "profiles.drf_pyjwt.access_lifetime", "value": 30, "default": 30, "type": "duration",
            "unit": "seconds", "min": 1, "max": 7_776_000,
        })
    );
    let table = folder.run(&["settings", "list"]);
    assert_eq!(table.is(0).lines().count(), rows.len() + 1);
}

#[test]
fn a_setting_is_read_and_changed() {
    let folder = TestFolder::new();
    let get = |name: &str| folder.run(&["settings", "get", name]).is(0).to_owned();
    for (name, default, typed, stored) in [
        ("profiles.simplejwt.access_lifetime", "300", "10m", "600"),
        ("profiles.simplejwt.typ", "JWT", "at+jwt", "at+jwt"),
        ("profiles.jwt_issuer.algorithm", "none", "RS256", "RS256"),
        ("sessions.max_age", "none", "1day", "86400"),
        ("registration.open", "true", "false", "false"),
    ] {
        assert_eq!(get(name), format!("{default}\n"));
        let output = folder.run(&["settings", "set", name, typed]);
        assert_eq!((output.is(0), output.stderr.contains(stored)), ("", true), "{output:?}");
        assert_eq!(get(name), format!("{stored}\n"));
    }
    folder.run(&["settings", "set", "sessions.max_age", "none"]).is(0);
    assert_eq!(get("sessions.max_age"), "none\n");
}

#[test]
fn an_unknown_or_out_of_bounds_setting_is_rejected() {
    let folder = TestFolder::new();
    let suggestion = "did you mean \"profiles.simplejwt.access_lifetime\"?";
    let name = "profiles.simplejwt.acess_lifetime";
    folder.run(&["settings", "get", name]).fails(1, &[suggestion]);
    folder.run(&["settings", "set", name, "5"]).fails(1, &[suggestion]);
    folder.run(&["settings", "get", "zzz"]).fails(1, &["unknown setting \"zzz\""]);
    for (name, value, message) in [
        ("profiles.simplejwt.access_lifetime", "0", "must be 1 to 7776000 seconds"),
        ("profiles.simplejwt.access_lifetime", "-1", "not \"-1\""),
        ("profiles.simplejwt.access_lifetime", "soon", "not \"soon\""),
        ("profiles.simplejwt.access_lifetime", "none", "not \"none\""),
        ("profiles.simplejwt.algorithm", "HS256", "ES256 or RS256, or none"),
        ("registration.open", "maybe", "true or false"),
        ("profiles.simplejwt.user_id_claim", "sub", "that is not reserved"),
    ] {
        folder.run(&["settings", "set", name, value]).fails(1, &[name, message]);
    }
    let list = folder.run(&["settings", "list", "--json"]).json();
    assert!(list.as_array().unwrap().iter().all(|row| row["value"] == row["default"]));
}

#[test]
fn all_boot_setting_errors_are_reported_at_once() {
    let folder = TestFolder::new();
    folder
        .configure("server = { lisen = '127.0.0.1:1' }\ntokens = { algorithm = 'HS256' }\nkeys = { rsa_bits = 1000 }");
    for command in [&["check"] as &[&str], &["keys", "list"], &["serve"]] {
        folder.run(command).fails(
            1,
            &["server.lisen", "server.listen", "countersign.toml:1", "tokens.algorithm = \"HS256\"", "keys.rsa_bits"],
        );
    }
    let folder = TestFolder::new();
    let mut command = folder.command(&["check"]);
    command.env("COUNTERSIGN_SERVER__LISTN", "127.0.0.1:1").env("COUNTERSIGN_PORT", "tcp://10.0.0.1:80");
    finish(command, "").fails(1, &["unknown setting \"COUNTERSIGN_SERVER__LISTN\"", "COUNTERSIGN_SERVER__LISTEN"]);
    folder.run(&["--config", "nowhere.toml", "check"]).fails(1, &["nowhere.toml", "--config"]);
    folder.run(&["--set", "server.lisen=1", "check"]).fails(1, &["server.lisen", "command line"]);
    folder.write("countersign.toml", "server = {");
    folder.run(&["check"]).fails(1, &["countersign.toml:1", "invalid TOML"]);
}

#[test]
fn check_prints_effective_settings_and_sources_without_secrets() {
    let folder = TestFolder::new();
    folder.configure(
        "email = { host = 'mail.example.com', username = 'u', password = 'open sesame' }\nlog.level = 'warn'",
    );
    let mut command = folder.command(&["--set", "tokens.leeway=7s", "check"]);
    command.env("COUNTERSIGN_LOG__LEVEL", "debug");
    let output = finish(command, "");
    let shown = output.is(0);
    for line in [
        "level = \"debug\"  # COUNTERSIGN_LOG__LEVEL",
        "leeway = \"7s\"  # command line",
        "host = \"mail.example.com\"  # countersign.toml:1",
        "listen = \"127.0.0.1:8080\"  # default",
    ] {
        assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
    }
    assert!(!shown.contains("sesame") && !output.stderr.contains("sesame"), "{output:?}");
    assert!(
        output.stderr.contains("every private key can be read, signs and verifies. Keys: 2.")
            && output.stderr.contains("The settings are valid."),
        "{output:?}"
    );
}

#[test]
fn check_creates_no_files() {
    let folder = TestFolder::empty();
    let output = folder.run(&["check"]);
    output.is(0);
    assert!(output.stderr.contains("There are no keys yet"), "{output:?}");
    assert!(!folder.path("keys").exists() && !folder.path("data").exists());
}

#[test]
fn check_deploy_lists_unsafe_settings() {
    let folder = TestFolder::new();
    let output = folder.run(&["check", "--deploy"]);
    output.is(0);
    for setting in [
        "server.public_url",
        "tokens.issuer",
        "keys.passphrase",
        "passwords.memory_kib",
        "passwords.reject_common",
        "email.host",
        "registration.open",
        "registration.verify_email",
        "admin.username",
    ] {
        assert!(output.stderr.contains(&format!("warning: {setting}: ")), "{setting} is missing in {output:?}");
    }
    assert!(output.stderr.contains("The settings are valid. Unsafe in production: 9."), "{output:?}");
    assert_eq!(output.stderr.matches("hint: ").count(), 9);
    assert_eq!(folder.run(&["check", "--deploy", "--strict"]).code, Some(1));

    let folder = TestFolder::empty();
    folder.write(
        "countersign.toml",
        "server.public_url = 'https://id.example.com'\nserver.trusted_proxies = ['127.0.0.1']\nkeys.passphrase = 'x'\n\
         passwords.reject_common = true\n\
         email.host = 'mail.example.com'\nemail.from = 'id@example.com'\n",
    );
    folder.run(&["keys", "rotate"]).is(0);
    assert_eq!(findings(&folder)[0], "keys.passphrase", "other users can read the file");
    fs::set_permissions(folder.path("countersign.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    let defaults = ["registration.open", "registration.verify_email", "admin.username"];
    assert_eq!(findings(&folder), defaults, "no database yet");
    folder.run(&["settings", "set", "registration.open", "false"]).is(0);
    assert_eq!(findings(&folder), ["admin.username"]);
    folder.create("anna");
    assert_eq!(findings(&folder), ["admin.username"], "not a superuser");
    let root = ["users", "create", "root", "--email", "root@example.com", "--superuser", "--password-stdin"];
    folder.run_with("a password of the superuser", &root).is(0);
    assert_eq!(findings(&folder), [""; 0]);
    folder.run(&["settings", "set", "registration.open", "true"]).is(0);
    assert_eq!(findings(&folder), ["registration.open", "registration.verify_email"]);
    folder.run(&["settings", "set", "registration.verify_email", "require"]).is(0);
    assert_eq!(findings(&folder), ["registration.open"]);
    folder.run(&["settings", "set", "registration.open", "false"]).is(0);
    folder.run(&["users", "disable", "root"]).is(0);
    assert_eq!(findings(&folder), ["admin.username"], "a disabled superuser cannot sign in");
    folder.run(&["users", "enable", "root"]).is(0);
    folder.configure("keys.rotate_every = 'never'");
    assert_eq!(findings(&folder), ["keys.rotate_every"]);
}

/// The settings that `check --deploy` finds unsafe. Asserts that `--strict` fails exactly if there are any, with and
/// without `--deploy`, and that the check changes nothing.
#[track_caller]
fn findings(folder: &TestFolder) -> Vec<String> {
    let had_database = folder.path("data").exists();
    let output = folder.run(&["check", "--deploy"]);
    output.is(0);
    let named = output.stderr.lines().filter_map(|line| line.strip_prefix("countersign: warning: "));
    let found: Vec<String> = named.filter_map(|line| Some(line.split_once(": ")?.0.to_owned())).collect();
    for strict in [&["check", "--strict"] as &[&str], &["check", "--deploy", "--strict"]] {
        let strict = folder.run(strict);
        assert_eq!((strict.code, strict.stderr), (Some(i32::from(!found.is_empty())), output.stderr.clone()));
    }
    assert_eq!(folder.path("data").exists(), had_database);
    found
}

#[test]
fn a_server_that_could_not_serve_or_rotate_does_not_start() {
    for (setting, words) in [
        ("dialects.enabled = []", &["dialects.enabled = []", "name at least one dialect"] as &[&str]),
        ("keys.rotate_every = '1h'", &["keys.rotate_every = \"1h\"", "keys.publish_ahead = \"24h\" (default)"]),
        ("keys.publish_ahead = '91d'", &["keys.rotate_every = \"90d\" (default)", "keys.publish_ahead = \"91d\""]),
    ] {
        let folder = TestFolder::empty();
        folder.configure(setting);
        for command in [&["check"] as &[&str], &["serve", "--listen", "127.0.0.1:0"]] {
            folder.run(command).fails(1, words);
        }
        assert!(!folder.path("keys").exists());
    }
    let folder = TestFolder::empty();
    let mut command = folder.command(&["check"]);
    command.env("COUNTERSIGN_DIALECTS__ENABLED", " , ");
    finish(command, "").fails(1, &["COUNTERSIGN_DIALECTS__ENABLED"]);
}

#[test]
fn check_shows_the_next_rotation() {
    let folder = TestFolder::new();
    let shown = |arguments: &[&str]| {
        let output = folder.run(arguments);
        output.is(0);
        output.stderr
    };
    let default = shown(&["check"]);
    for alg in ["ES256", "RS256"] {
        assert!(default.contains(&format!("Next rotation of {alg}: the server creates the next key at ")), "{default}");
    }
    let never = shown(&["--set", "keys.rotate_every=never", "check"]);
    assert!(never.contains("No rotation of ES256 is planned, because keys.rotate_every is \"never\"."), "{never}");
    folder.run(&["keys", "rotate", "--alg", "ES256"]).is(0);
    for arguments in [&["check"] as &[&str], &["--set", "keys.rotate_every=never", "check"]] {
        let waiting = shown(arguments);
        assert!(waiting.contains("Next rotation of ES256: the next key is published and signs from "), "{waiting}");
    }
    let short = ["--set", "keys.publish_ahead=10s", "--set", "keys.jwks_max_age=10s", "check"];
    assert_eq!(folder.run(&short).code, Some(0));
}

#[tokio::test]
async fn tables_go_to_stdout_and_messages_to_stderr() {
    let folder = TestFolder::new();
    drop(folder.serve().await);
    folder.create("anna");
    for (command, message) in [
        (&["settings", "list"] as &[&str], ""),
        (&["keys", "list"], ""),
        (&["users", "list"], "1 user.\n"),
        (&["audit"], ""),
    ] {
        let output = folder.run(command);
        assert!(output.is(0).ends_with('\n') && output.stderr == message, "{output:?}");
        if command[0] != "audit" || command.len() > 1 {
            let json = folder.run(&[command, &["--json"]].concat());
            assert!(matches!(json.json(), Value::Array(_)) && json.stderr.is_empty(), "{json:?}");
        }
    }
}

#[tokio::test]
async fn a_data_folder_may_have_any_name() {
    for name in ["what?", "a b", "%20#", "./x//y", "é"] {
        let folder = TestFolder::new();
        folder.configure(&format!("data_dir = '{name}'"));
        folder.create("anna");
        folder.serve().await.token("anna").await;
        folder.run(&["backup", "copy"]).is(0);
        assert!(folder.path(name).join("countersign.db").exists(), "{name}");
    }
    let folder = TestFolder::new();
    folder.configure(&format!("data_dir = '/{}'", folder.path("slashes").display()));
    folder.create("anna");
    assert!(folder.path("slashes/countersign.db").exists(), "a path that begins with two slashes");
}

#[test]
fn an_endless_input_is_no_password() {
    let folder = TestFolder::new();
    let create = ["users", "create", "anna", "--email", "anna@example.com", "--password-stdin"];
    folder.run_with(&"a".repeat(70_000), &create).fails(1, &["it has more than 65536 bytes"]);
    assert!(!folder.path("data").exists());
    folder.run(&["keys", "passphrase", "--new-file", "/dev/zero"]).fails(1, &["it has more than 65536 bytes"]);
    folder.run(&["keys", "import", "/dev/zero"]).fails(1, &["cannot import /dev/zero", "it has more than 65536 bytes"]);
    assert_eq!(folder.run(&["check"]).code, Some(0));
}
