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

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_what_writes_and_nothing_else() {
    let folder = Folder::new();
    let server = folder.serve_by("trap '' XFSZ; exec \"$0\" \"$@\"").await;
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
