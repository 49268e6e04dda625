//! Gives existing users the look-up keys of the current rules. It is part of a migration.
//!
//! Two users that the former rules distinguished may have the same new key. Then the user who comes second keeps the
//! former key, with which the user is found as before, and an entry in the audit log reports both.

use rusqlite::{OptionalExtension as _, Transaction, params};
use rusqlite_migration::HookResult;

use crate::domain::audit::Action;
use crate::domain::look_up_key::look_up_key;

/// The columns with the text and the key of a name and of an address.
const COLUMNS: [(&str, &str); 2] = [("username", "username_key"), ("email", "email_key")];

/// A key to be replaced.
struct OutdatedKey {
    user: i64,
    text: String,
    /// The index of its columns in [`COLUMNS`].
    columns: usize,
    key: String,
}

/// Replaces every outdated key, in order of the user's id.
pub(super) fn rekey(tx: &Transaction<'_>) -> HookResult {
    for outdated in outdated_keys(tx)? {
        let other = "SELECT id FROM users WHERE (username_key = ?1 OR email_key = ?1) AND id <> ?2";
        let other: Option<i64> =
            tx.query_row(other, params![outdated.key, outdated.user], |row| row.get(0)).optional()?;
        if let Some(other) = other {
            report(tx, &outdated, other)?;
        } else {
            let (_, key) = COLUMNS[outdated.columns];
            let sql = format!("UPDATE users SET {key} = ?1 WHERE id = ?2");
            tx.execute(&sql, params![outdated.key, outdated.user])?;
        }
    }
    rekey_kept_names(tx)
}

fn outdated_keys(tx: &Transaction<'_>) -> rusqlite::Result<Vec<OutdatedKey>> {
    let mut outdated = Vec::new();
    let mut users = tx.prepare("SELECT id, username, username_key, email, email_key FROM users ORDER BY id")?;
    let mut rows = users.query([])?;
    while let Some(row) = rows.next()? {
        let user = row.get(0)?;
        for (columns, (text_column, key_column)) in COLUMNS.iter().enumerate() {
            let text: Option<String> = row.get(*text_column)?;
            let stored: Option<String> = row.get(*key_column)?;
            let Some((text, stored)) = text.zip(stored).filter(|(text, _)| !text.is_ascii()) else { continue };
            let key = look_up_key(&text);
            if key != stored {
                outdated.push(OutdatedKey { user, text, columns, key });
            }
        }
    }
    Ok(outdated)
}

/// Writes the report to the log and to the audit log of the user.
fn report(tx: &Transaction<'_>, outdated: &OutdatedKey, other: i64) -> rusqlite::Result<()> {
    let OutdatedKey { user, text, columns, key } = outdated;
    let (column, _) = COLUMNS[*columns];
    tracing::warn!(user, other, column, "two users have the same name or address; both can still sign in");
    let detail = format!("{column} {text} equals that of user {other}: both are {key}");
    tx.execute(
        "INSERT INTO audit (at, action, user_id, username, detail)
         SELECT unixepoch(), ?2, id, username, ?3 FROM users WHERE id = ?1",
        params![user, Action::DuplicateFound.name(), detail],
    )?;
    Ok(())
}

fn rekey_kept_names(tx: &Transaction<'_>) -> HookResult {
    let mut names = tx.prepare("SELECT DISTINCT username_key FROM kept_names")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for name in names.iter().filter(|name| !name.is_ascii()) {
        let sql = "UPDATE OR REPLACE kept_names SET username_key = ?2 WHERE username_key = ?1";
        tx.execute(sql, params![name, look_up_key(name)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use rusqlite::Connection;
    use tempfile::TempDir;

    use crate::domain::field::Field;
    use crate::domain::id::UserId;
    use crate::domain::time::Timestamp;
    use crate::domain::user::{Email, Login, Username};
    use crate::store::sqlite::{Database, migrate};
    use crate::store::{Store, StoreError};

    /// The users of an older version, with the keys of its rules.
    const USERS: [(i64, &str, &str, &str, &str); 8] = [
        (1, "Ann", "ann", "ann@MÜNCHEN.example", "ann@münchen.example"),
        (2, "ann2", "ann2", "ann@xn--mnchen-3ya.example", "ann@xn--mnchen-3ya.example"),
        (3, "Νίκος", "νίκος", "n@example.org", "n@example.org"),
        (4, "ΝΊΚΟΣ", "νίκοσ", "n4@example.org", "n4@example.org"),
        (5, "σοφος", "σοφος", "δημος@bücher.example", "δημος@bücher.example"),
        (6, "li@例子.测试", "li@例子.测试", "li@例子.测试", "li@例子.测试"),
        (7, "x@bücher.example", "x@bücher.example", "y@example.org", "y@example.org"),
        (8, "x", "x", "x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
    ];

    fn migrated() -> (TempDir, Store) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("countersign.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate::migrate(&mut connection, &path, &migrate::STEPS[..10]).unwrap();
        for (id, name, name_key, email, email_key) in USERS {
            let sql = "INSERT INTO users (id, sub, username, username_key, email, email_key, date_joined)
                       VALUES (?1, randomblob(16), ?2, ?3, ?4, ?5, 0)";
            connection.execute(sql, (id, name, name_key, email, email_key)).unwrap();
        }
        connection.execute("INSERT INTO kept_names VALUES ('ζεύς', 9, 99), ('old', 9, 99)", []).unwrap();
        drop(connection);
        (folder, Store::Sqlite(Database::open(&path).unwrap()))
    }

    async fn found(store: &Store, login: &str) -> Option<i64> {
        let login = Login::new(login);
        let user: Result<_, StoreError> = store.read(move |tx| tx.user_by_login(&login)).await;
        user.unwrap().map(|user| user.id.0)
    }

    #[tokio::test]
    async fn every_user_is_found_as_before_and_in_other_spellings() {
        let (_folder, store) = migrated();
        for (id, name, _, email, _) in USERS {
            for login in [name, email] {
                assert_eq!(found(&store, login).await, Some(id), "{login}");
            }
        }
        for (login, id) in
            [("ΣΟΦΟΣ", 5), ("ΔΗΜΟΣ@xn--bcher-kva.example", 5), ("LI@xn--fsqu00a.xn--0zwm56d", 6), ("νίκοσ", 4)]
        {
            assert_eq!(found(&store, login).await, Some(id), "{login}");
        }
        let by_address = store.read(|tx| tx.user_by_email(&Email::from_stored("ANN@münchen.example".to_owned())));
        let by_address: Result<_, StoreError> = by_address.await;
        assert_eq!(by_address.unwrap().map(|user| user.id.0), Some(1), "the address of the user who kept the key");
    }

    #[tokio::test]
    async fn duplicates_are_reported_and_their_names_stay_taken() {
        let (_folder, store) = migrated();
        let lines: Result<_, StoreError> = store.read(|tx| tx.audit_lines(None, 99)).await;
        let mut lines: Vec<_> =
            lines.unwrap().into_iter().map(|line| (line.user_id.map(|id| id.0), line.action, line.detail)).collect();
        lines.sort();
        let line = |user, detail: &str| (Some(user), "duplicate_found".to_owned(), detail.to_owned());
        assert_eq!(
            lines,
            [
                line(1, "email ann@MÜNCHEN.example equals that of user 2: both are ann@xn--mnchen-3ya.example"),
                line(3, "username Νίκος equals that of user 4: both are νίκοσ"),
                line(7, "username x@bücher.example equals that of user 8: both are x@xn--bcher-kva.example"),
            ]
        );
        for name in ["νίκος", "Νίκοσ", "X@BÜCHER.example"] {
            let name = Username::from_stored(name.to_owned());
            let taken = store.write(move |tx| tx.set_username(UserId(5), &name)).await;
            assert!(matches!(taken, Err(StoreError::Taken(_))));
        }
        // The name that only the former key distinguishes stays taken after the other user is deleted.
        let former = Username::from_stored("νίκος".to_owned());
        let taken: Result<(), StoreError> = store
            .write(move |tx| {
                tx.delete_user(UserId(4))?;
                tx.set_username(UserId(5), &former)
            })
            .await;
        assert_eq!(taken, Err(StoreError::Taken(Field::Username)));
        let kept = Username::from_stored("ΖΕΎΣ".to_owned());
        let kept: Result<bool, StoreError> =
            store.read(move |tx| tx.is_name_kept(&kept, None, Timestamp::from_unix(1))).await;
        assert!(kept.unwrap());
    }
}
