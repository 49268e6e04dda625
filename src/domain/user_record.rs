//! A user as a line of an export, or as another system stores it. The values are unchecked, and only the user name is
//! required.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::claims::{Claims, ClaimsError};
use super::field::FieldProblem;
use super::id::{Subject, UserId};
use super::password::PasswordHash;
use super::time::Timestamp;
use super::user::{Email, NewUser, User, Username};

/// The greatest accepted id. JSON parsers represent greater integers inexactly (RFC 8259 §6).
pub const ID_MAX: i64 = (1 << 53) - 1;

/// A user to be exported or imported. A missing or null value means the default of a new user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserRecord {
    /// The integer id.
    pub id: Option<UserId>,
    /// The UUID.
    pub sub: Option<Subject>,
    /// The user name; required.
    pub username: Option<String>,
    /// The e-mail address. An empty text means no address.
    pub email: Option<String>,
    /// Whether the user has proved ownership of the address.
    pub email_verified: Option<bool>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The stored hash in any known format. Omitted from an export unless requested.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_hash", deserialize_with = "read_hash")]
    pub password_hash: Option<PasswordHash>,
    /// Whether the password is temporary.
    pub must_change_password: Option<bool>,
    /// False for a disabled user.
    pub is_active: Option<bool>,
    /// Django's flag.
    pub is_staff: Option<bool>,
    /// Whether the user may use the admin zone.
    pub is_superuser: Option<bool>,
    /// The user's own claims, which are added to the user's tokens.
    pub claims: Option<Map<String, Value>>,
    /// When the account was created. The time of the import if unknown.
    pub date_joined: Option<Timestamp>,
    /// When the user last signed in.
    pub last_login: Option<Timestamp>,
}

#[expect(clippy::ref_option, reason = "serde requires this signature")]
fn write_hash<S: Serializer>(hash: &Option<PasswordHash>, serializer: S) -> Result<S::Ok, S::Error> {
    hash.as_ref().map(PasswordHash::as_str).serialize(serializer)
}

fn read_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PasswordHash>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(PasswordHash::from_stored))
}

/// Why a record is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// The user name is missing or empty.
    #[error("the user name is missing")]
    NoName,
    /// The user name is invalid.
    #[error("the user name {0}")]
    Name(FieldProblem),
    /// The id is out of range.
    #[error("the id {0} is not between 1 and {ID_MAX}")]
    Id(UserId),
    /// The claims are invalid.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
}

/// A record that passed the checks.
#[derive(Debug)]
pub struct ValidRecord {
    /// The user. The password hash, the first name and the last name are unchecked.
    pub user: NewUser,
    /// Why the e-mail address was rejected. The user is then imported without it.
    pub email_problem: Option<FieldProblem>,
}

impl UserRecord {
    /// The record of a user for an export. `with_hash` includes the password hash.
    pub fn of(user: User, with_hash: bool) -> Self {
        let claims: Map<String, Value> =
            user.claims.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self {
            id: Some(user.id),
            sub: Some(user.sub),
            username: Some(user.username.to_string()),
            email: user.email.map(|email| email.to_string()),
            email_verified: Some(user.email_verified),
            first_name: Some(user.first_name),
            last_name: Some(user.last_name),
            password_hash: user.password.filter(|_| with_hash),
            must_change_password: Some(user.must_change_password),
            is_active: Some(user.is_active),
            is_staff: Some(user.is_staff),
            is_superuser: Some(user.is_superuser),
            claims: Some(claims),
            date_joined: Some(user.date_joined),
            last_login: user.last_login,
        }
    }

    /// Checks the user name, the id, the claims and the e-mail address. A missing `sub` becomes `new_sub`, a missing
    /// `date_joined` becomes `now`.
    pub fn validate(self, new_sub: Uuid, now: Timestamp) -> Result<ValidRecord, InvalidRecord> {
        let username = self.username.filter(|name| !name.is_empty()).ok_or(InvalidRecord::NoName)?;
        let username = Username::parse(&username).map_err(InvalidRecord::Name)?;
        if let Some(id) = self.id.filter(|id| !(1..=ID_MAX).contains(&id.0)) {
            return Err(InvalidRecord::Id(id));
        }
        let claims = self.claims.map(|claims| Claims::parse(&Value::Object(claims).to_string())).transpose()?;
        let email = self.email.filter(|email| !email.is_empty()).map(|email| Email::parse(&email)).transpose();
        let (email, email_problem) = match email {
            Ok(email) => (email, None),
            Err(problem) => (None, Some(problem)),
        };
        let user = NewUser {
            id: self.id,
            email_verified: email.is_some() && self.email_verified.unwrap_or(false),
            email,
            first_name: self.first_name.unwrap_or_default(),
            last_name: self.last_name.unwrap_or_default(),
            password: self.password_hash,
            must_change_password: self.must_change_password.unwrap_or(false),
            is_active: self.is_active.unwrap_or(true),
            is_staff: self.is_staff.unwrap_or(false),
            is_superuser: self.is_superuser.unwrap_or(false),
            claims: claims.unwrap_or_default(),
            last_login: self.last_login,
            ..NewUser::new(self.sub.unwrap_or(Subject(new_sub)), username, self.date_joined.unwrap_or(now))
        };
        Ok(ValidRecord { user, email_problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn checked(line: &str) -> Result<ValidRecord, InvalidRecord> {
        let record: UserRecord = serde_json::from_str(line).expect("a valid record");
        record.validate(Uuid::from_u128(1), NOW)
    }

    #[test]
    fn a_record_needs_only_a_user_name() {
        let valid = checked(r#"{"username":"ann","email":"","claims":null}"#).expect("a user name suffices");
        assert_eq!((valid.user.id, valid.user.sub, valid.user.email), (None, Subject(Uuid::from_u128(1)), None));
        assert_eq!((valid.user.is_active, valid.user.date_joined, valid.email_problem), (true, NOW, None));
    }

    #[test]
    fn a_record_that_violates_the_rules_is_rejected() {
        assert_eq!(checked("{}").map(drop), Err(InvalidRecord::NoName));
        assert_eq!(checked(r#"{"username":"a\nb"}"#).map(drop), Err(InvalidRecord::Name(FieldProblem::Unprintable)));
        for id in [0, -1, ID_MAX + 1] {
            let line = format!(r#"{{"username":"ann","id":{id}}}"#);
            assert_eq!(checked(&line).map(drop), Err(InvalidRecord::Id(UserId(id))));
        }
        let reserved = Err(InvalidRecord::Claims(ClaimsError::Reserved("sub".to_owned())));
        assert_eq!(checked(r#"{"username":"ann","claims":{"sub":"root"}}"#).map(drop), reserved);
        for wrong in [r#"{"user_name":"ann"}"#, r#"{"username":7}"#, r#"{"username":"a","username":"b"}"#] {
            assert!(serde_json::from_str::<UserRecord>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_invalid_address_is_skipped() {
        let valid = checked(r#"{"username":"ann","email":"ann@localhost","email_verified":true}"#)
            .expect("the user is accepted");
        assert_eq!((valid.user.email, valid.user.email_verified), (None, false));
        assert_eq!(valid.email_problem, Some(FieldProblem::NotAnEmail));
    }

    #[test]
    fn debug_output_hides_the_hash() {
        let record: UserRecord =
            serde_json::from_str(r#"{"username":"ann","password_hash":"md5$x"}"#).expect("a valid record");
        assert!(!format!("{record:?}").contains("md5"));
    }
}
