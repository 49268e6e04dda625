//! `countersign sessions` and `countersign users set`.

use serde_json::{Value, json};

use super::names;
use crate::support::binary::TestFolder;

fn mint(folder: &TestFolder, user: &str, dialect: &str) -> String {
    let minted = folder.run(&["token", "mint", "--user", user, "--profile", dialect]);
    minted.is(0).trim().to_owned()
}

fn sessions(folder: &TestFolder, user: &str) -> Vec<Value> {
    let listed = folder.run(&["sessions", "list", user, "--json"]).json();
    listed.as_array().cloned().unwrap_or_else(|| panic!("{listed}"))
}

fn audit(folder: &TestFolder) -> Vec<(String, String)> {
    let lines = folder.run(&["audit", "--json"]).json();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = lines.as_array().cloned().unwrap_or_default();
    lines.iter().map(|line| (text(line, "action"), text(line, "detail"))).collect()
}

#[test]
fn sessions_are_listed_and_ended() {
    let folder = TestFolder::new();
    folder.create("anna");
    folder.create("ben");
    assert_eq!(folder.run(&["sessions", "list", "anna", "--json"]).json(), json!([]));
    for dialect in ["jwt_issuer", "drf_pyjwt", "simplejwt"] {
        mint(&folder, "anna", dialect);
    }
    mint(&folder, "ben", "rest_jwt");
    let listed = sessions(&folder, "ANNA@example.com");
    assert_eq!(listed.len(), 3);
    assert_eq!(names(&listed[0]), ["id", "dialect", "opened_at", "used_at", "expires_at", "network"]);
    assert_eq!((&listed[0]["network"], &listed[0]["opened_at"]), (&Value::Null, &listed[0]["used_at"]));
    let id = listed[0]["id"].as_str().unwrap_or_default();
    let table = folder.run(&["sessions", "list", "anna"]);
    assert!(table.is(0).starts_with("ID ") && table.stdout.contains(id), "{table:?}");

    let ended = folder.run(&["sessions", "end", id]);
    assert_eq!((ended.is(0), ended.stderr.clone()), ("", format!("Ended session {id}.\n")));
    assert_eq!(audit(&folder)[0], ("sessions_ended".to_owned(), id.to_owned()));
    assert_eq!(sessions(&folder, "anna").len(), 2);
    folder.run(&["sessions", "end", id]).fails(1, &["cannot end session"]);

    let ended = folder.run(&["sessions", "end", "--user", "anna"]);
    assert_eq!((ended.is(0), ended.stderr.as_str()), ("", "Ended all sessions of anna.\n"));
    assert_eq!(audit(&folder)[0], ("sessions_ended".to_owned(), "sessions ended: 2".to_owned()));
    assert_eq!((sessions(&folder, "anna").len(), sessions(&folder, "ben").len()), (0, 1));

    for arguments in [&["end"][..], &["end", "anna"], &["end", id, "--user", "anna"], &["list"]] {
        folder.run(&[&["sessions"], arguments].concat()).fails(2, &[]);
    }
    for arguments in [&["list", "nina"][..], &["end", "--user", "nina"]] {
        folder.run(&[&["sessions"], arguments].concat()).fails(1, &["there is no user `nina`"]);
    }
}

#[test]
fn a_user_is_made_a_superuser_and_an_ordinary_user_again() {
    let folder = TestFolder::new();
    folder.create("anna");
    let is_superuser = || folder.run(&["users", "show", "anna", "--json"]).json()["is_superuser"].clone();
    let set = folder.run(&["users", "set", "anna", "--superuser"]);
    assert_eq!((set.is(0), set.stderr.as_str()), ("", "Made anna a superuser.\n"));
    assert_eq!(is_superuser(), true);
    assert_eq!(audit(&folder)[0], ("rights_changed".to_owned(), "superuser: yes, staff: no".to_owned()));
    folder.run(&["users", "set", "anna", "--no-superuser"]).is(0);
    assert_eq!(is_superuser(), false);
    assert_eq!(audit(&folder)[0], ("rights_changed".to_owned(), "superuser: no, staff: no".to_owned()));
}

#[test]
fn an_address_and_a_right_are_set_together_or_not_at_all() {
    let folder = TestFolder::new();
    folder.create("anna");
    folder.create("ben");
    let show = || folder.run(&["users", "show", "anna", "--json"]).json();
    let before = show();
    let taken = folder.run(&["users", "set", "anna", "--superuser", "--email", "BEN@example.com"]);
    taken.fails(1, &["cannot change anna", "another user has that email"]);
    folder.run(&["users", "set", "anna", "--email", "anna"]).fails(1, &["--email must be a valid e-mail address"]);
    folder.run(&["users", "set", "nina", "--superuser"]).fails(1, &["there is no user `nina`"]);
    for arguments in [&["anna"][..], &["anna", "--superuser", "--no-superuser"], &["--superuser"]] {
        folder.run(&[&["users", "set"], arguments].concat()).fails(2, &[]);
    }
    assert_eq!(show(), before);
    folder.run(&["users", "set", "anna", "--superuser", "--email", "ann@example.org"]).is(0);
    let after = show();
    assert_eq!((&after["email"], &after["is_superuser"]), (&json!("ann@example.org"), &json!(true)));
    assert_eq!(audit(&folder)[1], ("email_changed".to_owned(), "ann@example.org".to_owned()));
}
