//! Reads the user table of a Django project's SQLite database as domain records, and never writes to it.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::{Map, Value};

use super::connect;
use super::connect::BUSY_TIMEOUT;
use crate::domain::django::{looks_like_users, record};
use crate::domain::user_record::UserRecord;
use crate::store::error::StoreError;

/// The table of Django's own user model.
const DEFAULT_TABLE: &str = "auth_user";
/// The first bytes of every SQLite file.
pub const FILE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The user table of an open database.
#[derive(Debug)]
pub struct DjangoUsers {
    connection: Connection,
    table: String,
    key: String,
}

impl DjangoUsers {
    /// Opens the database for reading and finds the user table: the named table, otherwise the only table that looks
    /// like a user table, otherwise Django's own. If there is none, the error lists all tables that look like user
    /// tables.
    pub fn open(path: &Path, table: Option<&str>) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| connect::open_error(path, error))?;
        let table = Self::find(&connection, path, table).map_err(|error| match error {
            DjangoError::Sqlite(error) => connect::open_error(path, error),
            DjangoError::Explained(error) => error,
        })?;
        let primary_key = "SELECT name FROM pragma_table_info(?1) WHERE pk = 1";
        let key: Option<String> =
            connection.prepare(primary_key)?.query([&table])?.next()?.map(|row| row.get(0)).transpose()?;
        Ok(Self { connection, key: key.unwrap_or_else(|| "id".to_owned()), table })
    }

    fn find(connection: &Connection, path: &Path, wanted: Option<&str>) -> Result<String, DjangoError> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Views and virtual tables are left out: SQLite returns an error for a view whose table is missing, and for a
        // virtual table whose module is missing, such as GeoDjango's.
        let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
                   WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY t.name";
        let mut statement = connection.prepare(sql)?;
        let all = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let all: Vec<(String, String)> = all.collect::<Result<_, _>>()?;
        let users: Vec<String> = all
            .chunk_by(|(one, _), (next, _)| one == next)
            .filter(|columns| looks_like_users(columns.iter().map(|(_, column)| column.as_str())))
            .map(|columns| columns[0].0.clone())
            .collect();
        let chosen = match wanted {
            Some(wanted) => users.iter().find(|table| *table == wanted),
            None if users.len() == 1 => users.first(),
            None => users.iter().find(|table| *table == DEFAULT_TABLE),
        };
        chosen.cloned().ok_or_else(|| DjangoError::Explained(no_user_table(path, wanted, &users)))
    }

    /// Returns the name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns the number of rows.
    pub fn count(&self) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {}", quoted(&self.table));
        let count: i64 = self.connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Passes each user to `take` until `take` returns false, in order of the primary key, from one snapshot of the
    /// table. For a row that cannot be read, passes the reason instead.
    pub fn each(&self, mut take: impl FnMut(Result<UserRecord, String>) -> bool) -> Result<(), StoreError> {
        let sql = format!("SELECT * FROM {} ORDER BY {}", quoted(&self.table), quoted(&self.key));
        let mut statement = self.connection.prepare(&sql)?;
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let read =
                fields(row, &columns).and_then(|fields| record(fields.get(&self.key).unwrap_or(&Value::Null), &fields));
            if !take(read) {
                break;
            }
        }
        Ok(())
    }
}

enum DjangoError {
    Sqlite(rusqlite::Error),
    Explained(StoreError),
}

impl From<rusqlite::Error> for DjangoError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn no_user_table(path: &Path, wanted: Option<&str>, users: &[String]) -> StoreError {
    let path = path.display();
    let which = if users.is_empty() {
        "no table has a password column and a username or e-mail column".to_owned()
    } else {
        format!("select a user table with --table: {}", users.join(", "))
    };
    StoreError::Fault(match wanted {
        Some(wanted) => format!("{path} has no user table `{wanted}`; {which}"),
        None => format!("{path}: {which}"),
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn fields(row: &Row<'_>, columns: &[String]) -> Result<Map<String, Value>, String> {
    let mut fields = Map::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        let value = match row.get_ref(at).map_err(|error| error.to_string())? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::from(number),
            ValueRef::Real(number) => Value::from(number),
            ValueRef::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| format!("its {column} is not UTF-8"))?;
                Value::from(text)
            }
            // No imported field is a blob.
            ValueRef::Blob(_) => continue,
        };
        fields.insert(column.clone(), value);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use tempfile::TempDir;

    fn database(sql: &str) -> (TempDir, std::path::PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("db.sqlite3");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        (folder, path)
    }

    fn all(users: &DjangoUsers) -> Vec<Result<UserRecord, String>> {
        let mut all = Vec::new();
        users
            .each(|record| {
                all.push(record);
                true
            })
            .unwrap();
        all
    }

    const USERS: &str = "CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username TEXT, password TEXT, is_active BOOL);
        INSERT INTO auth_user VALUES (9, 'bob', '!', 0), (7, 'ann', 'md5$x', 1), (10, x'ff', '', 1),
                                     (11, CAST(x'ff' AS TEXT), '', 1);";

    #[test]
    fn users_are_read_in_order_and_unreadable_rows_are_reported() {
        let (_folder, path) = database(USERS);
        let users = DjangoUsers::open(&path, None).unwrap();
        assert_eq!((users.table(), users.count().unwrap()), ("auth_user", 4));
        let all = all(&users);
        let named =
            |at: usize| all[at].as_ref().map(|user| (user.id.unwrap().0, user.username.as_deref(), user.is_active));
        assert_eq!(named(0), Ok((7, Some("ann"), Some(true))));
        assert_eq!(named(1), Ok((9, Some("bob"), Some(false))));
        assert_eq!(all[2].as_ref().map(|user| user.username.clone()), Ok(None), "a blob is not a name");
        assert_eq!(all[3], Err("its username is not UTF-8".to_owned()));
        let mut seen = 0;
        users
            .each(|_| {
                seen += 1;
                false
            })
            .unwrap();
        assert_eq!(seen, 1);
    }

    #[test]
    fn a_custom_user_table_is_detected_or_must_be_named() {
        let own = "CREATE TABLE \"my \"\"users\" (uid TEXT PRIMARY KEY, email TEXT, password TEXT);
                   INSERT INTO \"my \"\"users\" VALUES ('00000000000000000000000000001234', 'ann@example.com', '');";
        let (_folder, path) = database(own);
        let users = DjangoUsers::open(&path, None).unwrap();
        assert_eq!(users.table(), "my \"users");
        assert_eq!(all(&users)[0].as_ref().unwrap().sub.unwrap().0.as_u128(), 0x1234);

        let (_folder, path) = database(&format!("{own}{}", USERS.replace("auth_user", "members")));
        let error = DjangoUsers::open(&path, None).unwrap_err().to_string();
        assert!(error.contains("--table: members, my \"users"), "{error}");
        let error = DjangoUsers::open(&path, Some("none")).unwrap_err().to_string();
        assert!(error.contains("no user table `none`"), "{error}");
        assert_eq!(DjangoUsers::open(&path, Some("members")).unwrap().table(), "members");

        let (_folder, path) = database("CREATE TABLE a (id INTEGER)");
        let error = DjangoUsers::open(&path, None).unwrap_err().to_string();
        assert!(error.contains("no table has"), "{error}");
    }

    #[test]
    fn other_tables_are_ignored() {
        let (_folder, path) = database(&format!(
            "{USERS} CREATE VIEW broken AS SELECT username, password FROM nowhere;
             PRAGMA writable_schema = ON;
             INSERT INTO sqlite_schema VALUES ('table', 'places', 'places', 0, 'CREATE VIRTUAL TABLE places USING none()');"
        ));
        assert_eq!(all(&DjangoUsers::open(&path, None).unwrap()).len(), 4);
    }

    #[test]
    fn a_missing_database_is_not_created() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("none.sqlite3");
        assert!(DjangoUsers::open(&path, None).is_err());
        assert!(!path.exists());
        std::fs::write(&path, "no database, but a text that is long enough to be one; ".repeat(30)).unwrap();
        let error = DjangoUsers::open(&path, None).unwrap_err().to_string();
        assert!(error.contains("is not a SQLite database"), "{error}");
    }
}
