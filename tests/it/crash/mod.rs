//! Kills the server (`kill -9`) at random moments under load, repeatedly with the same folder. After each kill the
//! server starts again and still has every write that it has acknowledged.
//!
//! `scripts/crash ROUNDS [SEED]` runs more rounds than the test suite does. The same seed gives the same durations, but
//! the timing of the machine still varies, so a failure is not always reproduced.
#![expect(clippy::unwrap_used, reason = "tests")]

mod acknowledged;
mod load;

use std::time::Duration;

use countersign::random::Random;
use rusqlite::{Connection, OpenFlags};

use crate::support::binary::TestFolder;
use acknowledged::Acknowledged;

const ROUNDS: u32 = 20;

/// A number from an environment variable, or the default.
#[expect(clippy::disallowed_methods, reason = "the environment sets the number of rounds")]
fn env_or<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn folder() -> TestFolder {
    let folder = TestFolder::new();
    folder.configure(
        "tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }\nthrottle = { enabled = false }",
    );
    // The grace period is longer than a restart, because the check after the restart sends the last known token, which
    // the killed server may already have rotated.
    folder.run(&["settings", "set", "sessions.reuse_grace", "60"]).is(0);
    folder
}

/// The result of SQLite's integrity check while the server runs. `ok` means no error.
fn integrity(folder: &TestFolder) -> String {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.path("data/countersign.db"), flags).unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_loses_no_acknowledged_write_slow() {
    let rounds = env_or("COUNTERSIGN_CRASH_ROUNDS", ROUNDS);
    let seed = env_or("COUNTERSIGN_CRASH_SEED", 1_u64);
    let folder = folder();
    let random = Random::seeded(seed);
    let mut state = Acknowledged::default();
    // On a busy machine a round may end before its slow actions complete. Then up to four times as many rounds run.
    for round in 0..rounds * 4 {
        if round >= rounds && state.missing(rounds).is_none() {
            break;
        }
        let server = folder.serve().await;
        // The test runner prints this if the test fails.
        println!("seed {seed}, round {round}: {}", state.summary());
        assert_eq!(integrity(&folder), "ok");
        state.check(&server, &folder).await;
        let [high, low] = random.bytes();
        // Every fourth round is long enough to send an e-mail and use its code, even on a busy machine.
        let (min_ms, max_ms) = if round % 4 == 3 { (1000, 2500) } else { (10, 800) };
        let span = Duration::from_millis(min_ms + u64::from(u16::from_be_bytes([high, low])) % (max_ms - min_ms));
        let load = load::start(&server.url, &folder, round);
        tokio::time::sleep(span).await;
        load.expect_kill();
        server.kill().await;
        load.join(&mut state).await;
    }
    let server = folder.serve().await;
    assert_eq!(integrity(&folder), "ok");
    state.check(&server, &folder).await;
    state.check_mails(&folder);
    assert_eq!(state.missing(rounds), None);
    println!("{rounds} rounds, seed {seed}: {}", state.summary());
}
