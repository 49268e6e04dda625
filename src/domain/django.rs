//! Reads a Django user from the fields of its model, which come from a dump or from a database table.

use serde_json::{Map, Value};

use super::import::links::UserLinks;
use super::import::value::{FieldReader, UnreadableField};
use super::password::PasswordHash;
use super::user_record::{SourceUser, UserRecord};

/// The first character of Django's password field if the user has no usable password.
const UNUSABLE: char = '!';

/// The fields that are imported, except the primary key.
pub const IMPORTED: [&str; 10] = [
    "username",
    "email",
    "password",
    "first_name",
    "last_name",
    "is_active",
    "is_staff",
    "is_superuser",
    "date_joined",
    "last_login",
];

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

/// Reads a user of Django's default model or of a custom model. A primary key that is a UUID becomes the `sub`. Other
/// fields are ignored. `undecoded` are the fields that the source could not decode.
pub fn read_user(key: &Value, fields: &Map<String, Value>, undecoded: Vec<UnreadableField>) -> SourceUser {
    let mut reader = FieldReader::new(fields, undecoded);
    let (id, sub) = reader.key("primary key", key);
    let hash = reader.text("password").filter(|hash| !hash.starts_with(UNUSABLE));
    let record = UserRecord {
        id,
        sub,
        username: reader.text("username"),
        has_username: None,
        email: reader.text("email"),
        email_verified: None,
        first_name: reader.text("first_name"),
        last_name: reader.text("last_name"),
        password_hash: hash.map(PasswordHash::from_stored),
        must_change_password: None,
        is_active: reader.is_active("is_active"),
        is_staff: reader.flag("is_staff"),
        is_superuser: reader.flag("is_superuser"),
        claims: None,
        date_joined: reader.date("date_joined"),
        last_login: reader.date("last_login"),
    };
    SourceUser { record, unreadable: reader.into_unreadable(), links: UserLinks::default() }
}

#[cfg(test)]
mod tests {
    use super::super::id::{Subject, UserId};
    use super::super::import::value::ReadProblem;
    use super::super::time::Timestamp;
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn read(key: &Value, fields: &Value) -> SourceUser {
        read_user(key, fields.as_object().expect("the fields are an object"), Vec::new())
    }

    #[test]
    fn dates_and_flags_are_read_in_dump_and_database_form() {
        let joined = Some(Timestamp::from_unix(1_556_938_921));
        for (key, date, flag) in [
            (json!(7), json!("2019-05-04T03:02:01.987Z"), json!(true)),
            (json!("7"), json!("2019-05-04T05:02:01+02:00"), json!("t")),
            (json!("b'7'"), json!("2019-05-04 03:02:01.987654"), json!(1)),
            (json!(7), json!("2019-05-04T03:02:01"), json!("1")),
            (json!(7), json!(1_556_938_921), json!("b'1'")),
        ] {
            let fields = json!({"username": " ann ", "date_joined": date, "is_staff": flag, "last_login": null});
            let SourceUser { record, unreadable, .. } = read(&key, &fields);
            assert_eq!((record.id, record.date_joined, record.is_staff), (Some(UserId(7)), joined, Some(true)));
            assert_eq!((record.last_login, record.is_active, unreadable), (None, None, vec![]));
            assert_eq!(record.username.as_deref(), Some("ann"));
        }
    }

    #[test]
    fn a_custom_model_may_have_a_uuid_and_no_user_name() {
        let key = Uuid::from_u128(0x1234);
        for written in [key.to_string(), key.simple().to_string()] {
            let record = read(&json!(written), &json!({"email": "ann@example.com", "password": ""})).record;
            assert_eq!((record.id, record.sub), (None, Some(Subject(key))));
            assert_eq!((record.username, record.password_hash), (None, None));
        }
        assert_eq!(read(&Value::Null, &json!({"username": "ann"})).record.id, None);
    }

    #[test]
    fn an_unusable_django_password_is_imported_as_none() {
        assert_eq!(read(&json!(1), &json!({"username": "ann", "password": "!JpqXk"})).record.password_hash, None);
    }

    #[test]
    fn an_unreadable_django_field_costs_only_itself() {
        for (key, fields, name, problem) in [
            (json!("ann"), json!({}), "primary key", ReadProblem::NotAKey),
            (json!(1.5), json!({}), "primary key", ReadProblem::NotAKey),
            (json!(1), json!({"username": true}), "username", ReadProblem::NotText),
            (json!(1), json!({"password": ["x"]}), "password", ReadProblem::NotText),
            (json!(1), json!({"is_staff": "perhaps"}), "is_staff", ReadProblem::NotAFlag),
            (json!(1), json!({"is_active": "perhaps"}), "is_active", ReadProblem::MaybeDisabled),
            (json!(1), json!({"date_joined": "yesterday"}), "date_joined", ReadProblem::NotADate),
        ] {
            let unreadable = read(&key, &fields).unreadable;
            assert_eq!(unreadable, [UnreadableField { name: name.to_owned(), problem }]);
        }
    }

    #[test]
    fn user_tables_are_distinguished_from_other_tables() {
        assert!(looks_like_users(["id", "password", "email"]));
        assert!(!looks_like_users(["id", "username", "email"]));
        assert!(!looks_like_users(["id", "password"]));
    }
}
