//! A user as a line of an export, or as another system stores it. The values are unchecked.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::claims::{Claims, ClaimsError};
use super::field::FieldProblem;
use super::id::{Subject, UserId};
use super::import::links::UserLinks;
use super::import::value::{FieldReader, UnreadableField};
use super::password::PasswordHash;
use super::time::Timestamp;
use super::user::{Email, NewUser, User, Username};

/// The members of a line of an export.
const MEMBERS: [&str; 16] = [
    "id",
    "sub",
    "username",
    "has_username",
    "email",
    "email_verified",
    "first_name",
    "last_name",
    "password_hash",
    "must_change_password",
    "is_active",
    "is_staff",
    "is_superuser",
    "claims",
    "date_joined",
    "last_login",
];

/// A user to be exported or imported. A missing value means the default of a new user.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UserRecord {
    /// The integer id.
    pub id: Option<UserId>,
    /// The UUID.
    pub sub: Option<Subject>,
    /// The user name.
    pub username: Option<String>,
    /// False if the user has chosen no user name. By default, whether `username` is given.
    pub has_username: Option<bool>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether the user has proved ownership of the address.
    pub email_verified: Option<bool>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The stored hash in any known format. Omitted from an export unless requested.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_hash")]
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

/// A user as a source of an import describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceUser {
    /// What could be read.
    pub record: UserRecord,
    /// The fields that could not be read.
    pub unreadable: Vec<UnreadableField>,
    /// Verified addresses and provider accounts.
    pub links: UserLinks,
}

/// Why a record is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// There is neither a usable user name nor an e-mail address, and no id from which to make a name.
    #[error("the user name is missing")]
    NoName,
    /// The claims are invalid.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
}

/// The names that an imported user may get, in order of preference.
#[derive(Clone, Debug, PartialEq)]
pub struct NameChoice {
    /// The user name of the record. `None` if it is missing or invalid.
    pub own: Option<Username>,
    /// Why the user name of the record is invalid.
    pub problem: Option<FieldProblem>,
    /// The e-mail address as user name.
    pub address: Option<Username>,
    /// A name made from the id, for a user without a valid user name.
    pub made: Option<Username>,
}

impl NameChoice {
    /// All names.
    pub fn all(&self) -> impl Iterator<Item = &Username> {
        [&self.own, &self.address, &self.made].into_iter().flatten()
    }
}

/// A record that passed the checks.
#[derive(Debug)]
pub struct ValidRecord {
    /// The user, with the first of the names. The password hash, the first name and the last name are unchecked.
    pub user: NewUser,
    /// The names to choose from.
    pub names: NameChoice,
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
            has_username: Some(user.has_username),
            email: user.email.map(|email| email.to_string()),
            email_verified: Some(user.email_verified),
            first_name: Some(user.first_name),
            last_name: Some(user.last_name),
            password_hash: user.password.filter(|_| with_hash),
            must_change_password: Some(user.temporary_since.is_some()),
            is_active: Some(user.is_active),
            is_staff: Some(user.is_staff),
            is_superuser: Some(user.is_superuser),
            claims: Some(claims),
            date_joined: Some(user.date_joined),
            last_login: user.last_login,
        }
    }

    /// Checks the names, the claims and the e-mail address. A missing `sub` becomes `new_sub`, a missing `date_joined`
    /// becomes `now`. The lifetime of a temporary password begins `now`.
    pub fn validate(self, new_sub: Uuid, now: Timestamp) -> Result<ValidRecord, InvalidRecord> {
        let claims = self.claims.map(|claims| Claims::parse(&Value::Object(claims).to_string())).transpose()?;
        let (email, email_problem) = match self.email.as_deref().map(Email::parse).transpose() {
            Ok(email) => (email, None),
            Err(problem) => (None, Some(problem)),
        };
        let (own, problem) = match self.username.as_deref().map(|name| import_name(name, email.as_ref())).transpose() {
            Ok(own) => (own, None),
            Err(problem) => (None, Some(problem)),
        };
        let id = self.id.map(|id| id.to_string()).or_else(|| self.sub.map(|sub| sub.0.simple().to_string()));
        let names = NameChoice {
            own,
            problem,
            address: self.email.as_deref().and_then(|address| import_name(address, email.as_ref()).ok()),
            made: id.and_then(|id| Username::parse(&format!("user-{id}")).ok()),
        };
        let username = names.all().next().cloned().ok_or(InvalidRecord::NoName)?;
        let has_own_name = names.own.is_some() || names.problem.is_some();
        let user = NewUser {
            id: self.id,
            has_username: self.has_username.unwrap_or(has_own_name),
            email_verified: email.is_some() && self.email_verified.unwrap_or(false),
            email,
            first_name: self.first_name.unwrap_or_default(),
            last_name: self.last_name.unwrap_or_default(),
            password: self.password_hash,
            temporary_since: self.must_change_password.unwrap_or(false).then_some(now),
            is_active: self.is_active.unwrap_or(true),
            is_staff: self.is_staff.unwrap_or(false),
            is_superuser: self.is_superuser.unwrap_or(false),
            claims: claims.unwrap_or_default(),
            last_login: self.last_login,
            ..NewUser::new(self.sub.unwrap_or(Subject(new_sub)), username, self.date_joined.unwrap_or(now))
        };
        Ok(ValidRecord { user, names, email_problem })
    }
}

/// Parses a name for an import. A name that is written as an e-mail address stays as it is. A name that only has the key
/// of another user's address is rejected, because that user could then not get an account.
fn import_name(text: &str, email: Option<&Email>) -> Result<Username, FieldProblem> {
    let name = Username::parse(text)?;
    match name.check_against_email(email) {
        Err(problem) if Email::parse(text).is_err() => Err(problem),
        _ => Ok(name),
    }
}

impl SourceUser {
    /// Reads a line of an export, with exactly the members of [`UserRecord`]. The error names an unknown member.
    pub fn from_line(members: &Map<String, Value>) -> Result<Self, String> {
        if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(format!("unknown field `{unknown}`, expected one of {}", MEMBERS.join(", ")));
        }
        let mut fields = FieldReader::new(members, Vec::new());
        let record = UserRecord {
            id: fields.key_field("id").0,
            sub: fields.key_field("sub").1,
            username: fields.text("username"),
            has_username: fields.flag("has_username"),
            email: fields.text("email"),
            email_verified: fields.flag("email_verified"),
            first_name: fields.text("first_name"),
            last_name: fields.text("last_name"),
            password_hash: fields.text("password_hash").map(PasswordHash::from_stored),
            must_change_password: fields.flag("must_change_password"),
            is_active: fields.is_active("is_active"),
            is_staff: fields.flag("is_staff"),
            is_superuser: fields.flag("is_superuser"),
            claims: fields.object("claims"),
            date_joined: fields.date("date_joined"),
            last_login: fields.date("last_login"),
        };
        Ok(Self { record, unreadable: fields.into_unreadable(), links: UserLinks::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::import::value::{ID_MAX, ReadProblem};
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn read(line: &str) -> Result<SourceUser, String> {
        let line: Map<String, Value> = serde_json::from_str(line).expect("an object");
        SourceUser::from_line(&line)
    }

    fn checked(line: &str) -> Result<ValidRecord, InvalidRecord> {
        read(line).expect("known fields").record.validate(Uuid::from_u128(1), NOW)
    }

    #[test]
    fn a_record_needs_only_a_user_name() {
        let valid = checked(r#"{"username":"ann","email":"","claims":null}"#).expect("a user name suffices");
        assert_eq!((valid.user.id, valid.user.sub, valid.user.email), (None, Subject(Uuid::from_u128(1)), None));
        assert_eq!((valid.user.is_active, valid.user.date_joined, valid.email_problem), (true, NOW, None));
    }

    #[test]
    fn a_missing_or_invalid_name_is_replaced() {
        let long = format!(r#"{{"username":"{}","email":"ann@example.com"}}"#, "x".repeat(151));
        for (line, name, problem) in [
            (r#"{"username":"","email":"ann@example.com"}"#, "ann@example.com", None),
            (r#"{"username":null,"email":" ann@example.com "}"#, "ann@example.com", None),
            (r#"{"username":" ","email":"ann@localhost"}"#, "ann@localhost", None),
            (r#"{"username":" ann ","email":"ann@example.com"}"#, "ann", None),
            (r#"{"username":"a\nb","email":"ann@example.com"}"#, "ann@example.com", Some(FieldProblem::Unprintable)),
            (&long, "ann@example.com", Some(FieldProblem::TooLong { max: 150 })),
            (
                r#"{"username":"eve＠example.com","email":"ann@example.com"}"#,
                "ann@example.com",
                Some(FieldProblem::AnothersEmail),
            ),
            (r#"{"username":"eve@example.com","email":"ann@example.com"}"#, "eve@example.com", None),
            (r#"{"id":7}"#, "user-7", None),
            (
                r#"{"id":7,"username":"a\nb","email":"mi\u212ae@example.org"}"#,
                "user-7",
                Some(FieldProblem::Unprintable),
            ),
            (r#"{"sub":"00000000-0000-0000-0000-000000001234"}"#, "user-00000000000000000000000000001234", None),
        ] {
            let valid = checked(line).expect(line);
            assert_eq!((valid.user.username.as_str(), valid.names.problem), (name, problem), "{line}");
        }
        for line in ["{}", r#"{"username":"a\nb"}"#] {
            assert_eq!(checked(line).map(drop), Err(InvalidRecord::NoName), "{line}");
        }
    }

    #[test]
    fn a_record_that_violates_the_rules_is_rejected() {
        let reserved = Err(InvalidRecord::Claims(ClaimsError::Reserved("sub".to_owned())));
        assert_eq!(checked(r#"{"username":"ann","claims":{"sub":"root"}}"#).map(drop), reserved);
        assert!(read(r#"{"user_name":"ann"}"#).is_err_and(|error| error.contains("`user_name`")));
    }

    #[test]
    fn an_unreadable_member_costs_only_itself() {
        let line = format!(
            r#"{{"id":{},"username":"ann","email_verified":"t","is_active":"maybe","is_staff":"1","is_superuser":[],
               "date_joined":"2019-05-04 03:02:01","last_login":"soon","claims":7,"password_hash":true}}"#,
            ID_MAX + 1
        );
        let user = read(&line).expect("known fields");
        let names: Vec<(&str, ReadProblem)> =
            user.unreadable.iter().map(|field| (&*field.name, field.problem)).collect();
        assert_eq!(
            names,
            [
                ("id", ReadProblem::NotAKey),
                ("password_hash", ReadProblem::NotText),
                ("is_active", ReadProblem::MaybeDisabled),
                ("is_superuser", ReadProblem::NotAFlag),
                ("claims", ReadProblem::NotAnObject),
                ("last_login", ReadProblem::NotADate),
            ]
        );
        let record = user.record;
        assert_eq!((record.email_verified, record.is_active, record.is_staff), (Some(true), Some(false), Some(true)));
        assert_eq!((record.date_joined, record.id), (Some(Timestamp::from_unix(1_556_938_921)), None));
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
        let record = read(r#"{"username":"ann","password_hash":"md5$x"}"#).expect("a valid record");
        assert!(!format!("{record:?}").contains("md5"));
    }

    #[test]
    fn an_import_notes_who_has_no_user_name() {
        for (line, has_username) in [
            (r#"{"username":"ann","email":"ann@example.com"}"#, true),
            (r#"{"username":"ann@example.com","email":"ann@example.com"}"#, true),
            (r#"{"username":"ann@example.com","has_username":false,"email":"ann@example.com"}"#, false),
            (r#"{"username":"","email":"ann@example.com"}"#, false),
            (r#"{"username":null,"email":"ann@example.com"}"#, false),
            (r#"{"email":"ann@example.com"}"#, false),
            (r#"{"username":"a\nb","email":"ann@example.com"}"#, true),
        ] {
            assert_eq!(checked(line).map(|valid| valid.user.has_username), Ok(has_username), "{line}");
        }
    }
}
