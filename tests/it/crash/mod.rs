//! `kill -9` at random moments under load, again and again on one folder: after each the server starts, and every fact
//! it ever acknowledged holds.
//!
//! `scripts/crash ROUNDS [SEED]` runs more rounds than the suite does. What failed is repeated with its seed, as far as
//! the machine's timing lets it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod acknowledged;
mod load;

use std::time::Duration;

use countersign::random::Random;
use rusqlite::{Connection, OpenFlags};

use crate::support::binary::TestFolder;
use acknowledged::Acknowledged;

const ROUNDS: u32 = 20;

/// A number the caller of the tests may set.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how long to go on")]
fn told<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn folder() -> TestFolder {
    let folder = TestFolder::new();
    folder.configure(
        "tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }\nthrottle = { enabled = false }",
    );
    // Longer than a restart takes: whoever was not answered asks again with the token it has.
    folder.run(&["settings", "set", "sessions.reuse_grace", "60"]).is(0);
    folder
}

/// What SQLite finds wrong with the database while the server runs on it.
fn integrity(folder: &TestFolder) -> String {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.path("data/countersign.db"), flags).unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_loses_no_acknowledged_write_slow() {
    let rounds = told("COUNTERSIGN_CRASH_ROUNDS", ROUNDS);
    let seed = told("COUNTERSIGN_CRASH_SEED", 1_u64);
    let folder = folder();
    let random = Random::seeded(seed);
    let mut facts = Acknowledged::default();
    // On a busy machine a round may end before its slower deeds: then there are more of them.
    for round in 0..rounds * 4 {
        if round >= rounds && facts.missing(rounds).is_none() {
            break;
        }
        let server = folder.serve().await;
        // Shown when it fails.
        println!("seed {seed}, round {round}: {}", facts.summary());
        assert_eq!(integrity(&folder), "ok");
        facts.check(&server, &folder).await;
        let [high, low] = random.bytes();
        // Every fourth is long enough for a mail to come and its code to be used, on a busy machine, too.
        let (least, most) = if round % 4 == 3 { (1000, 2500) } else { (10, 800) };
        let span = Duration::from_millis(least + u64::from(u16::from_be_bytes([high, low])) % (most - least));
        let load = load::start(&server.url, &folder, round);
        tokio::time::sleep(span).await;
        load.expect_kill();
        server.kill().await;
        load.join(&mut facts).await;
    }
    let server = folder.serve().await;
    assert_eq!(integrity(&folder), "ok");
    facts.check(&server, &folder).await;
    facts.check_mails(&folder);
    assert_eq!(facts.missing(rounds), None);
    println!("{rounds} rounds, seed {seed}: {}", facts.summary());
}
