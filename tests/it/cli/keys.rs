//! `countersign keys`: list, rotate, export, revoke, prune.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::names;
use crate::support::binary::{TestFolder, openssl};
use crate::support::skip::skip;

#[test]
fn keys_list_json_has_the_documented_members() {
    let folder = TestFolder::new();
    let keys = folder.keys();
    assert_eq!(keys.len(), 2);
    for key in &keys {
        let all = ["kid", "alg", "state", "created_at", "signs_from", "signs_until", "published_until", "revoked_at"];
        assert_eq!(names(key), all);
        assert_eq!(key["state"], "active");
        assert_eq!(key["kid"].as_str().unwrap().len(), 43);
        for date in ["created_at", "signs_from"] {
            let date = key[date].as_str().unwrap();
            assert!(countersign::domain::time::Timestamp::parse(date).is_some() && date.ends_with('Z'), "{date}");
        }
        assert!(["signs_until", "published_until", "revoked_at"].iter().all(|date| key[date] == Value::Null));
    }
    let table = folder.run(&["keys", "list"]);
    let lines: Vec<&str> = table.is(0).lines().collect();
    assert!(lines[0].starts_with("KID") && lines.len() == 3, "{lines:?}");
    for (line, key) in lines[1..].iter().zip(&keys) {
        assert!(line.starts_with(key["kid"].as_str().unwrap()) && line.contains("active"), "{line}");
    }
}

#[test]
fn a_rotation_prints_key_ids_and_signing_dates() {
    let folder = TestFolder::new();
    let output = folder.run(&["keys", "rotate"]);
    let kids: Vec<String> = output.is(0).lines().map(str::to_owned).collect();
    assert!(kids.len() == 2 && kids.iter().all(|kid| kid.len() == 43), "{output:?}");
    assert_eq!(output.stderr.matches(". It signs from ").count(), 2, "{output:?}");
    for (alg, kid) in [("ES256", folder.kid("ES256", "next")), ("RS256", folder.kid("RS256", "next"))] {
        assert!(kids.contains(&kid), "{alg}");
        let old = folder.keys().into_iter().find(|key| key["alg"] == alg && key["state"] == "active").unwrap();
        let new = folder.keys().into_iter().find(|key| key["kid"] == kid.as_str()).unwrap();
        assert_eq!(old["signs_until"], new["signs_from"]);
    }

    let now = folder.run(&["keys", "rotate", "--now", "--alg", "ES256"]);
    let kid = now.is(0).trim_end().to_owned();
    assert_eq!(folder.kid("ES256", "active"), kid);
    assert!(now.stderr.contains("It signs immediately.") && now.stderr.contains("warning: verifiers"), "{now:?}");
    assert!(now.stderr.contains("5m"), "the warning does not name the duration: {now:?}");
    assert_eq!(folder.keys().len(), 5);
    // A key that is slow to generate also signs at once, and the warning is printed.
    let slow = folder.run(&["--set", "keys.rsa_bits=4096", "keys", "rotate", "--now", "--alg", "RS256"]);
    slow.is(0);
    assert!(slow.stderr.contains("It signs immediately.") && slow.stderr.contains("warning: verifiers"), "{slow:?}");
}

#[test]
fn the_first_rotation_is_a_first_start() {
    let folder = TestFolder::empty();
    folder.run(&["keys", "list"]).fails(1, &["there are no keys in keys yet"]);
    let output = folder.run(&["keys", "rotate"]);
    output.is(0);
    assert!(output.stderr.contains("Created one active key for each algorithm in keys.algorithms."), "{output:?}");
    assert_eq!(folder.keys().len(), 2);
}

#[test]
fn a_rotation_creates_no_keys_if_the_settings_are_unreadable() {
    let folder = TestFolder::empty();
    std::fs::create_dir(folder.path("data")).unwrap();
    folder.write("data/countersign.db", &"not a database ".repeat(1000));
    folder.run(&["keys", "rotate"]).fails(1, &["countersign.db"]);
    assert!(!folder.path("keys").exists());
    folder.run(&["keys", "list"]).fails(1, &["there are no keys in keys yet"]);
}

#[test]
fn a_first_start_creates_keys_of_the_configured_algorithms() {
    let folder = TestFolder::empty();
    let only_es256 = ["--set", "keys.algorithms=ES256"];
    folder.run(&[&only_es256[..], &["keys", "rotate"]].concat()).is(0);
    assert_eq!(folder.keys().iter().map(|key| key["alg"].as_str().unwrap()).collect::<Vec<_>>(), ["ES256"]);
    folder.run(&["keys", "rotate", "--alg", "RS256"]).is(0);
    folder.kid("RS256", "active");
}

#[test]
fn exported_keys_are_read_by_other_libraries() {
    let folder = TestFolder::new();
    for (alg, message) in [("ES256", "NIST CURVE: P-256"), ("RS256", "Public-Key: (2048 bit)")] {
        let kid = folder.kid(alg, "active");
        let pem = folder.run(&["keys", "export", &kid[..8]]).is(0).to_owned();
        assert!(
            pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("-----END PUBLIC KEY-----\n"),
            "{pem}"
        );
        folder.write("public.pem", &pem);
        let jwk = folder.run(&["keys", "export", &kid, "--format", "jwk"]).json();
        assert_eq!((&jwk["kid"], &jwk["alg"]), (&kid.as_str().into(), &alg.into()));
        assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|private| jwk.get(private).is_none()), "{jwk}");
        let certificate = folder.run(&["keys", "export", &kid, "--format", "certificate"]).is(0).to_owned();
        folder.write("certificate.pem", &certificate);

        let root = folder.path(".");
        let Some(read) = openssl(&root, &["pkey", "-pubin", "-in", "public.pem", "-noout", "-text"]) else { return };
        assert!(read.is(0).contains(message), "{read:?}");
        let of_certificate = openssl(&root, &["x509", "-in", "certificate.pem", "-noout", "-pubkey"]).unwrap();
        assert_eq!(of_certificate.is(0), pem, "the certificate contains another key");
        let subject = openssl(&root, &["x509", "-in", "certificate.pem", "-noout", "-subject"]).unwrap();
        assert!(subject.is(0).contains("127.0.0.1"), "{subject:?}");
    }
}

#[test]
fn a_key_prefix_must_be_unique() {
    let folder = TestFolder::new();
    for command in ["export", "revoke"] {
        folder.run(&["keys", command, "abc"]).fails(1, &["`abc` is too short to identify a key", "4 characters"]);
        // One key id in 64 starts with `-`, like an option.
        for name in ["-abcd", "--abc", "-hijk", "-Vwxy"] {
            folder.run(&["keys", command, name]).fails(1, &[&format!("the key ring has no key `{name}`")]);
        }
        folder.run(&["keys", command, "????"]).fails(1, &["the key ring has no key `????`", "keys list"]);
    }
    assert!(folder.keys().iter().all(|key| key["state"] == "active"));
}

#[test]
fn a_revoked_key_is_unpublished_and_a_new_key_signs() {
    let folder = TestFolder::new();
    let kid = folder.kid("ES256", "active");
    let output = folder.run(&["keys", "revoke", &kid[..6]]);
    output.is(0);
    assert!(output.stderr.contains("Revoked key ") && output.stderr.contains("signs now instead"), "{output:?}");
    assert_ne!(folder.kid("ES256", "active"), kid);
    assert_eq!(folder.kid("ES256", "revoked"), kid);
    assert!(!folder.path(&format!("keys/{kid}.pem")).exists());
    folder.run(&["keys", "revoke", &kid]).fails(1, &["is already revoked"]);

    let pruned = folder.run(&["keys", "prune"]);
    assert_eq!(pruned.is(0), format!("{kid}\n"));
    assert_eq!(folder.keys().len(), 2);
    let again = folder.run(&["keys", "prune"]);
    assert_eq!((again.is(0), again.stderr.as_str()), ("", "Removed keys: 0.\n"));
}

#[test]
fn key_changes_are_in_the_audit_log() {
    let folder = TestFolder::new();
    let anna = ["users", "create", "anna", "--email", "anna@example.com", "--password-stdin"];
    folder.run_with("correct horse battery", &anna).is(0);
    let next = folder.run(&["keys", "rotate", "--alg", "ES256"]).is(0).trim().to_owned();
    let revoked = folder.kid("RS256", "active");
    folder.run(&["keys", "revoke", &revoked]).is(0);
    let lines = folder.run(&["audit", "--json"]).json();
    let lines_with = |action: &str, kid: &str| {
        let named = |line: &&Value| line["action"] == action && line["detail"].as_str().unwrap().contains(kid);
        lines.as_array().unwrap().iter().filter(named).count()
    };
    assert_eq!((lines_with("key_rotated", &next), lines_with("key_revoked", &revoked)), (1, 1), "{lines:#}");
}

#[test]
fn irreversible_commands_ask_for_confirmation_on_a_terminal() {
    let folder = TestFolder::new();
    let kid = folder.kid("ES256", "active");
    let run_with_answer = |response: &str| {
        let command = format!("{} keys revoke {kid}", env!("CARGO_BIN_EXE_countersign"));
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).current_dir(folder.path(""));
        let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.inspect_err(|_| skip("script (bsdutils) is not installed")).ok()?;
        child.stdin.as_mut().unwrap().write_all(response.as_bytes()).unwrap();
        let result = child.wait_with_output().unwrap();
        Some((result.status.code(), String::from_utf8(result.stdout).unwrap()))
    };
    let Some((code, text)) = run_with_answer("no\n") else { return };
    assert!(code == Some(1) && text.contains("Type yes to continue") && text.contains("nothing was changed"), "{text}");
    assert_eq!(folder.kid("ES256", "active"), kid);
    let (code, text) = run_with_answer("yes\n").unwrap();
    assert!(code == Some(0) && text.contains("Revoked key "), "{text}");
}

#[test]
fn concurrent_commands_leave_a_consistent_ring() {
    let folder = TestFolder::new();
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let run = || folder.run(&["keys", "rotate", "--now", "--alg", "ES256"]);
        let running: Vec<_> = (0..6).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    let succeeded = outputs.iter().filter(|output| output.code == Some(0)).count();
    for output in outputs.iter().filter(|output| output.code != Some(0)) {
        output.fails(1, &["the keys changed in the meantime"]);
    }
    assert!(succeeded >= 1, "{outputs:?}");
    assert_eq!(folder.keys().len(), 2 + succeeded);
    folder.run(&["check"]).is(0);
    folder.kid("ES256", "active");
}

#[test]
fn a_key_that_stops_signing_early_is_unpublished_early_if_lifetimes_are_known() {
    for known in [false, true] {
        let folder = TestFolder::new();
        if known {
            folder.create("anna");
        }
        folder.run(&["keys", "rotate", "--alg", "ES256"]).is(0);
        let kid = folder.kid("ES256", "active");
        let published_until = || {
            let key = folder.keys().into_iter().find(|key| key["kid"] == kid.as_str()).unwrap();
            key["published_until"].as_str().unwrap().to_owned()
        };
        let planned = published_until();
        folder.run(&["keys", "rotate", "--alg", "ES256", "--now"]).is(0);
        assert_eq!(published_until() < planned, known, "{planned}, then {}", published_until());
    }
}

#[test]
fn a_key_is_revoked_without_the_database() {
    let folder = TestFolder::new();
    folder.run(&["keys", "rotate"]).is(0);
    let kid = folder.kid("ES256", "active");
    std::fs::create_dir_all(folder.path("data")).unwrap();
    std::fs::write(folder.path("data/countersign.db"), "no database, and longer than a header. ".repeat(4)).unwrap();
    assert_ne!(folder.run(&["keys", "rotate"]).code, Some(0));
    let output = folder.run(&["keys", "revoke", &kid, "--yes"]);
    output.is(0);
    assert!(output.stderr.contains("using the default settings"), "{output:?}");
    assert!(folder.keys().iter().any(|key| key["kid"] == kid.as_str() && key["state"] == "revoked"));
}

/// The details of the audit lines with this action, oldest first.
fn audited(folder: &TestFolder, action: &str) -> Vec<String> {
    let lines = folder.run(&["audit", "--json"]).json();
    let lines = lines.as_array().unwrap().iter().rev().filter(|line| line["action"] == action);
    lines.map(|line| line["detail"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_change_of_keys_is_in_the_audit_log() {
    let folder = TestFolder::empty();
    drop(folder.serve().await);
    let first = audited(&folder, "key_rotated");
    assert!(first.len() == 2 && first.iter().all(|line| line.ends_with("created by the first start")), "{first:?}");
    drop(folder.serve().await);
    assert_eq!(audited(&folder, "key_rotated").len(), 2, "a second start creates no keys");

    let kid = folder.kid("ES256", "active");
    folder.run(&["keys", "revoke", &kid]).is(0);
    folder.run(&["keys", "prune"]).is(0);
    assert_eq!(audited(&folder, "key_pruned"), [format!("ES256 key {kid}")]);
    folder.run(&["keys", "prune"]).is(0);
    assert_eq!(audited(&folder, "key_pruned").len(), 1, "nothing was removed");

    folder.write("new", "a passphrase of some length");
    folder.run(&["keys", "passphrase", "--new-file", "new"]).is(0);
    folder.run(&["--set", "keys.passphrase=a passphrase of some length", "keys", "passphrase", "--remove"]).is(0);
    let changes = ["private keys encrypted: 2", "private keys no longer encrypted: 2"];
    assert_eq!(audited(&folder, "passphrase_changed"), changes);

    // A command that creates the first keys records them too.
    for command in [&["keys", "rotate"] as &[&str], &["keys", "import", "key.pem"]] {
        let other = TestFolder::empty();
        other.run(&["settings", "set", "registration.open", "true"]).is(0);
        let pem = folder.path(&format!("keys/{}.pem", folder.kid("ES256", "active")));
        fs::copy(pem, other.path("key.pem")).unwrap();
        other.run(command).is(0);
        let expected = if command[1] == "import" { 3 } else { 2 };
        assert_eq!(audited(&other, "key_rotated").len(), expected, "{command:?}");
    }
}
