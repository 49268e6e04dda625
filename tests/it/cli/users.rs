//! `countersign users` and `countersign audit`.

use serde_json::{Value, json};

use super::names;
use crate::support::PASSWORD;
use crate::support::binary::TestFolder;

const MEMBERS: [&str; 15] = [
    "id",
    "sub",
    "username",
    "email",
    "email_verified",
    "first_name",
    "last_name",
    "is_active",
    "is_staff",
    "is_superuser",
    "has_password",
    "must_change_password",
    "claims",
    "date_joined",
    "last_login",
];

#[test]
fn a_user_is_created_shown_and_listed() {
    let folder = TestFolder::new();
    let make = ["users", "create", "anna", "--email", "anna@example.com", "--password-stdin"];
    let output = folder.run_with(&format!("{PASSWORD}\n"), &make);
    assert_eq!((output.is(0), output.stderr.as_str()), ("1\n", "Created user anna with id 1.\n"));
    let root = ["users", "create", "root", "--email", "root@example.com", "--superuser", "--password-stdin"];
    assert_eq!(folder.run_with(PASSWORD, &root).is(0), "2\n");

    let anna = folder.run(&["users", "show", "ANNA@example.com", "--json"]).json();
    assert_eq!(
        names(&anna),
        [&MEMBERS as &[&str], &["pending_email", "pending_email_until", "live_sessions"]].concat()
    );
    for (name, value) in [
        ("id", json!(1)),
        ("username", json!("anna")),
        ("email", json!("anna@example.com")),
        ("is_active", json!(true)),
        ("is_superuser", json!(false)),
        ("has_password", json!(true)),
        ("must_change_password", json!(false)),
        ("claims", json!({})),
        ("last_login", Value::Null),
        ("live_sessions", json!(0)),
    ] {
        assert_eq!(anna[name], value, "{name}");
    }
    let list = folder.run(&["users", "list", "--json"]).json();
    assert_eq!(list.as_array().unwrap().iter().map(names).collect::<Vec<_>>(), [MEMBERS; 2]);
    assert_eq!(list[1]["is_superuser"], true);
    assert_eq!(folder.run(&["users", "list", "--json", "--search", "ROOT"]).json()[0]["username"], "root");
    assert_eq!(folder.run(&["users", "list", "--json", "--search", "%"]).json(), json!([]));
    let table = folder.run(&["users", "list"]);
    insta::assert_snapshot!(table.is(0), @"
    ID  USERNAME  EMAIL             FLAGS      LAST LOGIN
    1   anna      anna@example.com             never
    2   root      root@example.com  superuser  never
    ");
    assert!(table.stderr.contains("2 users."), "{table:?}");
    let line = "{\"username\":\"kenji.tanaka\",\"first_name\":\"Kenji\",\"last_name\":\"Tanaka\"}\n";
    folder.run_with(line, &["users", "import", "-"]).is(0);
    for text in ["tanaka", "NJI.TA", "tanaka kenji"] {
        let found = folder.run(&["users", "list", "--search", text]);
        assert!(found.is(0).contains("NAME") && found.stdout.contains("Kenji Tanaka"), "{text}: {found:?}");
        assert!(found.stderr.contains("1 user."), "{text}: {found:?}");
    }
    for output in [folder.run(&["users", "show", "anna"]), folder.run(&["users", "show", "anna", "--json"])] {
        assert!(!output.stdout.contains("argon2") && !output.stderr.contains("argon2"), "{output:?}");
    }
}

#[test]
fn a_rejected_user_is_reported_with_a_reason() {
    let folder = TestFolder::new();
    folder.create("anna");
    let create = |name: &str, email: &str, password: &str| {
        folder.run_with(password, &["users", "create", name, "--email", email, "--password-stdin"])
    };
    create("Anna", "other@example.com", PASSWORD).fails(1, &["another user has that username"]);
    create("ben", "ANNA@example.com", PASSWORD).fails(1, &["another user has that email"]);
    create("ben", "ben", PASSWORD).fails(1, &["--email must be a valid e-mail address"]);
    create("", "ben@example.com", PASSWORD).fails(1, &["the name must not be empty"]);
    create("ben", "ben@example.com", "short").fails(1, &["password must have at least 8 bytes"]);
    create("ben", "ben@example.com", "").fails(1, &["password must not be empty"]);
    folder
        .run(&["users", "create", "ben", "--email", "ben@example.com"])
        .fails(1, &["standard input is not a terminal", "--password-stdin"]);
    assert_eq!(folder.run(&["users", "list", "--json"]).json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn operator_changes_apply_to_a_running_server() {
    let folder = TestFolder::new();
    folder.create("anna");
    let server = folder.serve().await;
    let sign_in = async |password: &str| {
        server.post("/auth", None, &json!({"username": "anna", "password": password})).await.status
    };
    let token = server.token("anna").await;
    assert_eq!(folder.run(&["users", "show", "anna", "--json"]).json()["live_sessions"], 1);
    folder.run(&["users", "disable", "anna"]).is(0);
    assert_eq!(sign_in(PASSWORD).await, 401);
    server.post("/renew_token", Some(&token), &json!({})).await.refuses(401, "not_signed_in");
    assert_eq!(folder.run(&["users", "show", "anna", "--json"]).json()["is_active"], false);
    folder.run(&["users", "enable", "anna"]).is(0);
    assert_eq!(sign_in(PASSWORD).await, 200);

    folder.run_with("set by an operator\n", &["users", "set-password", "anna", "--password-stdin"]).is(0);
    assert_eq!((sign_in(PASSWORD).await, sign_in("set by an operator").await), (401, 200));
    folder.run(&["users", "set-claims", "anna", r#"{"roles":["editor"]}"#]).is(0);
    let response = server.post("/auth", None, &json!({"username": "anna", "password": "set by an operator"})).await;
    let claims = crate::support::token::claims(response.json()["jwt"].as_str().unwrap());
    assert_eq!(claims["roles"], json!(["editor"]));
    let id = folder.run(&["users", "show", "anna", "--json"]).json()["id"].to_string();
    folder.run(&["audit", "--user", &id]).fails(1, &["there is no user"]);
    folder.run(&["users", "delete", "anna"]).is(0);
    assert_eq!(sign_in("set by an operator").await, 401);
    folder.run(&["audit", "--user", "anna"]).fails(1, &["there is no user `anna`", "by id"]);
    assert!(folder.run(&["audit", "--user", &id]).is(0).contains("deleted"));
}

#[test]
fn rejected_changes_change_nothing() {
    let folder = TestFolder::new();
    folder.create("anna");
    let before = folder.run(&["users", "show", "anna", "--json"]).json();
    for command in ["show", "disable", "enable", "delete"] {
        folder.run(&["users", command, "nobody"]).fails(1, &["there is no user `nobody`", "users list"]);
    }
    folder.run_with(PASSWORD, &["users", "set-password", "nobody", "--password-stdin"]).fails(1, &["`nobody`"]);
    folder.run_with("short", &["users", "set-password", "anna", "--password-stdin"]).fails(1, &["at least 8 bytes"]);
    for (claims, message) in [
        ("nonsense", "claims must be a JSON object"),
        ("[1]", "claims must be a JSON object"),
        (r#"{"sub":"x"}"#, "the claim `sub` is reserved for the issuer"),
        (r#"{"user_id":2}"#, "the claim `user_id` is reserved for the issuer"),
        (&json!({"x": "y".repeat(4096)}).to_string(), "at most 2048 bytes"),
    ] {
        folder.run(&["users", "set-claims", "anna", claims]).fails(1, &[message]);
    }
    assert_eq!(folder.run(&["users", "show", "anna", "--json"]).json(), before);
}

#[test]
fn the_audit_log_names_actor_and_action() {
    let folder = TestFolder::new();
    folder.create("anna");
    folder.create("ben");
    folder.run(&["users", "disable", "anna"]).is(0);
    folder.run(&["settings", "set", "registration.open", "false"]).is(0);
    let lines = folder.run(&["audit", "--json"]).json();
    let actions: Vec<&str> = lines.as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["setting_changed", "disabled", "registered", "registered"], "newest first");
    assert_eq!(names(&lines[0]), ["at", "action", "user_id", "username", "actor_id", "actor", "address", "detail"]);
    assert_eq!(lines[0]["detail"], "registration.open = false by the command line");
    let of_anna = folder.run(&["audit", "--user", "ANNA", "--json"]).json();
    assert!(of_anna.as_array().unwrap().iter().all(|line| line["username"] == "anna"), "{of_anna}");
    assert_eq!(of_anna.as_array().unwrap().len(), 2);
    assert_eq!(folder.run(&["audit", "--limit", "1", "--json"]).json().as_array().unwrap().len(), 1);
    let table = folder.run(&["audit"]);
    assert!(table.is(0).starts_with("AT ") && table.stdout.lines().count() == 5, "{table:?}");
    folder.run(&["audit", "--user", "nobody"]).fails(1, &["there is no user `nobody`"]);
}
