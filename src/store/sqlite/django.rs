//! Reads the users of a Django project's SQLite database, with their verified addresses and provider accounts. Never
//! writes to it.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::connect;
use super::connect::BUSY_TIMEOUT;
use crate::domain::django::{IMPORTED, looks_like_users, read_user};
use crate::domain::import::leftovers::Leftovers;
use crate::domain::import::links::{LinkIndex, LinkKind};
use crate::domain::import::value::{ReadProblem, UnreadableField};
use crate::domain::user_record::SourceUser;
use crate::store::error::StoreError;

/// The table of Django's own user model.
const DEFAULT_TABLE: &str = "auth_user";
/// The first bytes of every SQLite file.
pub const FILE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The user table of an open database, and what the other tables say about its users.
#[derive(Debug)]
pub struct DjangoUsers {
    connection: Connection,
    table: String,
    key: String,
    links: LinkIndex,
    leftovers: Leftovers,
}

/// A table and its columns.
struct DjangoTable {
    name: String,
    columns: Vec<String>,
}

impl DjangoTable {
    fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }
}

impl DjangoUsers {
    /// Opens the database for reading and finds the user table: the named table, otherwise the only table that looks
    /// like a user table, otherwise Django's own. If there is none, the error lists all tables that look like user
    /// tables. Also reads the verified addresses and provider accounts.
    pub fn open(path: &Path, table: Option<&str>) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| connect::open_error(path, error))?;
        let found = tables(&connection).map_err(|error| connect::open_error(path, error))?;
        let table = find(&found, path, table)?;
        let primary_key = "SELECT name FROM pragma_table_info(?1) WHERE pk = 1";
        let key: Option<String> =
            connection.prepare(primary_key)?.query([&table])?.next()?.map(|row| row.get(0)).transpose()?;
        let key = key.unwrap_or_else(|| "id".to_owned());
        let mut users = Self { connection, key, table, links: LinkIndex::default(), leftovers: Leftovers::default() };
        for other in &found {
            let read = if other.name == users.table { users.count_fields(other) } else { users.read_other(other) };
            read.map_err(|error| connect::open_error(path, error))?;
        }
        Ok(users)
    }

    /// Returns the name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns what the database knows about users and the import leaves behind.
    pub fn leftovers(&self) -> &Leftovers {
        &self.leftovers
    }

    /// Returns the number of rows.
    pub fn count(&self) -> Result<u64, StoreError> {
        Ok(self.count_where(&self.table, "1")?)
    }

    /// Passes each user to `take` until `take` returns false, in order of the primary key, from one snapshot of the
    /// table.
    pub fn each(self, mut take: impl FnMut(SourceUser) -> bool) -> Result<(), StoreError> {
        let Self { connection, table, key, mut links, .. } = self;
        let mut statement =
            connection.prepare(&format!("SELECT * FROM {} ORDER BY {}", quoted(&table), quoted(&key)))?;
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (fields, mut undecoded) = fields(row, &columns)?;
            undecoded.retain(|field| field.name == key || IMPORTED.contains(&field.name.as_str()));
            let key = fields.get(&key).unwrap_or(&Value::Null);
            let mut user = read_user(key, &fields, undecoded);
            user.links = links.take(key, [None, None]);
            if !take(user) {
                break;
            }
        }
        Ok(())
    }

    /// Counts the users for whom a field is set that is not imported.
    fn count_fields(&mut self, table: &DjangoTable) -> rusqlite::Result<()> {
        for column in table.columns().filter(|column| *column != self.key && !IMPORTED.contains(column)) {
            let name = quoted(column);
            let count = self.count_where(&table.name, &format!("{name} IS NOT NULL AND {name} <> ''"))?;
            if count > 0 {
                self.leftovers.fields.push((column.to_owned(), count));
            }
        }
        Ok(())
    }

    /// Reads verified addresses or provider accounts from another table. Counts the rows of any other table that refers
    /// to users.
    fn read_other(&mut self, table: &DjangoTable) -> rusqlite::Result<()> {
        let of_users = self.refers_to_users(table)?;
        // A link of another user model must not open an account of this one.
        let kind = LinkKind::of(table.columns()).filter(|_| of_users != Some(false));
        if let Some(kind) = kind {
            let mut statement = self.connection.prepare(&format!("SELECT * FROM {}", quoted(&table.name)))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                self.links.add(kind, &fields(row, &table.columns)?.0);
            }
        } else if of_users == Some(true) {
            let count = self.count_where(&table.name, "1")?;
            if count > 0 {
                self.leftovers.tables.push((table.name.clone(), count));
            }
        }
        Ok(())
    }

    /// Whether a table has a foreign key to the user table. `None` if it declares none for its `user_id`.
    fn refers_to_users(&self, table: &DjangoTable) -> rusqlite::Result<Option<bool>> {
        let mut keys = self.connection.prepare("SELECT \"table\", \"from\" FROM pragma_foreign_key_list(?1)")?;
        let keys = keys.query_map([&table.name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let keys: Vec<(String, String)> = keys.collect::<rusqlite::Result<_>>()?;
        let is_to_users = |to: &String| to.eq_ignore_ascii_case(&self.table);
        let user_id = keys.iter().find(|(_, from)| from == "user_id").map(|(to, _)| is_to_users(to));
        Ok(user_id.or_else(|| keys.iter().any(|(to, _)| is_to_users(to)).then_some(true)))
    }

    fn count_where(&self, table: &str, condition: &str) -> rusqlite::Result<u64> {
        let sql = format!("SELECT count(*) FROM {} WHERE {condition}", quoted(table));
        let count: i64 = self.connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Returns all tables. Views and virtual tables are left out: SQLite returns an error for a view whose table is missing,
/// and for a virtual table whose module is missing, such as the one of `GeoDjango`.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<DjangoTable>> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
               WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY t.name, c.cid";
    let mut statement = connection.prepare(sql)?;
    let all = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let all: Vec<(String, String)> = all.collect::<rusqlite::Result<_>>()?;
    let tables = all.chunk_by(|(one, _), (next, _)| one == next).map(|columns| DjangoTable {
        name: columns[0].0.clone(),
        columns: columns.iter().map(|(_, column)| column.clone()).collect(),
    });
    Ok(tables.collect())
}

fn find(tables: &[DjangoTable], path: &Path, wanted: Option<&str>) -> Result<String, StoreError> {
    let users = tables.iter().filter(|table| looks_like_users(table.columns()));
    let users: Vec<String> = users.map(|table| table.name.clone()).collect();
    let chosen = match wanted {
        Some(wanted) => users.iter().find(|table| *table == wanted),
        None if users.len() == 1 => users.first(),
        None => users.iter().find(|table| *table == DEFAULT_TABLE),
    };
    chosen.cloned().ok_or_else(|| no_user_table(path, wanted, &users))
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

/// Reads the columns of a row, and those that cannot be decoded. A blob is read as text, or as a UUID.
fn fields(row: &Row<'_>, columns: &[String]) -> rusqlite::Result<(Map<String, Value>, Vec<UnreadableField>)> {
    let mut fields = Map::with_capacity(columns.len());
    let mut undecoded = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let value = match row.get_ref(at)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::from(number),
            ValueRef::Real(number) => Value::from(number),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                match (std::str::from_utf8(bytes), Uuid::from_slice(bytes)) {
                    (Ok(text), _) => Value::from(text),
                    (Err(_), Ok(uuid)) => Value::from(uuid.to_string()),
                    (Err(_), Err(_)) => {
                        undecoded.push(UnreadableField { name: column.clone(), problem: ReadProblem::NotUtf8 });
                        Value::Null
                    }
                }
            }
        };
        fields.insert(column.clone(), value);
    }
    Ok((fields, undecoded))
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

    fn all(users: DjangoUsers) -> Vec<SourceUser> {
        let mut all = Vec::new();
        users
            .each(|user| {
                all.push(user);
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
        let all = all(users);
        let named = |at: usize| {
            let user = &all[at].record;
            (user.id.unwrap().0, user.username.as_deref(), user.is_active)
        };
        assert_eq!((named(0), named(1)), ((7, Some("ann"), Some(true)), (9, Some("bob"), Some(false))));
        for user in &all[2..] {
            assert_eq!((&user.record.username, user.unreadable[0].problem), (&None, ReadProblem::NotUtf8));
        }
        let mut seen = 0;
        DjangoUsers::open(&path, None)
            .unwrap()
            .each(|_| {
                seen += 1;
                false
            })
            .unwrap();
        assert_eq!(seen, 1);
    }

    #[test]
    fn values_of_other_databases_are_read() {
        let (_folder, path) = database(
            "CREATE TABLE auth_user (id TEXT, username BLOB, password TEXT, email TEXT, is_active BLOB, is_staff TEXT,
               is_superuser BOOL, date_joined, phone TEXT);
             INSERT INTO auth_user VALUES
               ('7', x'616e6e', '!', ' ann@example.org ', x'01', 't', '0', 1556938921, '5551234'),
               (' 8 ', NULL, '!', 'bob@example.org', x'30', 'b''1''', 0, '04-MAY-19 03.02.01 AM', '');",
        );
        let users = DjangoUsers::open(&path, None).unwrap();
        assert_eq!(users.leftovers().to_string(), "phone (1 user)");
        let mut all = all(users);
        all.sort_by_key(|user| user.record.id);
        for (user, id, name, active) in [(&all[0], 7, Some("ann"), true), (&all[1], 8, None, false)] {
            let record = &user.record;
            assert_eq!((record.id.unwrap().0, record.username.as_deref(), record.is_active), (id, name, Some(active)));
            assert_eq!((record.is_staff, record.is_superuser), (Some(true), Some(false)));
            assert_eq!(record.date_joined.unwrap().unix(), 1_556_938_921);
            assert_eq!(user.unreadable, []);
        }
    }

    #[test]
    fn links_of_other_packages_belong_to_their_user() {
        let (_folder, path) = database(&format!(
            "{USERS} CREATE TABLE other_user (id INTEGER PRIMARY KEY); INSERT INTO other_user VALUES (7);
             CREATE TABLE account_emailaddress (id INTEGER PRIMARY KEY, email TEXT, verified BOOL, \"primary\" BOOL,
               user_id INTEGER REFERENCES auth_user (id));
             INSERT INTO account_emailaddress VALUES (1, 'ann@example.org', 1, 1, 7), (2, 'b@example.org', 0, 1, 9);
             CREATE TABLE socialaccount_socialaccount (provider TEXT, uid TEXT, extra_data TEXT, user_id INTEGER);
             INSERT INTO socialaccount_socialaccount VALUES ('github', '42', '', 7);
             CREATE TABLE social_auth_usersocialauth
               (provider TEXT, uid TEXT, user_id INTEGER REFERENCES auth_user (id));
             INSERT INTO social_auth_usersocialauth VALUES ('google-oauth2', '1234', 9);
             CREATE TABLE django_rest_social_jwt_auth_socialuser (social_organisation TEXT, social_id INTEGER, token TEXT,
               user_id INTEGER PRIMARY KEY REFERENCES \"auth_user\" (\"id\"));
             INSERT INTO django_rest_social_jwt_auth_socialuser VALUES ('facebook', 99, 'secret', 7);
             CREATE TABLE foreign_accounts (provider TEXT, uid TEXT, user_id INTEGER REFERENCES other_user (id));
             INSERT INTO foreign_accounts VALUES ('google', 'of another model', 7);
             CREATE TABLE auth_user_groups
               (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES auth_user (id), group_id INTEGER);
             INSERT INTO auth_user_groups VALUES (1, 7, 1), (2, 9, 1);"
        ));
        let users = DjangoUsers::open(&path, None).unwrap();
        assert_eq!(users.leftovers().to_string(), "tables auth_user_groups (2 rows)");
        let all = all(users);
        let accounts = |user: &SourceUser| {
            let accounts = user.links.accounts.iter();
            accounts.map(|account| format!("{} {}", account.provider, account.social_id)).collect::<Vec<_>>()
        };
        assert_eq!(accounts(&all[0]), ["facebook 99", "github 42"]);
        assert_eq!(all[0].links.verified, ["ann@example.org"]);
        assert_eq!((accounts(&all[1]), all[1].links.verified.len()), (vec!["google 1234".to_owned()], 0));
    }

    #[test]
    fn a_custom_user_table_is_detected_or_must_be_named() {
        let own = "CREATE TABLE \"my \"\"users\" (uid TEXT PRIMARY KEY, email TEXT, password TEXT);
                   INSERT INTO \"my \"\"users\" VALUES ('00000000000000000000000000001234', 'ann@example.com', '');";
        let (_folder, path) = database(own);
        let users = DjangoUsers::open(&path, None).unwrap();
        assert_eq!(users.table(), "my \"users");
        assert_eq!(all(users)[0].record.sub.unwrap().0.as_u128(), 0x1234);

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
        assert_eq!(all(DjangoUsers::open(&path, None).unwrap()).len(), 4);
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
