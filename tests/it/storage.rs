//! Behaviour with a full disk, a read-only database, or a database locked by another process. Reads continue, writes
//! get 503 with `Retry-After`, and the server recovers without a restart. The tests in `src/store` cover failed
//! commits.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::binary::{Binary, TestFolder, finish};
use crate::support::skip::skip;
use crate::support::{PASSWORD, token, wait_until};

fn new_user(name: &str) -> Value {
    json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")})
}

/// Registers a user and returns an access token and a refresh token.
async fn register_and_sign_in(folder: &TestFolder, server: &Binary) -> (String, Value) {
    server.post("/register", None, &new_user("anna")).await.is(200);
    let login = json!({"username": "anna", "password": PASSWORD});
    let pair = server.post("/api/token/", None, &login).await.is(200).json();
    assert!(folder.path("data/countersign.db").exists());
    (pair["access"].as_str().unwrap().to_owned(), pair["refresh"].clone())
}

/// Asserts that requests without a write work: keys, liveliness and verification.
async fn assert_reads_work(server: &Binary, access: &str) {
    server.get("/.well-known/jwks.json").await.is(200);
    server.get("/get_public_cert").await.is(200);
    server.get("/liveliness").await.is(200);
    server.post("/api/token/verify/", None, &json!({"token": access})).await.is(200);
}

/// Asserts that a write gets 503 with `Retry-After`.
async fn assert_write_unavailable(server: &Binary, name: &str) {
    let refused = server.post("/register", None, &new_user(name)).await;
    assert!(!refused.is(503).header("retry-after").is_empty(), "{refused:?}");
    assert!(!refused.text.contains("disk") && !refused.text.contains("lock"), "{refused:?}");
}

/// Sets the maximum file size of the server process. Returns `false` if that is not possible here.
fn limit(server: &Binary, bytes: &str) -> bool {
    let pid = format!("--pid={}", server.id());
    let size = format!("--fsize={bytes}:");
    Command::new("prlimit").args([pid, size]).status().is_ok_and(|status| status.success())
}

/// A file-size limit simulates a full disk. The kernel then also sends SIGXFSZ, which must not end the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_only_writes() {
    let folder = TestFolder::new();
    let server = folder.serve().await;
    let (access, refresh) = register_and_sign_in(&folder, &server).await;
    if !limit(&server, "4096") {
        return skip("prlimit cannot set the limit of another process here");
    }
    for name in ["berta", "clara"] {
        assert_write_unavailable(&server, name).await;
        assert_reads_work(&server, &access).await;
    }
    let sign_in = server.post("/auth", None, &json!({"username": "anna", "password": PASSWORD})).await;
    assert_eq!(sign_in.status, 503, "{sign_in:?}");
    let causes = || server.log.lock().unwrap().matches("store unavailable").count();
    wait_until("the causes are logged", async || causes() >= 3).await;
    assert_eq!(causes(), 3, "one for each request");
    assert!(limit(&server, "unlimited"));
    wait_until("writes succeed again", async || server.post("/register", None, &new_user("dora")).await.status == 200)
        .await;
    assert_reads_work(&server, &access).await;
    server.post("/api/token/refresh/", None, &json!({"refresh": refresh})).await.is(200);
    // The rejected requests have changed nothing.
    for name in ["berta", "clara"] {
        server.post("/register", None, &new_user(name)).await.is(200);
    }
    server.get("/ready").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_waited_for_and_then_unavailable_slow() {
    let folder = TestFolder::new();
    let server = folder.serve().await;
    let (access, refresh) = register_and_sign_in(&folder, &server).await;
    let other = Connection::open(folder.path("data/countersign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (refused, ()) = tokio::join!(assert_write_unavailable(&server, "berta"), async {
        assert_reads_work(&server, &access).await;
        // Reads need no lock.
        server.get("/ready").await.is(200);
    });
    let () = refused;
    other.execute_batch("COMMIT").unwrap();
    server.post("/register", None, &new_user("berta")).await.is(200);
    server.post("/api/token/refresh/", None, &json!({"refresh": refresh})).await.is(200);
}

/// Kills a server and starts it again through a shell command.
async fn restarted(folder: &TestFolder, server: Binary, line: &str) -> Binary {
    server.kill().await;
    folder.serve_with_shell(line).await
}

/// A folder with a fixed issuer, so that its servers accept each other's tokens on any port.
fn folder_with_fixed_issuer() -> TestFolder {
    let folder = TestFolder::new();
    folder.configure("tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_locked_database_serves_and_is_recorded_later_slow() {
    let folder = folder_with_fixed_issuer();
    let server = folder.serve().await;
    let (access, _) = register_and_sign_in(&folder, &server).await;
    let other = Connection::open(folder.path("data/countersign.db")).unwrap();
    server.kill().await;
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let server = folder.serve().await;
    assert_reads_work(&server, &access).await;
    assert_write_unavailable(&server, "berta").await;
    let log = server.log.lock().unwrap().clone();
    assert_eq!(log.matches("start not recorded yet").count(), 1, "{log}");
    other.execute_batch("COMMIT").unwrap();
    server.post("/register", None, &new_user("berta")).await.is(200);
    wait_until("the start is recorded", async || server.get("/liveliness").await.json()["starts"] == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_serves_and_is_recorded_later() {
    let folder = folder_with_fixed_issuer();
    let server = folder.serve().await;
    let (access, _) = register_and_sign_in(&folder, &server).await;
    // Enough writes to make the WAL larger than the later file-size limit.
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
    assert!(server.log.lock().unwrap().contains("start not recorded yet"));
    assert!(limit(&server, "unlimited"));
    wait_until("writes succeed again", async || server.post("/register", None, &new_user("berta")).await.status == 200)
        .await;
    wait_until("the start is recorded", async || server.get("/liveliness").await.json()["starts"] == 2).await;
}

/// Asserts that a server without its database serves keys and verifies tokens, but is not ready and rejects writes.
async fn assert_works_without_database(server: &Binary, access: &str) {
    assert_reads_work(server, access).await;
    server.get("/ready").await.is(503);
    assert_write_unavailable(server, "berta").await;
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("database not available yet") && log.contains("countersign.db"), "{log}");
}

/// Asserts that sign-in and registration work again and that the start is recorded, in the same process.
async fn assert_recovers(server: &Binary, starts: u32) {
    let login = json!({"username": "anna", "password": PASSWORD});
    wait_until("the database is opened", async || server.post("/auth", None, &login).await.status == 200).await;
    server.post("/register", None, &new_user("berta")).await.is(200);
    server.get("/ready").await.is(200);
    wait_until("the start is recorded", async || server.get("/liveliness").await.json()["starts"] == starts).await;
}

/// A folder whose server was shut down cleanly, so that no WAL is left, with a stored access lifetime of 77 s; and an
/// access token.
async fn cleanly_stopped() -> (TestFolder, String) {
    let folder = folder_with_fixed_issuer();
    let mut server = folder.serve().await;
    let (access, _) = register_and_sign_in(&folder, &server).await;
    folder.run(&["settings", "set", "profiles.jwt_issuer.access_lifetime", "77"]).is(0);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
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
    let server = folder.spawn_with_shell(full).await;
    assert_works_without_database(&server, &access).await;
    let link = "/admin/welcome?token=";
    assert!(!server.log.lock().unwrap().contains(link));
    assert!(limit(&server, "unlimited"));
    assert_recovers(&server, 2).await;
    // The stored settings apply from the first token on.
    let claims = token::claims(&server.token("anna").await);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 77);
    wait_until("the log contains the link", async || server.log.lock().unwrap().contains(link)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_audience_before_the_database_opens_ends_no_session() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip("prlimit is not installed");
    }
    let folder = folder_with_fixed_issuer();
    let mut server = folder.serve().await;
    folder.run(&["settings", "set", "profiles.jwt_issuer.audience", "shop"]).is(0);
    folder.create("anna");
    wait_until("the audience applies", async || token::claims(&server.token("anna").await)["aud"] == "shop").await;
    let token = server.token("anna").await;
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().await.code(), Some(0));

    let full = "PATH=/usr/local/bin:/usr/bin:/bin; prlimit --pid=$$ --fsize=4096: && exec \"$0\" \"$@\"";
    let server = folder.spawn_with_shell(full).await;
    let invalid = json!({"token": token.replace('.', "x.")});
    server.post("/api/token/verify/", None, &invalid).await.is(401);
    server.post("/api/token/verify/", None, &json!({"token": token})).await.is(503);
    server.post("/renew_token", Some(&token), &json!({})).await.is(503);
    assert!(limit(&server, "unlimited"));
    wait_until("the audience is loaded", async || {
        server.post("/renew_token", Some(&token), &json!({})).await.status == 200
    })
    .await;
    server.post("/api/token/verify/", None, &json!({"token": token})).await.is(200);
}

/// A read-only file or folder. Dropping the value makes it writable again.
struct ReadOnlyPath(PathBuf);

impl ReadOnlyPath {
    /// Returns `None` if the path is still writable, for example because neither command works here.
    fn new(path: PathBuf) -> Option<Self> {
        let read_only = Self(path);
        read_only.set("a-w", "+i");
        let probe = read_only.0.join("probe");
        let writable = if read_only.0.is_dir() {
            fs::write(&probe, "").is_ok()
        } else {
            File::options().append(true).open(&read_only.0).is_ok()
        };
        let _ = fs::remove_file(probe);
        (!writable).then_some(read_only)
    }

    /// Changes the mode and the attribute. The mode alone does not stop root from writing; the attribute does, but not
    /// every file system supports it.
    fn set(&self, mode: &str, attribute: &str) {
        // The mode of an immutable file cannot be changed. So when both are undone, the mode changes only in the second
        // round.
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
        let Some(read_only) = ReadOnlyPath::new(folder.path(name)) else {
            return skip("neither chmod nor chattr prevents writing here");
        };
        let server = folder.spawn().await;
        assert_works_without_database(&server, &access).await;
        drop(read_only);
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
    let message = "superuser of [admin] created";
    assert!(!server.log.lock().unwrap().contains(message));
    other.execute_batch("COMMIT").unwrap();
    wait_until("the superuser is created", async || server.log.lock().unwrap().contains(message)).await;
    server.token("root").await;
}

/// A first start fails instead of waiting for free space, because it would have no keys to serve.
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
    // With free space the same folder works.
    folder.create("anna");
}
