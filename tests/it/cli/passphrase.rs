//! `countersign keys passphrase`, and encrypted key folders.

use std::fs;

use serde_json::json;

use crate::support::PASSWORD;
use crate::support::binary::{TestFolder, openssl};

const SECRET: &str = "a passphrase of some length";

fn files(folder: &TestFolder) -> Vec<String> {
    let kids = folder.keys().into_iter().map(|key| key["kid"].as_str().unwrap().to_owned());
    kids.map(|kid| fs::read_to_string(folder.path(&format!("keys/{kid}.pem"))).unwrap()).collect()
}

fn secret(folder: &TestFolder) -> Vec<u8> {
    fs::read(folder.path("keys/secret")).unwrap()
}

#[test]
fn keys_are_encrypted_changed_and_decrypted() {
    let folder = TestFolder::new();
    folder.write("new", &format!("{SECRET}\n"));
    let plain = folder.keys();
    let output = folder.run(&["keys", "passphrase", "--new-file", "new"]);
    assert_eq!(output.is(0), "");
    assert!(
        output.stderr.contains("with the new passphrase: 2.") && output.stderr.contains("hint: set keys.passphrase"),
        "{output:?}"
    );
    for command in [&["keys", "rotate"] as &[&str], &["serve", "--listen", "127.0.0.1:0"]] {
        folder.run(command).fails(1, &["keys.passphrase"]);
    }

    folder.configure(&format!("keys.passphrase = '{SECRET}'"));
    assert_eq!(folder.keys(), plain);
    assert!(files(&folder).iter().all(|file| file.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")));
    assert!(secret(&folder).starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let again = folder.run(&["keys", "passphrase", "--new-file", "new"]);
    again.is(0);
    assert!(again.stderr.contains("with the new passphrase: 0."), "{again:?}");

    let output = folder.run(&["keys", "passphrase", "--remove"]);
    output.is(0);
    assert!(output.stderr.contains("Private keys now stored unencrypted: 2."), "{output:?}");
    let checked = folder.run(&["check"]);
    checked.is(0);
    assert!(checked.stderr.contains("is not encrypted although `keys.passphrase` is set"), "{checked:?}");
    assert!(checked.stderr.contains("keys/secret is not encrypted"), "{checked:?}");
    assert_eq!(secret(&folder).len(), 32);
    assert!(files(&folder).iter().all(|file| file.starts_with("-----BEGIN PRIVATE KEY-----")));
}

#[test]
fn a_wrong_passphrase_changes_nothing() {
    let folder = TestFolder::new();
    folder.write("new", SECRET);
    folder.run(&["keys", "passphrase", "--new-file", "new"]).is(0);
    folder.configure("keys.passphrase = 'open sesame'");
    folder.write("other", "open sesame too");
    let before = fs::read(folder.path("keys/ring.json")).unwrap();
    for command in [
        &["keys", "rotate", "--now"] as &[&str],
        &["keys", "passphrase", "--new-file", "other"],
        &["keys", "passphrase", "--remove"],
        &["check"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        let output = folder.run(command);
        assert_eq!(output.code, Some(1), "{command:?}: {output:?}");
        assert!(output.stderr.contains("keys.passphrase"), "{command:?}: {output:?}");
        assert!(!output.stderr.contains("sesame") && !output.stderr.contains(SECRET), "{command:?}: {output:?}");
    }
    assert_eq!(fs::read(folder.path("keys/ring.json")).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path("keys")).unwrap().count(), 5, "two keys, ring, secret and lock");
}

#[test]
fn the_passphrase_is_read_from_a_file_or_the_environment() {
    let folder = TestFolder::empty();
    folder.write("secret", &format!("{SECRET}\n"));
    let run = |name: &str, value: &str, arguments: &[&str]| {
        let mut command = folder.command(arguments);
        command.env(name, value);
        crate::support::binary::finish(command, "")
    };
    run("COUNTERSIGN_KEYS__PASSPHRASE_FILE", "secret", &["keys", "rotate"]).is(0);
    run("COUNTERSIGN_KEYS__PASSPHRASE", SECRET, &["check"]).is(0);
    for (name, value) in [("COUNTERSIGN_KEYS__PASSPHRASE", "wrong"), ("UNRELATED", "")] {
        let checked = run(name, value, &["check"]);
        assert!(checked.code == Some(1) && checked.stderr.contains("keys.passphrase"), "{checked:?}");
    }
    let missing = run("COUNTERSIGN_KEYS__PASSPHRASE_FILE", "nowhere", &["keys", "list"]);
    missing.fails(1, &["COUNTERSIGN_KEYS__PASSPHRASE_FILE"]);
}

#[test]
fn encrypted_keys_are_opened_by_openssl() {
    let folder = TestFolder::new();
    folder.write("new", SECRET);
    let kids = [folder.kid("ES256", "active"), folder.kid("RS256", "active")];
    let public_keys = kids.clone().map(|kid| folder.run(&["keys", "export", &kid]).is(0).to_owned());
    folder.run(&["keys", "passphrase", "--new-file", "new"]).is(0);
    for (kid, public) in kids.iter().zip(public_keys) {
        let file = format!("keys/{kid}.pem");
        let arguments = ["pkey", "-in", &file, "-passin", "file:new", "-pubout"];
        let Some(opened) = openssl(&folder.path("."), &arguments) else { return };
        assert_eq!(opened.is(0), public);
        openssl(&folder.path("."), &["pkey", "-in", &file, "-passin", "pass:wrong"]).unwrap().fails(1, &[]);
    }
}

#[test]
fn an_empty_passphrase_is_rejected() {
    let folder = TestFolder::new();
    folder.write("empty", "\n");
    folder.run(&["keys", "passphrase", "--new-file", "empty"]).fails(1, &["the file is empty"]);
    folder.run(&["keys", "passphrase", "--new-file", "nowhere"]).fails(1, &["cannot read the passphrase from nowhere"]);
    folder.run(&["keys", "list"]).is(0);
}

#[tokio::test]
async fn a_server_runs_with_encrypted_keys() {
    let folder = TestFolder::empty();
    folder.configure(&format!("keys.passphrase = '{SECRET}'"));
    folder.create("anna");
    let server = folder.serve().await;
    server.token("anna").await;
    assert!(files(&folder).iter().all(|file| file.contains("ENCRYPTED")));
    assert!(secret(&folder).starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert!(!server.log.lock().unwrap().contains(SECRET));
}

#[tokio::test]
async fn a_passphrase_set_later_encrypts_the_secret_and_ends_no_session() {
    let folder = TestFolder::new();
    folder.create("anna");
    let mut server = folder.serve().await;
    let pair = json!({"email": "anna@example.com", "password": PASSWORD});
    let pair = server.post("/api/login/", None, &pair).await.is(200).json();
    server.signal("TERM");
    server.wait_for_exit().await;
    assert_eq!(secret(&folder).len(), 32);

    folder.configure(&format!("keys.passphrase = '{SECRET}'"));
    let server = folder.serve().await;
    assert!(secret(&folder).starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    server.post("/api/refresh/", None, &json!({"refresh_token": pair["refresh_token"]})).await.is(200);
    folder.run(&["backup", "copy"]).is(0);
    let copied = fs::read(folder.path("copy/keys/secret")).unwrap();
    assert!(copied.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
}
