//! Folders of keys that are damaged or open to others: each names itself, stops the start, and is left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::binary::TestFolder;
use crate::support::skip::skip;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file of the folder with its bytes.
fn contents(folder: &TestFolder) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder.path("keys")).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_name() != ".lock");
    files.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// That neither a command nor a server goes on, for this reason, and nothing is changed.
#[track_caller]
fn assert_start_fails(folder: &TestFolder, words: &[&str]) {
    let before = contents(folder);
    for command in [&["keys", "list"] as &[&str], &["check"], &["serve", "--listen", "127.0.0.1:0"]] {
        let ran = folder.run(command);
        assert_eq!(ran.code, Some(1), "{command:?}: {ran:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{command:?}: {word:?} is missing in {ran:?}");
        }
    }
    assert!(contents(folder) == before, "something was changed");
}

#[test]
fn modes_wider_than_the_owner_are_rejected() {
    let folder = TestFolder::new();
    let kid = folder.kid("ES256", "active");
    for (name, mode, allowed) in [
        (format!("keys/{kid}.pem"), 0o640, 0o600),
        (format!("keys/{kid}.pem"), 0o604, 0o600),
        ("keys/secret".to_owned(), 0o644, 0o600),
        ("keys".to_owned(), 0o755, 0o700),
    ] {
        chmod(&folder.path(&name), mode);
        let shown = format!("(mode {mode:04o})");
        let mend = format!("chmod {allowed:o} {name}");
        assert_start_fails(&folder, &[&name, &shown, &mend]);
        chmod(&folder.path(&name), allowed);
        folder.run(&["keys", "list"]).is(0);
    }
    chmod(&folder.path(&format!("keys/{kid}.pem")), 0o400);
    folder.run(&["keys", "list"]).is(0);
}

#[test]
fn created_files_are_private() {
    let folder = TestFolder::empty();
    folder.create("anna");
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("keys"), mode("data")), (0o700, 0o700));
    for name in contents(&folder).keys() {
        assert_eq!(mode(&format!("keys/{name}")), 0o600, "{name}");
    }
    assert_eq!(mode("data/countersign.db") & 0o077, 0);
}

#[test]
fn a_damaged_ring_file_is_named() {
    let folder = TestFolder::new();
    let path = folder.path("keys/ring.json");
    let whole = fs::read_to_string(&path).unwrap();
    let twice = whole.replacen("\"signs_from\"", "\"signs_until\"", 1);
    for damaged in ["", "{", "[]", "null", &whole[..whole.len() / 2], &twice, &whole.replace("ES256", "HS256")] {
        fs::write(&path, damaged).unwrap();
        assert_start_fails(&folder, &["keys/ring.json"]);
    }
    fs::write(&path, &whole).unwrap();
    folder.run(&["keys", "list"]).is(0);
}

#[test]
fn an_unreadable_private_key_is_named() {
    let folder = TestFolder::new();
    let mine = folder.kid("ES256", "active");
    let other = folder.kid("RS256", "active");
    let path = folder.path(&format!("keys/{mine}.pem"));
    let whole = fs::read_to_string(&path).unwrap();
    let theirs = fs::read_to_string(folder.path(&format!("keys/{other}.pem"))).unwrap();
    let name = format!("{mine}.pem");
    for (text, says) in [
        (String::new(), "it is not PEM"),
        ("nonsense".to_owned(), "it is not PEM"),
        (whole[..whole.len() / 2].to_owned(), "it is damaged"),
        (whole.replacen('M', "N", 3), "it"),
        (format!("{whole}{theirs}"), "it holds several private keys"),
        (theirs, "it holds the key"),
    ] {
        fs::write(&path, text).unwrap();
        assert_start_fails(&folder, &[&name, says, "restore it from a backup"]);
    }
    fs::remove_file(&path).unwrap();
    assert_start_fails(&folder, &[&name, "it is missing", "restore it from a backup"]);
    // The way out that is named, where there is no backup.
    folder.run(&["keys", "revoke", &mine]).is(0);
    folder.run(&["keys", "list"]).is(0);
}

#[test]
fn a_ring_without_its_parts_is_not_a_first_start() {
    let folder = TestFolder::new();
    let secret = fs::read(folder.path("keys/secret")).unwrap();
    fs::remove_file(folder.path("keys/secret")).unwrap();
    assert_start_fails(&folder, &["keys/secret is missing", "restore it from a backup"]);
    fs::write(folder.path("keys/secret"), &secret[..31]).unwrap();
    chmod(&folder.path("keys/secret"), 0o600);
    assert_start_fails(&folder, &["keys/secret must have 32 bytes and has 31"]);
    fs::write(folder.path("keys/secret"), &secret).unwrap();
    folder.run(&["check"]).is(0);

    let ring = fs::read(folder.path("keys/ring.json")).unwrap();
    fs::remove_file(folder.path("keys/ring.json")).unwrap();
    let before = contents(&folder);
    assert_start_fails(&folder, &["but no ring.json"]);
    folder.run(&["keys", "rotate"]).fails(1, &["but no ring.json"]);
    assert!(contents(&folder) == before, "something was changed");
    fs::write(folder.path("keys/ring.json"), ring).unwrap();
    chmod(&folder.path("keys/ring.json"), 0o600);
    folder.run(&["check"]).is(0);
}

#[test]
fn a_foreign_folder_is_not_changed() {
    let folder = TestFolder::empty();
    fs::create_dir(folder.path("keys")).unwrap();
    folder.write("keys/thesis.txt", "precious");
    let ran = folder.run(&["serve", "--listen", "127.0.0.1:0"]);
    ran.fails(1, &["thesis.txt", "is not a folder of keys"]);
    assert_eq!(contents(&folder).len(), 1);
}

#[test]
fn an_orphan_file_is_reported_and_ignored() {
    let folder = TestFolder::new();
    let orphan = format!("keys/{}.pem", "o".repeat(43));
    folder.write(&orphan, "left over");
    let ran = folder.run(&["keys", "list"]);
    ran.is(0);
    assert!(ran.stderr.contains(&format!("{orphan} belongs to no key")), "{ran:?}");
}

#[test]
fn an_unwritable_folder_is_named() {
    let folder = TestFolder::empty();
    fs::create_dir(folder.path("keys")).unwrap();
    chmod(&folder.path("keys"), 0o500);
    if fs::write(folder.path("keys/probe"), "").is_ok() {
        fs::remove_file(folder.path("keys/probe")).unwrap();
        skip("this user may write to every folder");
    } else {
        folder.run(&["serve", "--listen", "127.0.0.1:0"]).fails(1, &["keys", "ermission denied"]);
    }
    // A file in the folder's place stops everybody.
    let folder = TestFolder::new();
    folder.write("data", "a file");
    for command in [
        &["serve", "--listen", "127.0.0.1:0"] as &[&str],
        &["users", "export"],
        &["settings", "set", "registration.open", "true"],
    ] {
        folder.run(command).fails(1, &["making the folder data for the database"]);
    }
}
