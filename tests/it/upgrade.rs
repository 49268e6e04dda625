//! The migration of a database from the first schema: all data stays usable, and the server keeps a copy of the old
//! file.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::binary::TestFolder;
use crate::support::{PASSWORD, mail};

const FIRST: &str = include_str!("../../migrations/sqlite/0001_first.sql");

/// Converts the database at `data/countersign.db` back to the first schema. Copies the tables of that schema, with its
/// columns.
fn downgrade(folder: &TestFolder) {
    let now = folder.path("data/countersign.db");
    let old = folder.path("data/old.db");
    let connection = Connection::open(&old).unwrap();
    connection.execute_batch(&format!("{FIRST} PRAGMA user_version = 1; PRAGMA foreign_keys = OFF;")).unwrap();
    connection.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut names = connection.prepare(sql).unwrap();
        names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let tables = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
         AND name IN (SELECT name FROM now.sqlite_schema)";
    for table in names(tables) {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}', 'main')")).join(", ");
        let values = columns.replace("dialect", "opened_by");
        let values = values.replace("must_change_password", "temporary_since IS NOT NULL");
        let copy = format!("INSERT INTO main.{table} ({columns}) SELECT {values} FROM now.{table}");
        connection.execute_batch(&copy).unwrap();
    }
    connection.execute_batch("DETACH now").unwrap();
    connection.close().unwrap();
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(folder.path(&format!("data/countersign.db{end}")));
    }
    fs::rename(old, now).unwrap();
}

/// Starts a server, signs `anna` in twice and stops the server. Returns an access token and a token pair.
async fn sign_in_and_stop(folder: &TestFolder) -> (String, Value) {
    let mut server = folder.serve().await;
    let token = server.token("anna").await;
    let pair = json!({"username": "anna", "password": PASSWORD});
    let pair = server.post("/api/token/", None, &pair).await.is(200).json();
    server.signal("TERM");
    server.wait_for_exit().await;
    (token, pair)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_first_schema_is_migrated_without_loss() {
    let folder = TestFolder::new();
    folder.configure("tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }");
    folder.create("anna");
    folder.run(&["settings", "set", "sessions.max_age", "86400"]).is(0);
    let (token, pair) = sign_in_and_stop(&folder).await;
    downgrade(&folder);

    let server = folder.serve().await;
    server.post("/renew_token", Some(&token), &json!({})).await.is(200);
    server.post("/api/token/refresh/", None, &json!({"refresh": pair["refresh"]})).await.is(200);
    let renewed = server.token("anna").await;
    server.post("/renew_token", Some(&renewed), &json!({})).await.is(200);
    let uuids = json!({"email": "anna@example.com", "password": PASSWORD});
    let uuids = server.post("/api/login/", None, &uuids).await.is(200).json();
    let refresh = json!({"refresh_token": uuids["refresh_token"]});
    server.post("/api/refresh/", None, &refresh).await.is(200);
    server.post("/request_password_reset", None, &json!({"email": "anna@example.com"})).await.is(200);
    crate::support::wait_until("an e-mail is sent", async || mail::all(&folder.path("data/mail")).len() == 1).await;
    let settings = folder.run(&["settings", "list", "--json"]).json().to_string();
    assert!(settings.contains("86400"), "{settings}");

    let copy = Connection::open(folder.path("data/countersign.db.before-2")).unwrap();
    let version: i64 = copy.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let users: i64 = copy.query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!((version, users), (1, 1), "the copy has the old schema");
}

/// An older server that runs beside a newer one writes the expiry of a session without its day.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_written_by_an_older_server_stays_live() {
    let folder = TestFolder::new();
    folder.configure("tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }");
    folder.create("anna");
    let (token, pair) = sign_in_and_stop(&folder).await;
    let database = Connection::open(folder.path("data/countersign.db")).unwrap();
    let changed = database.execute("UPDATE sessions SET expires_day = 0", []).unwrap();
    assert_eq!(changed, 2);
    drop(database);

    // The first cleanup runs at the start.
    let server = folder.serve().await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    server.post("/renew_token", Some(&token), &json!({})).await.is(200);
    server.post("/api/token/refresh/", None, &json!({"refresh": pair["refresh"]})).await.is(200);
    let database = Connection::open(folder.path("data/countersign.db")).unwrap();
    let missing_days = "SELECT count(*) FROM sessions WHERE expires_day = 0";
    let missing_days: i64 = database.query_row(missing_days, [], |row| row.get(0)).unwrap();
    assert_eq!(missing_days, 0, "the next refresh sets the day");
}

#[tokio::test]
async fn a_database_is_not_migrated_under_a_server_of_an_older_version() {
    let folder = TestFolder::new();
    folder.create("anna");
    drop(folder.serve().await);
    downgrade(&folder);
    // A server of the older version holds this lock as long as it runs.
    let lock = fs::File::options().read(true).write(true).open(folder.path("data/.countersign-serving")).unwrap();
    lock.lock_shared().unwrap();
    for command in [
        &["users", "list"] as &[&str],
        &["users", "disable", "anna"],
        &["settings", "set", "registration.open", "false"],
        &["audit"],
        &["token", "mint", "--user", "anna"],
        &["keys", "rotate"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        folder.run(command).fails(1, &["a server of an older version uses data/countersign.db", "stop"]);
    }
    // Emergencies do not need the database, and a check changes nothing.
    let kid = folder.kid("ES256", "active");
    folder.run(&["keys", "revoke", &kid]).is(0);
    assert_eq!(folder.run(&["check"]).code, Some(0));
    let schema = || {
        let database = Connection::open(folder.path("data/countersign.db")).unwrap();
        database.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(schema(), 1);
    drop(lock);
    folder.run(&["users", "show", "anna"]).is(0);
    assert!(schema() > 1);
    folder.serve().await.token("anna").await;
}
