//! The command line as operators and scripts use it: data on stdout, messages on stderr, exit codes 0 (success), 1
//! (failure) and 2 (usage error).
#![expect(clippy::unwrap_used, reason = "tests")]

mod common_passwords;
mod configuration;
mod data_folder;
mod import;
mod key_folder;
mod keys;
mod owners;
mod passphrase;
mod renew_secret;
mod sessions;
mod tokens;
mod users;
mod without_passphrase;

use serde_json::Value;

use crate::support::binary::TestFolder;

/// The member names of an object, in order.
fn names(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn usage_errors_exit_with_2_and_help_with_0() {
    let folder = TestFolder::new();
    for invalid in [
        &["nonsense"] as &[&str],
        &["serve", "--nonsense"],
        &["keys", "lst"],
        &["keys", "rotate", "--alg", "HS256"],
        &["keys", "rotate", "--alg", "es256"],
        &["keys", "export"],
        &["keys", "export", "abcd", "--format", "der"],
        &["keys", "passphrase"],
        &["keys", "passphrase", "--remove", "--new-file", "x"],
        &["users", "create", "anna"],
        &["users", "show"],
        &["token", "mint"],
        &["token", "mint", "--user", "anna", "--profile", "nonsense"],
        &["audit", "--limit", "0"],
        &["settings", "set", "registration.open"],
        &["--set", "nonsense", "check"],
    ] {
        folder.run(invalid).fails(2, &["error:"]);
    }
    for incomplete in [&[] as &[&str], &["keys"], &["users"]] {
        folder.run(incomplete).fails(2, &["Usage: countersign"]);
    }
    for arguments in [&["--help"] as &[&str], &["keys", "--help"], &["help", "users", "create"]] {
        let output = folder.run(arguments);
        assert!(output.is(0).contains("Usage: countersign") && output.stderr.is_empty(), "{output:?}");
    }
    assert_eq!(folder.run(&["--version"]).is(0), format!("countersign {}\n", env!("CARGO_PKG_VERSION")));
    assert!(folder.run(&["keys", "rotate", "--alg", "HS256"]).stderr.contains("use ES256, RS256 or all"));
}
