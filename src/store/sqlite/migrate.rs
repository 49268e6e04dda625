//! Migrates a database to the schema of this program. Either all steps are applied or none. An existing database is
//! copied first.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};
use rusqlite_migration::{HookResult, M, Migrations};

use super::connect::{folder, open_error};
use super::rekey::rekey;
use super::search_text::fill_search_text;
use crate::store::error::StoreError;

/// Every migration, in order. A released migration is never edited or removed.
pub(super) const STEPS: &[M<'static>] = &[
    M::up(include_str!("../../../migrations/sqlite/0001_first.sql")),
    M::up(include_str!("../../../migrations/sqlite/0002_social.sql")),
    M::up(include_str!("../../../migrations/sqlite/0003_admin.sql")),
    M::up(include_str!("../../../migrations/sqlite/0004_counts.sql")),
    M::up(include_str!("../../../migrations/sqlite/0005_audit_actor.sql")),
    M::up(include_str!("../../../migrations/sqlite/0006_social_issuer.sql")),
    M::up(include_str!("../../../migrations/sqlite/0007_refresh.sql")),
    M::up(include_str!("../../../migrations/sqlite/0008_sessions.sql")),
    M::up(include_str!("../../../migrations/sqlite/0009_kept_names.sql")),
    M::up(include_str!("../../../migrations/sqlite/0010_refresh_key.sql")),
    M::up(LOOK_UP_KEYS),
    M::up(include_str!("../../../migrations/sqlite/0012_repeats.sql")),
    M::up(include_str!("../../../migrations/sqlite/0013_session_limit.sql")),
    M::up(include_str!("../../../migrations/sqlite/0014_outbox_expiry.sql")),
    M::up(include_str!("../../../migrations/sqlite/0015_temporary_since.sql")),
    M::up(USER_SEARCH),
    M::up(include_str!("../../../migrations/sqlite/0017_email_confirmations.sql")),
    M::up(include_str!("../../../migrations/sqlite/0018_has_username.sql")),
];

const USER_SEARCH: &str = include_str!("../../../migrations/sqlite/0016_user_search.sql");
const LOOK_UP_KEYS: &str = include_str!("../../../migrations/sqlite/0011_look_up_keys.sql");

/// Code that a migration runs.
type MigrationCode = fn(&Transaction<'_>) -> HookResult;

/// The migrations that also run code, after their SQL and in the same transaction: number, SQL and code.
const WITH_CODE: &[(usize, &str, MigrationCode)] = &[(11, LOOK_UP_KEYS, rekey), (16, USER_SEARCH, fill_search_text)];

/// The number of schema versions whose copies are kept, including the newest.
const COPIES_KEPT: usize = 3;

/// The advice if a migration itself is faulty.
const REPORT_ADVICE: &str = "return to the previous version and report this error";

/// Returns every migration, with its code.
pub(super) fn steps() -> Vec<M<'static>> {
    let mut steps = STEPS.to_vec();
    for (number, sql, code) in WITH_CODE {
        steps[number - 1] = M::up_with_hook(sql, *code);
    }
    steps
}

/// Returns the schema version of the database. Returns an error if this program cannot use or migrate that version, or
/// if the database belongs to another program.
pub(super) fn check(connection: &Connection, path: &Path, known: usize) -> Result<usize, StoreError> {
    let version: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map_err(|error| open_error(path, error))?
        .try_into()
        .unwrap_or(usize::MAX);
    let database = path.display();
    if version > known {
        return Err(StoreError::Fault(format!(
            "{database} has schema {version}, but this program supports schemas only up to {known}; use the newer \
             version that wrote it, or a copy from before the upgrade"
        )));
    }
    if version == 0 && has_tables(connection).map_err(|error| open_error(path, error))? {
        return Err(StoreError::Fault(format!("{database} is another program's database; choose another file")));
    }
    Ok(version)
}

/// Migrates the schema from its current version to the last of `steps`. On an error the database is unchanged. Every
/// failure to change the schema is a [`StoreError::Fault`], because the program must not run with another schema.
pub(super) fn migrate(connection: &mut Connection, path: &Path, steps: &[M<'_>]) -> Result<(), StoreError> {
    let known = steps.len();
    let database = path.display();
    let version = check(connection, path, known)?;
    if version == known {
        return Ok(());
    }
    let copy = if version == 0 { None } else { Some(snapshot(connection, path, version)?) };
    run(connection, steps).map_err(|error| {
        let copy = copy.map_or(String::new(), |copy| format!("; a copy is at {}", copy.display()));
        let (error, advice) = step_error(error);
        StoreError::Fault(format!(
            "cannot migrate {database} from schema {version} to {known}: {error}; nothing was changed{copy}; {advice}"
        ))
    })?;
    tracing::info!(%database, from = version, to = known, "database schema migrated");
    Ok(())
}

/// Returns what went wrong with a migration, and what to do about it.
fn step_error(error: rusqlite_migration::Error) -> (String, &'static str) {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => match StoreError::from(err) {
            StoreError::Unavailable(why) => (why, "fix this and start again"),
            other => (other.to_string(), REPORT_ADVICE),
        },
        other => (other.to_string(), REPORT_ADVICE),
    }
}

fn run(connection: &mut Connection, steps: &[M<'_>]) -> Result<(), rusqlite_migration::Error> {
    // With foreign keys on, a migration that rebuilds a table would trigger its cascading deletions.
    connection.pragma_update(None, "foreign_keys", false)?;
    let done = Migrations::from_slice(steps).to_latest(connection);
    connection.pragma_update(None, "foreign_keys", true)?;
    done
}

fn has_tables(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Writes `<file>.before-<next version>`: the current database in one file with mode 0600.
fn snapshot(connection: &Connection, path: &Path, version: usize) -> Result<PathBuf, StoreError> {
    let copy = with_suffix(path, &format!(".before-{}", version + 1));
    let unfinished = with_suffix(path, &format!(".before-{}.unfinished", version + 1));
    let failed = |problem: &dyn std::fmt::Display| {
        StoreError::Fault(format!(
            "cannot copy {} to {} before the migration: {problem}; nothing was changed; free space and start again",
            path.display(),
            copy.display()
        ))
    };
    let written = super::snapshot::write(connection, &unfinished).map_err(|error| failed(&error));
    written.and_then(|()| publish_copy(&unfinished, &copy).map_err(|error| failed(&error))).inspect_err(|_| {
        // An incomplete copy is useless and takes up space on a disk that may be full.
        let _ = fs::remove_file(&unfinished);
    })?;
    prune(path, version + 1);
    Ok(copy)
}

/// Removes old copies, except the newest [`COPIES_KEPT`]. A copy that cannot be removed is harmless.
fn prune(path: &Path, newest: usize) {
    for old in 1..=newest.saturating_sub(COPIES_KEPT) {
        let copy = with_suffix(path, &format!(".before-{old}"));
        if fs::remove_file(&copy).is_ok() {
            tracing::info!(copy = %copy.display(), "old database copy removed");
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Gives a copy its final name. The caller has already synced its content to disk.
fn publish_copy(unfinished: &Path, copy: &Path) -> io::Result<()> {
    fs::rename(unfinished, copy)?;
    File::open(folder(copy))?.sync_all()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    const FIRST: M<'_> = M::up("CREATE TABLE notes (text TEXT) STRICT; INSERT INTO notes VALUES ('kept');");
    const SECOND: M<'_> = M::up("ALTER TABLE notes ADD COLUMN at INTEGER;");
    const BROKEN: M<'_> = M::up("DROP TABLE notes; CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);");

    struct MigrationFixture {
        connection: Connection,
        folder: TempDir,
    }

    impl MigrationFixture {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let connection = Connection::open(folder.path().join("test.db")).unwrap();
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
            Self { connection, folder }
        }

        fn migrate(&mut self, steps: &[M<'_>]) -> Result<(), StoreError> {
            migrate(&mut self.connection, &self.folder.path().join("test.db"), steps)
        }

        fn files(&self) -> Vec<String> {
            let files = fs::read_dir(self.folder.path()).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            let mut copies: Vec<_> = names.filter(|name| name.contains("before")).collect();
            copies.sort();
            copies
        }
    }

    fn notes(connection: &Connection) -> Vec<String> {
        let mut all = connection.prepare("SELECT text FROM notes").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_migrations_are_consistent() {
        Migrations::new(steps()).validate().unwrap();
    }

    #[test]
    fn sessions_keep_their_values_when_their_table_is_rebuilt() {
        let mut fixture = MigrationFixture::new();
        fixture.migrate(&STEPS[..7]).unwrap();
        let rows =
            "INSERT INTO users (id, sub, username, username_key, date_joined) VALUES (7, zeroblob(16), 'a', 'a', 0);
            INSERT INTO sessions (id, user_id, dialect, generation, good_from, opened_at, rotated_at, expires_at,
              expires_day, ended_at, end_reason, must_change_password, address, provider) VALUES
            (CAST('session-00000001' AS BLOB), 7, 'drf_pyjwt', 3, 2, 100, 150, 172800, 0, NULL, NULL, 1, '192.0.2.1', NULL),
            (CAST('session-00000002' AS BLOB), 7, 'rest_social', 0, 0, 100, 100, 200, 0, 110, 'reuse', 0, '192.0.2.1', 'google'),
            (CAST('session-00000003' AS BLOB), 7, 'simplejwt', 0, 0, 100, 100, 200, 0, NULL, NULL, 0, NULL, NULL);";
        fixture.connection.execute_batch(rows).unwrap();
        fixture.migrate(&STEPS[..8]).unwrap();
        let columns =
            "SELECT concat_ws(' ', opened_by, generation, good_from, opened_at, rotated_at, expires_at, expires_day,
              ifnull(ended_at, '-'), ifnull(end_reason, '-'), must_change_password, ifnull(address, '-'),
              ifnull(provider, '-'), auth_time, ifnull(amr, '-')) FROM sessions ORDER BY id";
        let mut columns = fixture.connection.prepare(columns).unwrap();
        let sessions: Vec<String> = columns.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(
            sessions,
            [
                "drf_pyjwt 3 2 100 150 172800 2 - - 1 192.0.2.1 - 100 pwd",
                "rest_social 0 0 100 100 200 0 110 reuse 0 192.0.2.1 google 100 -",
                "simplejwt 0 0 100 100 200 0 - - 0 - - 100 -",
            ]
        );
    }

    #[test]
    fn a_user_keeps_the_hundred_sessions_that_were_used_last() {
        let before = 12;
        let mut fixture = MigrationFixture::new();
        fixture.migrate(&STEPS[..before]).unwrap();
        let rows = "INSERT INTO users (id, sub, username, username_key, date_joined) VALUES
              (7, zeroblob(16), 'a', 'a', 0), (8, randomblob(16), 'b', 'b', 0);
            INSERT INTO sessions (id, user_id, opened_by, generation, good_from, opened_at, rotated_at, expires_at,
              expires_day, auth_time, ended_at, end_reason)
            WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 250)
            SELECT randomblob(16), 7 + (n > 200), 'simplejwt', 0, 0, 100, 1000 - n, 172800, 2, 100,
              iif(n <= 50, 1, NULL), iif(n <= 50, 'reuse', NULL) FROM n;";
        fixture.connection.execute_batch(rows).unwrap();
        fixture.migrate(&STEPS[..=before]).unwrap();
        let counts = "SELECT concat_ws(' ', user_id, ended_at IS NULL, count(*), min(used_at)) FROM sessions
            GROUP BY user_id, ended_at IS NULL";
        let mut counts = fixture.connection.prepare(counts).unwrap();
        let counts: Vec<String> = counts.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(counts, ["7 0 50 950", "7 1 100 850", "8 1 50 750"]);
    }

    #[test]
    fn the_lifetime_of_existing_temporary_passwords_begins_with_the_migration() {
        let mut fixture = MigrationFixture::new();
        fixture.migrate(&STEPS[..14]).unwrap();
        let rows = "INSERT INTO users (id, sub, username, username_key, date_joined, must_change_password) VALUES
              (7, zeroblob(16), 'a', 'a', 0, 1), (8, randomblob(16), 'b', 'b', 0, 0);
            INSERT INTO sessions (id, user_id, opened_by, generation, good_from, opened_at, rotated_at, expires_at,
              expires_day, auth_time, must_change_password)
            SELECT randomblob(16), id, 'simplejwt', 0, 0, 100, 100, 172800, 2, 100, must_change_password FROM users;";
        fixture.connection.execute_batch(rows).unwrap();
        fixture.migrate(&STEPS[..15]).unwrap();
        for table in ["users ORDER BY id", "sessions ORDER BY user_id"] {
            let mut dates = fixture.connection.prepare(&format!("SELECT temporary_since FROM {table}")).unwrap();
            let dates: Vec<Option<i64>> = dates.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            assert!(dates[0].is_some_and(|at| at > 1_700_000_000) && dates[1].is_none(), "{table} {dates:?}");
        }
    }

    #[test]
    fn new_and_current_databases_are_not_copied() {
        let mut fixture = MigrationFixture::new();
        fixture.migrate(&[FIRST]).unwrap();
        fixture.migrate(&[FIRST]).unwrap();
        assert_eq!(
            (version(&fixture.connection), notes(&fixture.connection), fixture.files().len()),
            (1, vec!["kept".into()], 0)
        );
    }

    #[test]
    fn the_database_is_copied_before_a_migration() {
        let mut fixture = MigrationFixture::new();
        fixture.migrate(&[FIRST]).unwrap();
        fs::write(fixture.folder.path().join("test.db.before-2.unfinished"), "of an attempt that was killed").unwrap();
        fixture.migrate(&[FIRST, SECOND]).unwrap();
        assert_eq!(version(&fixture.connection), 2);
        assert_eq!(fixture.files(), ["test.db.before-2"]);
        let copy = fixture.folder.path().join("test.db.before-2");
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let copy = Connection::open(copy).unwrap();
        assert_eq!((version(&copy), notes(&copy)), (1, vec!["kept".into()]));
    }

    #[test]
    fn a_failed_migration_changes_nothing() {
        let mut fixture = MigrationFixture::new();
        fixture.migrate(&[FIRST]).unwrap();
        for _ in 0..2 {
            let error = fixture.migrate(&[FIRST, SECOND, BROKEN]).unwrap_err().to_string();
            for words in ["test.db from schema 1 to 3", "nothing was changed", "test.db.before-2"] {
                assert!(error.contains(words), "{error}");
            }
            assert_eq!((version(&fixture.connection), notes(&fixture.connection)), (1, vec!["kept".into()]));
        }
        fixture.migrate(&[FIRST]).unwrap();
        fixture.migrate(&[FIRST, SECOND]).unwrap();
        assert_eq!(version(&fixture.connection), 2);
    }

    #[test]
    fn only_the_newest_three_copies_are_kept() {
        const NOTHING: M<'_> = M::up("SELECT 1;");
        let mut fixture = MigrationFixture::new();
        let mut steps = vec![FIRST];
        for _ in 0..5 {
            fixture.migrate(&steps).unwrap();
            steps.push(NOTHING);
        }
        fixture.migrate(&steps).unwrap();
        assert_eq!(fixture.files(), ["test.db.before-4", "test.db.before-5", "test.db.before-6"]);
    }

    #[test]
    fn a_newer_schema_is_not_changed() {
        let mut fixture = MigrationFixture::new();
        fixture.migrate(&[FIRST, SECOND]).unwrap();
        let error = fixture.migrate(&[FIRST]).unwrap_err().to_string();
        for words in ["test.db has schema 2", "supports schemas only up to 1", "use the newer version"] {
            assert!(error.contains(words), "{error}");
        }
        assert_eq!((version(&fixture.connection), fixture.files().len()), (2, 0));
    }

    #[test]
    fn a_failed_copy_prevents_the_migration() {
        let mut fixture = MigrationFixture::new();
        fixture.migrate(&[FIRST]).unwrap();
        fs::create_dir(fixture.folder.path().join("test.db.before-2")).unwrap();
        let error = fixture.migrate(&[FIRST, SECOND]).unwrap_err();
        assert!(matches!(&error, StoreError::Fault(why) if why.contains("nothing was changed")), "{error}");
        assert_eq!((version(&fixture.connection), fixture.files()), (1, vec!["test.db.before-2".to_owned()]));
    }
}
