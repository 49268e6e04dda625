//! A disk that is full and a database that another process keeps: what needs neither goes on, what writes is refused with
//! a word when to come again, and all is well afterwards without a restart. What SQLite does in a read-only file system
//! and with a failing commit is tested in the store.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::binary::{Binary, TestFolder, finish};
use crate::support::skip::skip;
use crate::support::{PASSWORD, settle, token};

fn new_user(name: &str) -> Value {
    json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")})
}

/// A server with a user, an access token of hers and a refresh token.
async fn working_server(folder: &TestFolder, server: &Binary) -> (String, Value) {
    server.post("/register", None, &new_user("anna")).await.is(200);
    let login = json!({"username": "anna", "password": PASSWORD});
    let pair = server.post("/api/token/", None, &login).await.is(200).json();
    assert!(folder.path("data/countersign.db").exists());
    (pair["access"].as_str().unwrap().to_owned(), pair["refresh"].clone())
}

/// Without a write: keys, liveliness, verification, and reading.
async fn assert_reads_work(server: &Binary, access: &str) {
    server.get("/.well-known/jwks.json").await.is(200);
    server.get("/get_public_cert").await.is(200);
    server.get("/liveliness").await.is(200);
    server.post("/api/token/verify/", None, &json!({"token": access})).await.is(200);
}

/// Whoever writes is told when to come again.
async fn assert_write_unavailable(server: &Binary, name: &str) {
    let refused = server.post("/register", None, &new_user(name)).await;
    assert!(!refused.is(503).header("retry-after").is_empty(), "{refused:?}");
    assert!(!refused.text.contains("disk") && !refused.text.contains("lock"), "{refused:?}");
}

/// Sets how long the files may grow that a process writes; false where that can't be done here.
fn limit(server: &Binary, bytes: &str) -> bool {
    let pid = format!("--pid={}", server.id());
    let size = format!("--fsize={bytes}:");
    Command::new("prlimit").args([pid, size]).status().is_ok_and(|status| status.success())
}

/// A limit on files does as a full disk does; the signal that comes with it must not end the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_only_writes() {
    let folder = TestFolder::new();
    let server = folder.serve().await;
    let (access, refresh) = working_server(&folder, &server).await;
    if !limit(&server, "4096") {
        return skip("prlimit cannot set the limit of another process here");
    }
    for name in ["berta", "clara"] {
        assert_write_unavailable(&server, name).await;
        assert_reads_work(&server, &access).await;
    }
    let sign_in = server.post("/auth", None, &json!({"username": "anna", "password": PASSWORD})).await;
    assert_eq!(sign_in.status, 503, "{sign_in:?}");
    assert!(limit(&server, "unlimited"));
    settle("the disk to be there again", async || {
        server.post("/register", None, &new_user("dora")).await.status == 200
    })
    .await;
    assert_reads_work(&server, &access).await;
    server.post("/api/token/refresh/", None, &json!({"refresh": refresh})).await.is(200);
    // What was refused did not happen.
    for name in ["berta", "clara"] {
        server.post("/register", None, &new_user(name)).await.is(200);
    }
    server.get("/ready").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_waited_for_and_then_unavailable_slow() {
    let folder = TestFolder::new();
    let server = folder.serve().await;
    let (access, refresh) = working_server(&folder, &server).await;
    let other = Connection::open(folder.path("data/countersign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (refused, ()) = tokio::join!(assert_write_unavailable(&server, "berta"), async {
        assert_reads_work(&server, &access).await;
        // To read nobody's leave is needed.
        server.get("/ready").await.is(200);
    });
    let () = refused;
    other.execute_batch("COMMIT").unwrap();
    server.post("/register", None, &new_user("berta")).await.is(200);
    server.post("/api/token/refresh/", None, &json!({"refresh": refresh})).await.is(200);
}

/// Ends a server as a crash does and starts it again, by a line of shell.
async fn restarted(folder: &TestFolder, server: Binary, line: &str) -> Binary {
    server.kill().await;
    folder.serve_by(line).await
}

/// A folder whose servers take each other's tokens, whatever port they have.
fn lasting() -> TestFolder {
    let folder = TestFolder::new();
    folder.configure("tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_locked_database_serves_and_is_recorded_later_slow() {
    let folder = lasting();
    let server = folder.serve().await;
    let (access, _) = working_server(&folder, &server).await;
    let other = Connection::open(folder.path("data/countersign.db")).unwrap();
    server.kill().await;
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let server = folder.serve().await;
    assert_reads_work(&server, &access).await;
    assert_write_unavailable(&server, "berta").await;
    let log = server.log.lock().unwrap().clone();
    assert_eq!(log.matches("the start could not be recorded yet").count(), 1, "{log}");
    other.execute_batch("COMMIT").unwrap();
    server.post("/register", None, &new_user("berta")).await.is(200);
    settle("the start to be recorded", async || server.get("/liveliness").await.json()["starts"] == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_serves_and_is_recorded_later() {
    let folder = lasting();
    let server = folder.serve().await;
    let (access, _) = working_server(&folder, &server).await;
    // So much that the log of what was written is longer than any file may be afterwards.
    for at in 0..8 {
        server.post("/register", None, &new_user(&format!("user{at}"))).await.is(200);
    }
    assert!(std::fs::metadata(folder.path("data/countersign.db-wal")).unwrap().len() > 65_536);
    let full = "prlimit --pid=$$ --fsize=65536: && exec \"$0\" \"$@\"";
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip("prlimit is not installed");
    }
    let full = format!("PATH=/usr/local/bin:/usr/bin:/bin; {full}");
    let server = restarted(&folder, server, &full).await;
    assert_reads_work(&server, &access).await;
    assert_write_unavailable(&server, "berta").await;
    assert!(server.log.lock().unwrap().contains("the start could not be recorded yet"));
    assert!(limit(&server, "unlimited"));
    settle("the disk to be there again", async || {
        server.post("/register", None, &new_user("berta")).await.status == 200
    })
    .await;
    settle("the start to be recorded", async || server.get("/liveliness").await.json()["starts"] == 2).await;
}

/// Without a database: what needs none goes on, and nothing else does.
async fn assert_only_keys_served(server: &Binary, access: &str) {
    assert_reads_work(server, access).await;
    server.get("/ready").await.is(503);
    assert_write_unavailable(server, "berta").await;
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("the database can't be opened yet") && log.contains("countersign.db"), "{log}");
}

/// The database came back: a sign-in and a registration are done, and the start is recorded, by the same process.
async fn assert_recovers(server: &Binary, starts: u32) {
    let login = json!({"username": "anna", "password": PASSWORD});
    settle("the database to be opened", async || server.post("/auth", None, &login).await.status == 200).await;
    server.post("/register", None, &new_user("berta")).await.is(200);
    server.get("/ready").await.is(200);
    settle("the start to be recorded", async || server.get("/liveliness").await.json()["starts"] == starts).await;
}

/// A folder whose server was stopped well: its database has no log beside it. And an access token.
async fn cleanly_stopped() -> (TestFolder, String) {
    let folder = lasting();
    let mut server = folder.serve().await;
    let (access, _) = working_server(&folder, &server).await;
    folder.run(&["settings", "set", "profiles.jwt_issuer.access_lifetime", "77"]).is(0);
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(!folder.path("data/countersign.db-wal").exists());
    (folder, access)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_after_a_clean_shutdown_serves_keys_until_space_is_freed_slow() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip("prlimit is not installed");
    }
    let (folder, access) = cleanly_stopped().await;
    let full = "PATH=/usr/local/bin:/usr/bin:/bin; prlimit --pid=$$ --fsize=4096: && exec \"$0\" \"$@\"";
    let server = folder.begin_by(full).await;
    assert_only_keys_served(&server, &access).await;
    let link = "/admin/welcome?token=";
    assert!(!server.log.lock().unwrap().contains(link));
    assert!(limit(&server, "unlimited"));
    assert_recovers(&server, 2).await;
    // What was set is in force from the first token on.
    let claims = token::claims(&server.token("anna").await);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 77);
    settle("the link", async || server.log.lock().unwrap().contains(link)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_audience_before_the_database_opens_ends_no_session() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip("prlimit is not installed");
    }
    let folder = lasting();
    let mut server = folder.serve().await;
    folder.run(&["settings", "set", "profiles.jwt_issuer.audience", "shop"]).is(0);
    folder.create("anna");
    settle("the audience", async || token::claims(&server.token("anna").await)["aud"] == "shop").await;
    let token = server.token("anna").await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));

    let full = "PATH=/usr/local/bin:/usr/bin:/bin; prlimit --pid=$$ --fsize=4096: && exec \"$0\" \"$@\"";
    let server = folder.begin_by(full).await;
    let of_another = json!({"token": token.replace('.', "x.")});
    server.post("/api/token/verify/", None, &of_another).await.is(401);
    server.post("/api/token/verify/", None, &json!({"token": token})).await.is(503);
    server.post("/renew_token", Some(&token), &json!({})).await.is(503);
    assert!(limit(&server, "unlimited"));
    settle("the audience to be read", async || {
        server.post("/renew_token", Some(&token), &json!({})).await.status == 200
    })
    .await;
    server.post("/api/token/verify/", None, &json!({"token": token})).await.is(200);
}

/// A file or folder that can't be written to, whoever tries; as it was before when this is dropped.
struct ReadOnlyPath(PathBuf);

impl ReadOnlyPath {
    /// None where nothing keeps this user from writing.
    fn new(path: PathBuf) -> Option<Self> {
        let frozen = Self(path);
        frozen.set("a-w", "+i");
        let probe = frozen.0.join("probe");
        let writable = if frozen.0.is_dir() {
            fs::write(&probe, "").is_ok()
        } else {
            File::options().append(true).open(&frozen.0).is_ok()
        };
        let _ = fs::remove_file(probe);
        (!writable).then_some(frozen)
    }

    /// For a user the mode is enough; root needs more, and not every file system has it.
    fn set(&self, mode: &str, attribute: &str) {
        // In this order to freeze it, for the mode of what is frozen can't be set; both ways round to thaw it.
        for _ in 0..2 {
            let _ = Command::new("chmod").arg(mode).arg(&self.0).stderr(Stdio::null()).status();
            let _ = Command::new("chattr").arg(attribute).arg(&self.0).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for ReadOnlyPath {
    fn drop(&mut self) {
        self.set("u+w", "-i");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_read_only_file_or_folder_serves_keys_until_it_is_writable_slow() {
    for name in ["data/countersign.db", "data"] {
        let (folder, access) = cleanly_stopped().await;
        let Some(frozen) = ReadOnlyPath::new(folder.path(name)) else {
            return skip("neither chmod nor chattr makes a file read-only here");
        };
        let server = folder.begin().await;
        assert_only_keys_served(&server, &access).await;
        drop(frozen);
        assert_recovers(&server, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_locked_database_creates_the_configured_superuser_later_slow() {
    let (folder, access) = cleanly_stopped().await;
    folder.configure("admin = { username = 'root', email = 'root@example.com', password = 'correct horse battery' }");
    let other = Connection::open(folder.path("data/countersign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let server = folder.serve().await;
    assert_reads_work(&server, &access).await;
    let made = "the superuser of [admin] is made";
    assert!(!server.log.lock().unwrap().contains(made));
    other.execute_batch("COMMIT").unwrap();
    settle("the superuser", async || server.log.lock().unwrap().contains(made)).await;
    server.token("root").await;
}

/// A first start is not put off: it would serve nobody.
#[test]
fn a_first_start_on_a_full_disk_fails_with_path_and_cause() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip("prlimit is not installed");
    }
    let folder = TestFolder::new();
    let mut command = Command::new("prlimit");
    command.args(["--fsize=4096:", env!("CARGO_BIN_EXE_countersign"), "serve", "--listen", "127.0.0.1:0"]);
    command.current_dir(folder.path(""));
    finish(command, "").fails(1, &["opening the database data/countersign.db", "the disk is full or failing"]);
    // With room, the same folder will do.
    folder.create("anna");
}
