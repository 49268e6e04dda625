//! The conformance suite on SQLite, and the behaviour that only SQLite has: its file, its pragmas, its syncs.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::domain::field::Field;
use crate::domain::id::SessionId;
use crate::skip::skip;
use crate::store::Store;
use crate::store::conformance::retrying_store::RetryingStore;
use crate::store::conformance::{self, conformance};

/// Returns an empty store, and its folder, which must live as long as the store.
fn fresh() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = Store::Sqlite(Database::open(&folder.path().join("test.db")).unwrap());
    (store, folder)
}

conformance!(fresh);

/// SQLite's messages of unique constraints are recognised, although no check has seen the conflict.
#[tokio::test]
async fn a_violated_unique_constraint_names_what_is_in_use() {
    let (store, _folder) = fresh();
    let Store::Sqlite(database) = store;
    let users = "INSERT INTO users (id, sub, username, username_key, email, email_key, date_joined) VALUES";
    let accounts = "INSERT INTO social_accounts (provider, social_id, user_id, linked_at) VALUES";
    let expected = [
        (format!("{users} (1, zeroblob(16), 'a', 'a', 'a@b', 'a@b', 1)"), Ok(())),
        (format!("{users} (2, x'11111111111111111111111111111111', 'b', 'b', 'b@b', 'b@b', 1)"), Ok(())),
        (format!("{users} (1, randomblob(16), 'c', 'c', NULL, NULL, 1)"), Err(StoreError::InUse("id"))),
        (format!("{users} (3, zeroblob(16), 'c', 'c', NULL, NULL, 1)"), Err(StoreError::InUse("sub"))),
        (format!("{users} (3, randomblob(16), 'A', 'a', NULL, NULL, 1)"), Err(StoreError::Taken(Field::Username))),
        (format!("{users} (3, randomblob(16), 'c', 'c', 'A@b', 'a@b', 1)"), Err(StoreError::Taken(Field::Email))),
        (format!("{accounts} ('google', 'x', 1, 1)"), Ok(())),
        (format!("{accounts} ('google', 'x', 2, 1)"), Err(StoreError::InUse("account at the provider"))),
        (format!("{accounts} ('google', 'y', 1, 1)"), Err(StoreError::InUse("user's link to the provider"))),
    ];
    for (sql, expected) in expected {
        let insert = sql.clone();
        let writer = &database.lazy.get().unwrap().writer;
        assert_eq!(writer.write(true, move |tx| tx.execute(&insert, []).map(drop)).await, expected, "{sql}");
    }
}

#[test]
fn the_database_file_is_private() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("test.db");
    let _database = Database::open(&path).unwrap();
    for name in ["test.db", "test.db-wal", "test.db-shm"] {
        let mode = folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn connections_have_the_required_pragmas() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("test.db")).unwrap();
    let pragmas = |connection: &Connection| {
        ["synchronous", "foreign_keys", "query_only", "trusted_schema", "temp_store", "cache_size"]
            .map(|name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap())
    };
    let writer = database
        .lazy
        .get()
        .unwrap()
        .writer
        .write(true, move |tx| Ok::<_, StoreError>(pragmas(tx.connection())))
        .await
        .unwrap();
    assert_eq!(writer, [2, 1, 0, 0, 2, -2000]);
    let reader = database
        .lazy
        .get()
        .unwrap()
        .readers
        .on_connection(move |connection| Ok::<_, StoreError>(pragmas(connection)))
        .await
        .unwrap();
    assert_eq!(reader, [2, 1, 1, 0, 2, -16384]);
    let mode = |connection: &Connection| {
        let mode: Result<String, _> = connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        mode.map_err(StoreError::from)
    };
    assert_eq!(database.lazy.get().unwrap().readers.on_connection(mode).await.unwrap(), "wal");
}

/// A new origin or end reason needs no migration: no CHECK lists the names. A server that does not know a stored name
/// reports it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_stores_names_that_the_code_does_not_know() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("test.db")).unwrap();
    let insert =
        "INSERT INTO users (id, sub, username, username_key, date_joined) VALUES (7, zeroblob(16), 'ann', 'ann', 0);
        INSERT INTO sessions (id, user_id, opened_by, generation, good_from, opened_at, rotated_at, expires_at,
          expires_day, auth_time, amr)
        VALUES (zeroblob(16), 7, 'device', 0, 0, 0, 0, 9, 0, 0, 'pwd');";
    let write = |sql: &'static str| {
        let writer = &database.lazy.get().unwrap().writer;
        writer.write(true, move |tx| Ok::<_, StoreError>(tx.connection().execute_batch(sql)?))
    };
    write(insert).await.unwrap();
    let store = Store::Sqlite(database.clone());
    let found = async || store.read(|tx| tx.session(SessionId(Uuid::nil()))).await;
    for (sql, problem) in [
        ("SELECT 1", "the stored origin cannot be read: unknown `device`"),
        (
            "UPDATE sessions SET opened_by = 'simplejwt', amr = 'pwd otp'",
            "the stored amr cannot be read: unknown `pwd otp`",
        ),
        (
            "UPDATE sessions SET amr = NULL, ended_at = 5, end_reason = 'moved'",
            "the stored end reason cannot be read: unknown `moved`",
        ),
    ] {
        write(sql).await.unwrap();
        assert_eq!(found().await.unwrap_err(), StoreError::Fault(problem.to_owned()));
    }
}

/// Killing the process does not reveal whether `synchronous` is FULL or NORMAL, so the test counts syncs. Another
/// process runs the conformance case named below under `strace`. The case makes 52 writes one after another.
#[test]
fn every_commit_is_synced_to_disk() {
    let folder = TempDir::new().unwrap();
    let counts = folder.path().join("counts");
    let traced = Command::new("strace")
        .args(["-f", "-c", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(&counts)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::an_acknowledged_write_is_read"])
        .output();
    let Ok(traced) = traced.as_ref().map(|output| String::from_utf8_lossy(&output.stdout)) else {
        return skip("strace is not installed");
    };
    if !traced.contains("1 passed") {
        return skip("strace is not allowed to trace here");
    }
    let calls: u32 = std::fs::read_to_string(counts)
        .unwrap()
        .lines()
        .filter(|line| line.ends_with("fsync") || line.ends_with("fdatasync"))
        .map(|line| line.split_whitespace().nth(3).unwrap().parse::<u32>().unwrap())
        .sum();
    assert!(calls >= 52, "{calls} syncs for 52 commits");
}

#[test]
fn concurrent_first_opens_succeed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("test.db");
    let opened: Vec<_> = std::thread::scope(|scope| {
        let open: Vec<_> = (0..4).map(|_| scope.spawn(|| Database::open(&path))).collect();
        open.into_iter().map(|thread| thread.join().unwrap().map(drop)).collect()
    });
    assert_eq!(opened, [Ok(()), Ok(()), Ok(()), Ok(())]);
}

#[test]
fn an_open_error_names_its_cause() {
    let folder = TempDir::new().unwrap();
    let inside = |name: &str| folder.path().join(name);
    std::fs::write(inside("text.db"), "this is a text of some length, and no database at all ".repeat(50)).unwrap();
    Connection::open(inside("another.db")).unwrap().execute_batch("CREATE TABLE django_session (a)").unwrap();
    Connection::open(inside("newer.db")).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    for (path, words) in [
        (inside("missing/test.db"), ["does not exist", "create it"]),
        ("/proc/test.db".into(), ["/proc/test.db", "writable"]),
        (inside("text.db"), ["text.db is not a SQLite database", "move it away"]),
        (inside("another.db"), ["another.db is another program's", "choose another"]),
        (inside("newer.db"), ["newer.db has schema 99", "newer version"]),
    ] {
        let error = Database::open(&path).map(drop).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let text = std::fs::read_to_string(inside("text.db")).unwrap();
    assert!(text.starts_with("this is a text"), "nothing is overwritten");
}
