//! Reads a Django user from the fields of its model, which come from a dump or from a database table.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::id::{Subject, UserId};
use super::password::PasswordHash;
use super::time::Timestamp;
use super::user_record::UserRecord;

/// The first character of Django's password field if the user has no usable password.
const UNUSABLE: char = '!';

/// Whether a model or table with these fields looks like a user model: it has a password, and a user name or an e-mail
/// address.
pub fn looks_like_users<'a>(fields: impl IntoIterator<Item = &'a str>) -> bool {
    let mut has_password = false;
    let mut has_login = false;
    for field in fields {
        has_password |= field == "password";
        has_login |= field == "username" || field == "email";
    }
    has_password && has_login
}

/// Reads a user of Django's default model or of a custom model. A primary key that is a UUID becomes the `sub`. Without
/// a `username` field, the e-mail address is also the user name. Other fields are ignored. The error names the invalid
/// field.
pub fn record(key: &Value, fields: &Map<String, Value>) -> Result<UserRecord, String> {
    let (id, sub) = primary_key(key)?;
    let email = text(fields, "email")?;
    let username = if fields.contains_key("username") { text(fields, "username")? } else { email.clone() };
    let hash = text(fields, "password")?.filter(|hash| !hash.is_empty() && !hash.starts_with(UNUSABLE));
    Ok(UserRecord {
        id,
        sub,
        username,
        email,
        email_verified: None,
        first_name: text(fields, "first_name")?,
        last_name: text(fields, "last_name")?,
        password_hash: hash.map(PasswordHash::from_stored),
        must_change_password: None,
        is_active: flag(fields, "is_active")?,
        is_staff: flag(fields, "is_staff")?,
        is_superuser: flag(fields, "is_superuser")?,
        claims: None,
        date_joined: date(fields, "date_joined")?,
        last_login: date(fields, "last_login")?,
    })
}

/// Reads a primary key: an integer, a UUID, or null (`dumpdata --natural-primary` omits it).
fn primary_key(key: &Value) -> Result<(Option<UserId>, Option<Subject>), String> {
    let uuid = |text: &str| Uuid::parse_str(text).ok().map(Subject);
    match key {
        Value::Null => Ok((None, None)),
        Value::Number(number) if number.is_i64() => Ok((number.as_i64().map(UserId), None)),
        Value::String(text) if uuid(text).is_some() => Ok((None, uuid(text))),
        _ => Err("the primary key is neither an integer nor a UUID".to_owned()),
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name} is not a string")),
    }
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::Number(number)) if matches!(number.as_i64(), Some(0 | 1)) => Ok(Some(number.as_i64() == Some(1))),
        Some(_) => Err(format!("{name} is neither true nor false")),
    }
}

/// Reads a date. A dump has `2019-05-04T03:02:01.987Z`, a SQLite table has `2019-05-04 03:02:01.987654` in UTC. Without
/// `USE_TZ` the time zone is unknown, and UTC is assumed.
fn date(fields: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(written) = text(fields, name)? else { return Ok(None) };
    let dated = written.replacen(' ', "T", 1);
    let timestamp = Timestamp::parse(&dated).or_else(|| Timestamp::parse(&format!("{dated}Z")));
    timestamp.map(Some).ok_or_else(|| format!("{name} is not a date"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(key: &Value, fields: &Value) -> Result<UserRecord, String> {
        record(key, fields.as_object().expect("the fields are an object"))
    }

    #[test]
    fn dates_and_flags_are_read_in_dump_and_database_form() {
        let joined = Some(Timestamp::from_unix(1_556_938_921));
        for (date, flag) in [
            (json!("2019-05-04T03:02:01.987Z"), json!(true)),
            (json!("2019-05-04T05:02:01+02:00"), json!(true)),
            (json!("2019-05-04 03:02:01.987654"), json!(1)),
            (json!("2019-05-04T03:02:01"), json!(1)),
        ] {
            let fields = json!({"username": "ann", "date_joined": date, "is_staff": flag, "last_login": null});
            let record = read(&json!(7), &fields).expect("valid fields");
            assert_eq!((record.id, record.date_joined, record.is_staff), (Some(UserId(7)), joined, Some(true)));
            assert_eq!((record.last_login, record.is_active), (None, None));
        }
    }

    #[test]
    fn a_custom_model_may_have_a_uuid_and_no_user_name() {
        let key = Uuid::from_u128(0x1234);
        for written in [key.to_string(), key.simple().to_string()] {
            let record =
                read(&json!(written), &json!({"email": "ann@example.com", "password": ""})).expect("valid fields");
            assert_eq!((record.id, record.sub), (None, Some(Subject(key))));
            assert_eq!(record.username.as_deref(), Some("ann@example.com"));
            assert_eq!(record.password_hash, None);
        }
        assert_eq!(read(&Value::Null, &json!({"username": "ann"})).map(|record| record.id), Ok(None));
    }

    #[test]
    fn an_unusable_django_password_is_imported_as_none() {
        let unusable = read(&json!(1), &json!({"username": "ann", "password": "!JpqXk"}));
        assert_eq!(unusable.map(|record| record.password_hash), Ok(None));
    }

    #[test]
    fn an_unreadable_django_field_is_named() {
        for (key, fields, expected) in [
            (json!("ann"), json!({}), "primary key"),
            (json!(1.5), json!({}), "primary key"),
            (json!(1), json!({"username": 7}), "username"),
            (json!(1), json!({"is_active": "yes"}), "is_active"),
            (json!(1), json!({"date_joined": "yesterday"}), "date_joined"),
        ] {
            let problem = read(&key, &fields).expect_err("an invalid field");
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn user_tables_are_distinguished_from_other_tables() {
        assert!(looks_like_users(["id", "password", "email"]));
        assert!(!looks_like_users(["id", "username", "email"]));
        assert!(!looks_like_users(["id", "password"]));
    }
}
