//! The data folder: private, or refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::json;

use crate::support::binary::{TestFolder, finish, is_root};
use crate::support::wait_until;

fn chmod(folder: &TestFolder, name: &str, mode: u32) {
    fs::set_permissions(folder.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(folder: &TestFolder, name: &str) -> u32 {
    fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o7777
}

/// A folder with a user and an e-mail in a file.
async fn folder() -> TestFolder {
    let folder = TestFolder::new();
    folder.create("anna");
    let server = folder.serve().await;
    server.post("/request_password_reset", None, &json!({"email": "anna@example.com"})).await.is(200);
    wait_until("the e-mail is written", async || !mails(&folder).is_empty()).await;
    folder
}

fn mails(folder: &TestFolder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("data/mail")).into_iter().flatten();
    let paths =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "eml"));
    paths.map(|path| format!("data/mail/{}", path.file_name().unwrap().to_str().unwrap())).collect()
}

#[tokio::test]
async fn a_wide_data_folder_is_narrowed() {
    let folder = folder().await;
    let mail = mails(&folder).remove(0);
    fs::copy(folder.path("data/countersign.db"), folder.path("data/countersign.db.before-3")).unwrap();
    folder.write("data/notes.txt", "not of Countersign");
    chmod(&folder, "data/notes.txt", 0o644);
    for (name, wide, narrow) in [
        ("data", 0o777, 0o700),
        ("data", 0o750, 0o700),
        ("data", 0o2770, 0o2700),
        ("data/countersign.db", 0o666, 0o600),
        ("data/countersign.db", 0o640, 0o600),
        ("data/countersign.db.before-3", 0o644, 0o600),
        ("data/.countersign-serving", 0o666, 0o600),
        ("data/mail", 0o755, 0o700),
        (&mail, 0o644, 0o600),
    ] {
        for command in [&["users", "show", "anna"] as &[&str], &["settings", "list"], &["audit"]] {
            chmod(&folder, name, wide);
            let checked = folder.run(&["check", "--deploy"]);
            checked.is(0);
            assert!(checked.stderr.contains(&format!("data_dir: {name} is accessible to other users")), "{checked:?}");
            assert_eq!(mode(&folder, name), wide, "a check changes nothing");
            let output = folder.run(command);
            output.is(0);
            assert_eq!(output.stderr.matches("warning: access of other users").count(), 1, "{output:?}");
            assert_eq!(mode(&folder, name), narrow, "{name}");
        }
        chmod(&folder, name, wide);
        let server = folder.serve().await;
        assert_eq!(server.log.lock().unwrap().matches("access of other users to the data folder").count(), 1);
        assert_eq!(mode(&folder, name), narrow, "{name}");
    }
    assert_eq!(mode(&folder, "data/notes.txt"), 0o644);
    assert!(!folder.run(&["check", "--deploy"]).stderr.contains("data_dir: "));
}

#[test]
fn a_wide_data_folder_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let folder = TestFolder::new();
    folder.create("anna");
    folder.give_to(10_001);
    chmod(&folder, ".", 0o755);
    for (name, mode) in [("data", 0o777), ("data", 0o775), ("data/countersign.db", 0o666)] {
        chmod(&folder, "data", 0o777);
        chmod(&folder, "data/countersign.db", 0o666);
        if name == "data/countersign.db" {
            chmod(&folder, "data", 0o700);
            std::os::unix::fs::chown(folder.path("data"), Some(10_002), None).unwrap();
        }
        chmod(&folder, name, mode);
        let words =
            ["is accessible to other users", "user id 10001 owns it", "set data_dir to a folder of user id 10002"];
        finish(folder.command_as(10_002, &["users", "list"]), "").fails(1, &words);
        std::os::unix::fs::chown(folder.path("data"), Some(10_001), None).unwrap();
    }
}

#[test]
fn a_folder_of_many_users_is_refused() {
    let folder = TestFolder::new();
    fs::create_dir(folder.path("data")).unwrap();
    chmod(&folder, "data", 0o1777);
    let words = ["data is a folder of many users (mode 1777)", "set data_dir to a folder of its own"];
    folder.run(&["settings", "set", "registration.open", "true"]).fails(1, &words);
    assert_eq!(mode(&folder, "data"), 0o1777);
}

#[tokio::test]
async fn the_folder_of_emails_is_not_a_symbolic_link() {
    let folder = folder().await;
    fs::create_dir(folder.path("elsewhere")).unwrap();
    fs::rename(folder.path("data/mail"), folder.path("moved")).unwrap();
    let server = folder.serve().await;
    symlink(folder.path("elsewhere"), folder.path("data/mail")).unwrap();
    server.post("/request_password_reset", None, &json!({"email": "anna@example.com"})).await.is(200);
    let refused = "the folder is a symbolic link";
    wait_until("the e-mail is refused", async || server.log.lock().unwrap().contains(refused)).await;
    drop(server);
    for command in [&["serve", "--listen", "127.0.0.1:0"] as &[&str], &["users", "list"]] {
        folder.run(command).fails(1, &["data/mail is a symbolic link", "replace it by a folder"]);
    }
    assert_eq!(folder.run(&["check"]).code, Some(1));
    assert_eq!(fs::read_dir(folder.path("elsewhere")).unwrap().count(), 0);
}
