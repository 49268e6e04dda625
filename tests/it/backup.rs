//! Backups of a running server, and restores: complete, verified, and without overwriting anything.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::binary::{CommandOutput, TestFolder};

const ISSUER: &str = "tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }";

fn folder() -> TestFolder {
    let folder = TestFolder::new();
    folder.configure(ISSUER);
    folder
}

/// A folder without keys and data, with the same settings.
fn empty() -> TestFolder {
    let folder = TestFolder::empty();
    folder.configure(ISSUER);
    folder
}

fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            names.extend(files(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}

fn restore(to: &TestFolder, backup: &Path) -> CommandOutput {
    to.run(&["restore", backup.to_str().unwrap()])
}

/// A folder with a user and a backup named `copy`.
fn backed_up() -> TestFolder {
    let folder = folder();
    folder.create("anna");
    folder.run(&["backup", "copy"]).is(0);
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_restored_completely() {
    let folder = folder();
    let server = Arc::new(folder.serve().await);
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    server.post("/register", None, &body).await.is(200);
    let access = server.token("anna").await;
    let login = json!({"email": "anna@example.com", "password": PASSWORD});
    let refresh = server.post("/api/login/", None, &login).await.is(200).json()["refresh_token"].clone();

    let done = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|worker| {
            let server = Arc::clone(&server);
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut registered = 0;
                while !done.load(Ordering::SeqCst) {
                    let name = format!("user{worker}x{registered}");
                    let body = json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")});
                    server.post("/register", None, &body).await;
                    registered += 1;
                }
                registered
            })
        })
        .collect();
    folder.run(&["keys", "rotate", "--now"]).is(0);
    let report = folder.run(&["backup", "copy", "--json"]).json();
    folder.run(&["keys", "rotate", "--now"]).is(0);
    done.store(true, Ordering::SeqCst);
    for task in load {
        assert!(task.await.unwrap() > 0, "the load registered no user");
    }
    assert_eq!((report["keys"].as_u64(), report["version"].as_u64()), (Some(4), Some(1)), "{report}");
    let listed: Vec<&str> =
        report["files"].as_array().unwrap().iter().filter_map(|file| file["name"].as_str()).collect();
    let mut listed = [&listed[..], &["manifest.json"]].concat();
    listed.sort_unstable();
    assert_eq!(files(&folder.path("copy")), listed);
    for name in files(&folder.path("copy")) {
        let open_to = fs::metadata(folder.path("copy").join(&name)).unwrap().permissions().mode();
        assert_eq!(open_to & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(folder.path("copy")).unwrap().permissions().mode() & 0o777, 0o700);

    let other = empty();
    restore(&other, &folder.path("copy")).is(0);
    let users = other.run(&["users", "list", "--json"]).json().as_array().unwrap().len();
    assert_eq!(Some(users as u64), report["users"].as_u64());
    let server = other.serve().await;
    server.post("/renew_token", Some(&access), &json!({})).await.is(200);
    let verified = other.run(&["token", "verify", &access]);
    verified.is(0);
    server.post("/api/refresh/", None, &json!({"refresh_token": refresh})).await.is(200);
    server.token("anna").await;
}

#[test]
fn a_backup_needs_an_empty_folder() {
    let folder = backed_up();
    folder.run(&["backup", "copy"]).fails(1, &["copy is not empty", "choose a new folder"]);
    fs::create_dir(folder.path("made")).unwrap();
    folder.run(&["backup", "made"]).is(0);
    let empty_folder = empty();
    empty_folder.run(&["backup", "copy"]).fails(1, &["data/countersign.db"]);
    assert_eq!(files(&empty_folder.path("copy")), [""; 0], "a failed backup leaves no files");
}

#[test]
fn a_changed_backup_is_rejected_and_nothing_is_written() {
    let folder = backed_up();
    for name in files(&folder.path("copy")) {
        let path = folder.path("copy").join(&name);
        let original = fs::read(&path).unwrap();
        let mut corrupted = original.clone();
        let middle = corrupted.len() / 2;
        corrupted[middle] ^= 1;
        for (corrupted, what) in [(&corrupted[..], "changed"), (&original[..middle], "cut off")] {
            fs::write(&path, corrupted).unwrap();
            let other = empty();
            let output = restore(&other, &folder.path("copy"));
            // A changed byte in the manifest may go unnoticed, for example in the number of users, which no check uses.
            if name != "manifest.json" || what == "cut off" {
                output.fails(1, &["cannot restore from", &name, "use another backup"]);
                assert_eq!(files(&other.path("")), ["countersign.toml"], "{name} {what}");
            }
        }
        fs::write(&path, original).unwrap();
    }
    fs::remove_file(folder.path("copy/manifest.json")).unwrap();
    restore(&empty(), &folder.path("copy")).fails(1, &["has no manifest.json", "not a complete backup"]);
}

#[tokio::test]
async fn restore_overwrites_nothing() {
    let folder = backed_up();
    let copy = folder.path("copy");
    folder.create("berta");
    let before = fs::read(folder.path("data/countersign.db")).unwrap();
    restore(&folder, &copy).fails(1, &["data/countersign.db", "exists", "move the database"]);
    assert_eq!(fs::read(folder.path("data/countersign.db")).unwrap(), before);

    let other = empty();
    other.run(&["keys", "rotate"]).is(0);
    restore(&other, &copy).fails(1, &["cannot restore into keys", "move the existing files away"]);
    assert!(!other.path("data/countersign.db").exists());

    let other = empty();
    fs::create_dir(other.path("data")).unwrap();
    other.write("data/countersign.db-wal", "of another");
    restore(&other, &copy).fails(1, &["countersign.db-wal", "exists"]);

    let _server = folder.serve().await;
    restore(&folder, &copy).fails(1, &["a server uses", "stop the server first"]);
}

#[test]
fn an_interrupted_restore_does_not_start_and_can_be_resumed() {
    let folder = backed_up();
    let copy = folder.path("copy");
    let restored = empty();
    restore(&restored, &copy).is(0);
    restore(&restored, &copy).is(0);
    // The order of the writes: the database under a temporary name, the secret, the private keys, the ring.
    let mut order = files(&restored.path("keys"));
    order.retain(|name| name != ".lock");
    order.sort_by_key(|name| (name != "secret", name == "ring.json"));
    for copied in 0..=order.len() {
        let other = empty();
        for folder_name in ["keys", "data"] {
            fs::create_dir(other.path(folder_name)).unwrap();
            fs::set_permissions(other.path(folder_name), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let database = fs::read(copy.join("countersign.db")).unwrap();
        let size = if copied == 0 { database.len() / 2 } else { database.len() };
        fs::write(other.path("data/countersign.db.restoring"), &database[..size]).unwrap();
        for name in &order[..copied] {
            fs::copy(restored.path("keys").join(name), other.path("keys").join(name)).unwrap();
        }
        other.write("keys/.countersign-unfinished-ring.json", "{");
        let before = files(&other.path(""));
        // Like a start of the server, this command opens the database first.
        let output = other.run(&["settings", "set", "registration.open", "false"]);
        output.fails(1, &["was interrupted", "run `countersign restore` again"]);
        assert_eq!(files(&other.path("")), before);
        restore(&other, &copy).is(0);
        let names = other.run(&["users", "list", "--json"]).json();
        assert_eq!(
            names.as_array().unwrap().iter().map(|user| user["username"].clone()).collect::<Vec<Value>>(),
            ["anna"]
        );
        other.run(&["check"]).is(0);
        assert!(!other.path("data/countersign.db.restoring").exists());
    }
}

#[test]
fn a_backup_of_encrypted_keys_is_restored_with_their_passphrase() {
    let folder = folder();
    folder.create("anna");
    folder.write("phrase", "a long enough phrase");
    folder.run(&["keys", "passphrase", "--new-file", "phrase"]).is(0);
    let wrong = "keys.passphrase=another long enough phrase";
    folder.run(&["--set", wrong, "backup", "copy"]).fails(1, &["passphrase"]);
    let setting = "keys = { passphrase = 'a long enough phrase' }";
    folder.configure(setting);
    folder.run(&["backup", "copy"]).is(0);
    let other = empty();
    let copy = folder.path("copy");
    other.run(&["--set", wrong, "restore", copy.to_str().unwrap()]).fails(1, &["passphrase"]);
    assert_eq!(files(&other.path("")), ["countersign.toml"]);
    other.configure(setting);
    restore(&other, &copy).is(0);
    assert_eq!(other.keys(), folder.keys());
}
