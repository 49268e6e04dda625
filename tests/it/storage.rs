//! A disk that is full and a database that another process keeps: what needs neither goes on, what writes is refused with
//! a word when to come again, and all is well afterwards without a restart. What SQLite does in a read-only file system
//! and with a failing commit is tested in the store.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::binary::{Binary, Folder, skipped};
use crate::support::{PASSWORD, settle};

fn new_user(name: &str) -> Value {
    json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")})
}

/// A server with a user, an access token of hers and a refresh token.
async fn at_work(folder: &Folder, server: &Binary) -> (String, Value) {
    server.post("/register", None, &new_user("anna")).await.is(200);
    let login = json!({"username": "anna", "password": PASSWORD});
    let pair = server.post("/api/token/", None, &login).await.is(200).json();
    assert!(folder.path("data/countersign.db").exists());
    (pair["access"].as_str().unwrap().to_owned(), pair["refresh"].clone())
}

/// Without a write: keys, liveliness, verification, and reading.
async fn goes_on(server: &Binary, access: &str) {
    server.get("/.well-known/jwks.json").await.is(200);
    server.get("/get_public_cert").await.is(200);
    server.get("/liveliness").await.is(200);
    server.post("/api/token/verify/", None, &json!({"token": access})).await.is(200);
}

/// Whoever writes is told when to come again.
async fn is_refused(server: &Binary, name: &str) {
    let refused = server.post("/register", None, &new_user(name)).await;
    assert!(!refused.is(503).header("retry-after").is_empty(), "{refused:?}");
    assert!(!refused.text.contains("disk") && !refused.text.contains("lock"), "{refused:?}");
}

/// Sets how long the files may grow that a process writes; false where that can't be done here.
fn limit(server: &Binary, bytes: &str) -> bool {
    let (pid, size) = (format!("--pid={}", server.id()), format!("--fsize={bytes}:"));
    Command::new("prlimit").args([pid, size]).status().is_ok_and(|status| status.success())
}

/// A limit on files does as a full disk does; the signal that comes with it must not end the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_what_writes_and_nothing_else() {
    let folder = Folder::new();
    let server = folder.serve().await;
    let (access, refresh) = at_work(&folder, &server).await;
    if !limit(&server, "4096") {
        return skipped("prlimit can't set the limit of another process here");
    }
    for name in ["berta", "clara"] {
        is_refused(&server, name).await;
        goes_on(&server, &access).await;
    }
    let sign_in = server.post("/auth", None, &json!({"username": "anna", "password": PASSWORD})).await;
    assert_eq!(sign_in.status, 503, "{sign_in:?}");
    assert!(limit(&server, "unlimited"));
    settle("the disk to be there again", async || {
        server.post("/register", None, &new_user("dora")).await.status == 200
    })
    .await;
    goes_on(&server, &access).await;
    server.post("/api/token/refresh/", None, &json!({"refresh": refresh})).await.is(200);
    // What was refused did not happen.
    for name in ["berta", "clara"] {
        server.post("/register", None, &new_user(name)).await.is(200);
    }
    server.get("/ready").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_process_keeps_is_waited_for_and_given_up() {
    let folder = Folder::new();
    let server = folder.serve().await;
    let (access, refresh) = at_work(&folder, &server).await;
    let other = Connection::open(folder.path("data/countersign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (refused, ()) = tokio::join!(is_refused(&server, "berta"), async {
        goes_on(&server, &access).await;
        // To read nobody's leave is needed.
        server.get("/ready").await.is(200);
    });
    let () = refused;
    other.execute_batch("COMMIT").unwrap();
    server.post("/register", None, &new_user("berta")).await.is(200);
    server.post("/api/token/refresh/", None, &json!({"refresh": refresh})).await.is(200);
}

/// Ends a server as a crash does and starts it again, by a line of shell.
async fn restarted(folder: &Folder, server: Binary, line: &str) -> Binary {
    server.kill().await;
    folder.serve_by(line).await
}

/// A folder whose servers take each other's tokens, whatever port they have.
fn lasting() -> Folder {
    let folder = Folder::new();
    folder.configure("tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_locked_database_is_served_and_recorded_later() {
    let folder = lasting();
    let server = folder.serve().await;
    let (access, _) = at_work(&folder, &server).await;
    let other = Connection::open(folder.path("data/countersign.db")).unwrap();
    server.kill().await;
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let server = folder.serve().await;
    goes_on(&server, &access).await;
    is_refused(&server, "berta").await;
    let log = server.log.lock().unwrap().clone();
    assert_eq!(log.matches("the start could not be recorded yet").count(), 1, "{log}");
    other.execute_batch("COMMIT").unwrap();
    server.post("/register", None, &new_user("berta")).await.is(200);
    settle("the start to be recorded", async || server.get("/liveliness").await.json()["starts"] == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_is_served_and_recorded_later() {
    let folder = lasting();
    let server = folder.serve().await;
    let (access, _) = at_work(&folder, &server).await;
    // So much that the log of what was written is longer than any file may be afterwards.
    for at in 0..8 {
        server.post("/register", None, &new_user(&format!("user{at}"))).await.is(200);
    }
    assert!(std::fs::metadata(folder.path("data/countersign.db-wal")).unwrap().len() > 65_536);
    let full = "prlimit --pid=$$ --fsize=65536: && exec \"$0\" \"$@\"";
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skipped("prlimit is not installed");
    }
    let full = format!("PATH=/usr/local/bin:/usr/bin:/bin; {full}");
    let server = restarted(&folder, server, &full).await;
    goes_on(&server, &access).await;
    is_refused(&server, "berta").await;
    assert!(server.log.lock().unwrap().contains("the start could not be recorded yet"));
    assert!(limit(&server, "unlimited"));
    settle("the disk to be there again", async || {
        server.post("/register", None, &new_user("berta")).await.status == 200
    })
    .await;
    settle("the start to be recorded", async || server.get("/liveliness").await.json()["starts"] == 2).await;
}
