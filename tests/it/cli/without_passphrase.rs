//! Commands in a shell that does not have the passphrase, because only the service gets it from systemd
//! (`LoadCredential`). Commands that sign nothing need no private key.

use std::fs;

use super::names;
use crate::support::PASSWORD;
use crate::support::binary::{Binary, CommandOutput, TestFolder, finish};

const PASSPHRASE: &str = "a passphrase of some length";

/// A folder with encrypted keys, whose settings do not have the passphrase.
fn folder() -> TestFolder {
    let folder = TestFolder::new();
    folder.write("passphrase", PASSPHRASE);
    folder.run(&["keys", "passphrase", "--new-file", "passphrase"]).is(0);
    folder
}

fn with_passphrase(folder: &TestFolder, arguments: &[&str]) -> CommandOutput {
    let mut command = folder.command(arguments);
    command.env("COUNTERSIGN_KEYS__PASSPHRASE_FILE", "passphrase");
    finish(command, "")
}

async fn serve(folder: &TestFolder) -> Binary {
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_KEYS__PASSPHRASE_FILE", "passphrase");
    Binary::start(command).await.ready().await
}

#[tokio::test]
async fn commands_that_sign_nothing_need_no_passphrase() {
    let folder = folder();
    let server = serve(&folder).await;
    let issuer = format!("tokens.issuer={}", server.url);
    let audience = format!("tokens.audience={}", server.url);
    folder.create("anna");
    let token = server.token("anna").await;
    folder.write("users.jsonl", "{\"username\":\"bob\",\"email\":\"bob@example.com\"}\n");
    let kid = folder.kid("ES256", "active");
    for command in [
        &["users", "list"] as &[&str],
        &["users", "show", "anna"],
        &["users", "set-claims", "anna", "{}"],
        &["users", "set", "anna", "--superuser"],
        &["users", "set", "anna", "--no-superuser"],
        &["sessions", "list", "anna"],
        &["sessions", "end", "--user", "anna"],
        &["users", "disable", "anna"],
        &["users", "enable", "anna"],
        &["users", "export"],
        &["users", "import", "users.jsonl"],
        &["users", "delete", "bob", "--yes"],
        &["keys", "list"],
        &["keys", "export", &kid],
        &["keys", "export", &kid, "--format", "jwk"],
        &["keys", "export", &kid, "--format", "certificate"],
        &["keys", "prune"],
        &["settings", "list"],
        &["settings", "set", "registration.open", "true"],
        &["audit"],
        &["token", "inspect", &token],
        &["--set", &issuer, "--set", &audience, "token", "verify", &token],
        &["openapi"],
    ] {
        let output = folder.run(command);
        assert_eq!(output.code, Some(0), "{command:?}: {output:?}");
    }
    folder.run_with(PASSWORD, &["users", "set-password", "anna", "--password-stdin"]).is(0);
    server.token("anna").await;
}

#[tokio::test]
async fn a_backup_and_a_restore_without_the_passphrase_say_that_the_keys_were_not_tested() {
    let folder = folder();
    folder.create("anna");
    let made = folder.run(&["backup", "copy", "--json"]);
    assert_eq!(made.json()["keys_tested"], false);
    assert!(made.stderr.contains("the private keys were copied but not tested"), "{made:?}");
    assert!(names(&made.json()).contains(&"files"));
    let tested = with_passphrase(&folder, &["backup", "tested", "--json"]);
    assert_eq!(tested.json()["keys_tested"], true);
    assert!(!tested.stderr.contains("not tested"), "{tested:?}");

    for copy in ["copy", "tested"] {
        let restored = TestFolder::empty();
        restored.write("passphrase", PASSPHRASE);
        let copy = folder.path(copy);
        for _ in 0..2 {
            let output = restored.run(&["restore", copy.to_str().unwrap()]);
            output.is(0);
            assert!(output.stderr.contains("not tested"), "{output:?}");
        }
        serve(&restored).await.token("anna").await;
    }

    // What can be checked without the passphrase is checked.
    let kid = folder.kid("ES256", "active");
    let pem = folder.path(&format!("keys/{kid}.pem"));
    fs::write(&pem, "nonsense").unwrap();
    folder.run(&["backup", "third"]).fails(1, &[&kid, "the file is not PEM"]);
    assert!(!folder.path("third/manifest.json").exists());
}

#[test]
fn commands_that_need_the_passphrase_say_so() {
    let folder = folder();
    let kid = folder.kid("ES256", "active");
    for command in [
        &["keys", "rotate"] as &[&str],
        &["keys", "revoke", &kid],
        &["token", "mint", "--user", "anna"],
        &["keys", "passphrase", "--remove"],
        &["keys", "renew-secret", "--yes"],
    ] {
        folder.run(command).fails(1, &["keys.passphrase"]);
    }
    assert_eq!(folder.run(&["check"]).code, Some(1), "a start would fail");
    // With a next key, an emergency revocation needs no passphrase.
    with_passphrase(&folder, &["keys", "rotate"]).is(0);
    folder.run(&["keys", "revoke", &kid]).is(0);
    with_passphrase(&folder, &["check"]).is(0);
}

#[test]
fn commands_that_sign_nothing_create_no_keys() {
    let folder = TestFolder::empty();
    folder.create("anna");
    folder.run(&["users", "show", "anna"]).is(0);
    assert!(!folder.path("keys").exists(), "the keys would not be encrypted");
    folder.run(&["keys", "list"]).fails(1, &["there are no keys in keys yet"]);
}
