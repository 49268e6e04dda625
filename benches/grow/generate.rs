//! Inserts rows directly into the tables. Creating 10 million users through the use cases would take a day of hashing.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use rusqlite::{Connection, params};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The number of rows per transaction.
const BATCH: u32 = 50_000;
const DAY: i64 = 24 * 60 * 60;
/// A dummy hash with the format and length of a hash of default cost. No user signs in.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvZg$c2l4dGVlbiBieXRlcyBvZnNpeHRlZW4gYnl0ZXMgb2Y";

/// Fills an empty database. Returns the bytes per user and per session, including indexes.
pub fn fill(file: &Path, users: u32, sessions: u32, expired: u32) -> anyhow::Result<Map<String, Value>> {
    let connection = Connection::open(file).with_context(|| format!("opening {}", file.display()))?;
    // These pragmas are fast but not durable, which is acceptable for generated rows. The measurement opens the
    // database with the pragmas of the server.
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -1048576; PRAGMA foreign_keys = OFF;")?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs())?;
    let empty = bytes(&connection)?;
    in_batches(&connection, "users", users, |number| {
        let (id, name) = (i64::from(number) + 1, name(number));
        let email = format!("{name}@example.org");
        connection
            .prepare_cached(
                "INSERT INTO users (id, sub, username, username_key, email, email_key, first_name, last_name,
                   password_hash, date_joined, last_login)
                 VALUES (?1, ?2, ?3, ?3, ?4, ?4, 'Anna', 'Andersson', ?5, ?6, ?6)",
            )?
            .execute(params![id, uuid(b's', number).as_bytes(), name, email, HASH, now - DAY])
    })?;
    let with_users = bytes(&connection)?;
    let session = |kind: u8, number: u32, opened: i64, expires: i64| {
        let user = i64::from(scattered(number) % users.max(1)) + 1;
        let id = uuid(kind, number);
        connection
            .prepare_cached(
                "INSERT INTO sessions (id, user_id, opened_by, generation, good_from, opened_at, rotated_at, expires_at,
                   expires_day, address, auth_time, amr)
                 VALUES (?1, ?2, 'drf_pyjwt', 0, 0, ?3, ?3, ?4, ?4 / 86400, '192.0.2.1', ?3, 'pwd')",
            )?
            .execute(params![id.as_bytes(), user, opened, expires])
    };
    in_batches(&connection, "sessions", sessions, |number| session(LIVE, number, now - 60, now + DAY))?;
    let with_sessions = bytes(&connection)?;
    in_batches(&connection, "expired sessions", expired, |number| {
        session(b'e', number, now - 30 * DAY, now - 10 * DAY - i64::from(number % 1000))
    })?;
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);")?;
    let mut report = Map::new();
    report.insert("bytes_per_user".to_owned(), ((with_users - empty) / u64::from(users.max(1))).into());
    report.insert("bytes_per_session".to_owned(), ((with_sessions - with_users) / u64::from(sessions.max(1))).into());
    Ok(report)
}

/// The kind of live sessions, for `uuid`.
pub const LIVE: u8 = b'l';

/// Returns the name of a user by number. Users are created in order and looked up randomly.
pub fn name(number: u32) -> String {
    format!("user-{:08x}-{number}", scattered(number))
}

/// Returns a UUID by number: deterministic, and distributed like random UUIDs.
pub fn uuid(kind: u8, number: u32) -> Uuid {
    let (high, low) =
        (mixed(u64::from(kind) << 32 | u64::from(number)), mixed(u64::from(number) << 8 | u64::from(kind)));
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
}

/// Maps a number to a pseudo-random number, so that consecutive numbers give distant results.
pub fn scattered(number: u32) -> u32 {
    let [.., a, b, c, d] = mixed(u64::from(number)).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The finisher of `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn in_batches(
    connection: &Connection,
    what: &str,
    count: u32,
    mut row: impl FnMut(u32) -> rusqlite::Result<usize>,
) -> anyhow::Result<()> {
    let mut next = 0;
    while next < count {
        let end = count.min(next.saturating_add(BATCH));
        let batch = connection.unchecked_transaction()?;
        for number in next..end {
            row(number)?;
        }
        batch.commit()?;
        next = end;
        eprint!("\r{what}: {next} of {count}");
    }
    eprintln!();
    Ok(())
}

/// Returns the bytes of the pages in use.
fn bytes(connection: &Connection) -> anyhow::Result<u64> {
    let pragma = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let pages = pragma("PRAGMA page_count")? - pragma("PRAGMA freelist_count")?;
    Ok(u64::try_from(pages * pragma("PRAGMA page_size")?)?)
}
