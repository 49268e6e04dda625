//! Key folders that are damaged or accessible to other users: the error names the file, the start fails, and nothing
//! is changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::binary::TestFolder;
use crate::support::skip::skip;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The content of every file in the folder.
fn contents(folder: &TestFolder) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder.path("keys")).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_name() != ".lock");
    files.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Asserts that commands and servers fail with this reason and change nothing.
#[track_caller]
fn assert_start_fails(folder: &TestFolder, words: &[&str]) {
    let before = contents(folder);
    for command in [&["check"] as &[&str], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = folder.run(command);
        assert_eq!(output.code, Some(1), "{command:?}: {output:?}");
        for word in words {
            assert!(output.stderr.contains(word), "{command:?}: {word:?} is missing in {output:?}");
        }
    }
    assert!(contents(folder) == before, "the key folder was changed");
}

#[test]
fn a_mode_that_admits_other_users_is_rejected() {
    let folder = TestFolder::new();
    let kid = folder.kid("ES256", "active");
    for (name, mode, allowed) in [
        (format!("keys/{kid}.pem"), 0o640, 0o600),
        (format!("keys/{kid}.pem"), 0o604, 0o600),
        ("keys/secret".to_owned(), 0o644, 0o600),
        ("keys".to_owned(), 0o755, 0o700),
    ] {
        chmod(&folder.path(&name), mode);
        let mode_text = format!("(mode {mode:04o})");
        let fix = format!("chmod {allowed:o} {name}");
        assert_start_fails(&folder, &[&name, &mode_text, &fix]);
        chmod(&folder.path(&name), allowed);
        folder.run(&["check"]).is(0);
    }
    chmod(&folder.path(&format!("keys/{kid}.pem")), 0o400);
    folder.run(&["check"]).is(0);
}

/// Changes the modes as Kubernetes does when it mounts a volume with `fsGroup`: `chmod -R` and `chmod g+s`.
fn as_fs_group(folder: &TestFolder, file: u32, directory: u32) {
    for name in contents(folder).keys() {
        chmod(&folder.path(&format!("keys/{name}")), file);
    }
    chmod(&folder.path("keys"), directory);
}

fn mode(folder: &TestFolder, name: &str) -> u32 {
    fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn group_access_of_a_setgid_folder_is_removed() {
    let folder = TestFolder::new();
    let kid = folder.kid("ES256", "active");
    folder.create("anna");
    for (file, directory) in [(0o660, 0o2770), (0o640, 0o2750), (0o440, 0o2550), (0o600, 0o2770), (0o660, 0o2700)] {
        for command in [
            &["keys", "list"] as &[&str],
            &["keys", "export", &kid],
            &["keys", "prune"],
            &["check"],
            &["keys", "rotate", "--now"],
            &["token", "mint", "--user", "anna"],
        ] {
            as_fs_group(&folder, file, directory);
            let output = folder.run(command);
            assert_eq!(output.code, Some(0), "{file:o} {directory:o} {command:?}: {output:?}");
            assert_eq!(output.stderr.matches("warning: access of the group").count(), 1, "{command:?}: {output:?}");
            assert_eq!(mode(&folder, "keys") & 0o077, 0);
            for name in contents(&folder).keys() {
                assert_eq!(mode(&folder, &format!("keys/{name}")) & 0o077, 0, "{name}");
            }
        }
        as_fs_group(&folder, file, directory);
        let server = folder.serve().await;
        assert_eq!(server.log.lock().unwrap().matches("access of the group").count(), 1);
    }
    let output = folder.run(&["check"]);
    assert!(!output.stderr.contains("warning"), "{output:?}");
}

#[test]
fn other_wide_modes_of_a_setgid_folder_are_rejected() {
    let folder = TestFolder::new();
    for (file, directory, word) in [
        (0o660, 0o770, "keys is accessible"),
        (0o660, 0o700, "is accessible"),
        (0o664, 0o2770, "is accessible"),
        (0o604, 0o2700, "is accessible"),
        (0o660, 0o2775, "keys is accessible"),
        (0o600, 0o1770, "keys is accessible"),
    ] {
        as_fs_group(&folder, file, directory);
        let output = folder.run(&["check"]);
        let is_named = output.stderr.contains(word) && output.stderr.contains("keys.check_modes = false");
        assert!(output.code == Some(1) && is_named, "{file:o} {directory:o}: {output:?}");
        let unchecked = folder.run(&["--set", "keys.check_modes=false", "check"]);
        assert!(unchecked.code == Some(0), "{unchecked:?}");
        assert_eq!(unchecked.stderr.matches("warning: keys.check_modes is false").count(), 1, "{unchecked:?}");
        chmod(&folder.path("keys"), 0o700);
    }
}

#[tokio::test]
async fn a_volume_without_modes_is_usable() {
    let folder = TestFolder::empty();
    folder.configure("keys.check_modes = false");
    fs::create_dir(folder.path("keys")).unwrap();
    let widen = |folder: &TestFolder| as_fs_group(folder, 0o666, 0o777);
    folder.run(&["keys", "rotate"]).is(0);
    widen(&folder);
    folder.create("anna");
    folder.run(&["keys", "rotate", "--now"]).is(0);
    widen(&folder);
    let server = folder.serve().await;
    server.token("anna").await;
    assert_eq!(server.log.lock().unwrap().matches("keys.check_modes is false").count(), 1);
}

#[test]
fn created_files_are_private() {
    let folder = TestFolder::empty();
    folder.create("anna");
    folder.run(&["keys", "rotate"]).is(0);
    assert_eq!((mode(&folder, "keys"), mode(&folder, "data")), (0o700, 0o700));
    for name in contents(&folder).keys() {
        assert_eq!(mode(&folder, &format!("keys/{name}")), 0o600, "{name}");
    }
    assert_eq!(mode(&folder, "data/countersign.db") & 0o077, 0);
}

#[test]
fn a_damaged_ring_file_is_named() {
    let folder = TestFolder::new();
    let path = folder.path("keys/ring.json");
    let original = fs::read_to_string(&path).unwrap();
    let twice = original.replacen("\"signs_from\"", "\"signs_until\"", 1);
    for damaged in ["", "{", "[]", "null", &original[..original.len() / 2], &twice, &original.replace("ES256", "HS256")]
    {
        fs::write(&path, damaged).unwrap();
        assert_start_fails(&folder, &["keys/ring.json"]);
    }
    fs::write(&path, &original).unwrap();
    folder.run(&["keys", "list"]).is(0);
}

#[test]
fn an_unreadable_private_key_is_named() {
    let folder = TestFolder::new();
    let kid = folder.kid("ES256", "active");
    let other = folder.kid("RS256", "active");
    let path = folder.path(&format!("keys/{kid}.pem"));
    let original = fs::read_to_string(&path).unwrap();
    let other_pem = fs::read_to_string(folder.path(&format!("keys/{other}.pem"))).unwrap();
    let name = format!("{kid}.pem");
    for (text, message) in [
        (String::new(), "the file is not PEM"),
        ("nonsense".to_owned(), "the file is not PEM"),
        (original[..original.len() / 2].to_owned(), "the file is damaged"),
        (original.replacen('M', "N", 3), "it"),
        (format!("{original}{other_pem}"), "the file has several private keys"),
        (other_pem, "the file contains the key"),
    ] {
        fs::write(&path, text).unwrap();
        assert_start_fails(&folder, &[&name, message, "restore it from a backup"]);
    }
    fs::remove_file(&path).unwrap();
    assert_start_fails(&folder, &[&name, "the file is missing", "restore it from a backup"]);
    // Without a backup, the suggested revocation repairs the folder.
    folder.run(&["keys", "revoke", &kid]).is(0);
    folder.run(&["check"]).is(0);
}

#[test]
fn a_ring_without_its_parts_is_not_a_first_start() {
    let folder = TestFolder::new();
    let secret = fs::read(folder.path("keys/secret")).unwrap();
    fs::remove_file(folder.path("keys/secret")).unwrap();
    assert_start_fails(&folder, &["keys/secret is missing", "restore it from a backup"]);
    fs::write(folder.path("keys/secret"), &secret[..31]).unwrap();
    chmod(&folder.path("keys/secret"), 0o600);
    assert_start_fails(&folder, &["keys/secret has 31 bytes instead of 32"]);
    fs::write(folder.path("keys/secret"), &secret).unwrap();
    folder.run(&["check"]).is(0);

    let ring = fs::read(folder.path("keys/ring.json")).unwrap();
    fs::remove_file(folder.path("keys/ring.json")).unwrap();
    let before = contents(&folder);
    assert_start_fails(&folder, &["ring.json is missing"]);
    folder.run(&["keys", "rotate"]).fails(1, &["ring.json is missing"]);
    assert!(contents(&folder) == before, "the key folder was changed");
    fs::write(folder.path("keys/ring.json"), ring).unwrap();
    chmod(&folder.path("keys/ring.json"), 0o600);
    folder.run(&["check"]).is(0);
}

#[test]
fn a_folder_that_is_not_a_key_folder_is_not_changed() {
    let folder = TestFolder::empty();
    fs::create_dir(folder.path("keys")).unwrap();
    folder.write("keys/thesis.txt", "precious");
    let output = folder.run(&["serve", "--listen", "127.0.0.1:0"]);
    output.fails(1, &["thesis.txt", "is not a key folder"]);
    assert_eq!(contents(&folder).len(), 1);
}

#[test]
fn an_orphan_file_is_reported_and_ignored() {
    let folder = TestFolder::new();
    let orphan = format!("keys/{}.pem", "o".repeat(43));
    folder.write(&orphan, "left over");
    let output = folder.run(&["keys", "list"]);
    output.is(0);
    assert!(output.stderr.contains(&format!("{orphan} belongs to no key")), "{output:?}");
}

#[test]
fn an_unwritable_folder_is_named() {
    let folder = TestFolder::empty();
    fs::create_dir(folder.path("keys")).unwrap();
    chmod(&folder.path("keys"), 0o500);
    if fs::write(folder.path("keys/probe"), "").is_ok() {
        fs::remove_file(folder.path("keys/probe")).unwrap();
        skip("this user can write to every folder");
    } else {
        folder.run(&["serve", "--listen", "127.0.0.1:0"]).fails(1, &["keys", "ermission denied"]);
    }
    // A file at the path of the folder makes every command fail.
    let folder = TestFolder::new();
    folder.write("data", "a file");
    for command in [
        &["serve", "--listen", "127.0.0.1:0"] as &[&str],
        &["users", "export"],
        &["settings", "set", "registration.open", "true"],
    ] {
        folder.run(command).fails(1, &["creating the folder data for the database"]);
    }
}
