//! Imports users from another system or from an export. Each batch is written in one transaction, so that an import may
//! be interrupted and repeated.
//!
//! Existing users stay unchanged. Each skipped record is reported with the reason. If only the e-mail address or the
//! password hash cannot be imported, the user is imported without it, so that references to the user's id in other
//! systems stay valid.

use super::context::Issuer;
use super::refusal::Refusal;
use crate::crypto::foreign_hash::{ForeignHash, HashProblem};
use crate::domain::audit::{Action, Operator};
use crate::domain::field::{Field, FieldProblem};
use crate::domain::id::{Subject, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Login, NewUser, User};
use crate::domain::user_record::{InvalidRecord, UserRecord};
use crate::store::{Read, StoreError, Write};

/// A record and its position in the source.
#[derive(Debug)]
pub struct ImportRow {
    /// The number of the line or row, from 1.
    pub number: u64,
    /// The record, or why it cannot be read.
    pub record: Result<UserRecord, String>,
}

/// A request to import a batch of users. A batch should have about 1000 records, because it is one transaction.
#[derive(Debug)]
pub struct ImportUsers {
    /// The records.
    pub rows: Vec<ImportRow>,
    /// The name of the source, for the audit log.
    pub from: String,
}

/// The result of a batch.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many users were imported, including those imported in part.
    pub imported: usize,
    /// How many of the imported users have no password, because the record had none or its hash was skipped. They can
    /// set one with a password reset.
    pub without_password: usize,
    /// How many users existed already.
    pub already_present: usize,
    /// The skipped records and parts of records.
    pub notes: Vec<ImportNote>,
}

/// A skipped record, or a skipped part of one.
#[derive(Debug, PartialEq, Eq)]
pub struct ImportNote {
    /// The number of the line or row.
    pub number: u64,
    /// The id in the record; `None` if it has none or cannot be read.
    pub id: Option<UserId>,
    /// The user name in the record; `None` if the record cannot be read.
    pub username: Option<String>,
    /// What was skipped, and why.
    pub reason: SkipReason,
}

/// What was skipped, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// The whole record: it cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The whole record: it breaks a rule.
    #[error("{0}")]
    InvalidRecord(#[from] InvalidRecord),
    /// The whole record: another user has its id.
    #[error("the user {0} has this id")]
    Id(String),
    /// The whole record: another user has its UUID.
    #[error("the user {0} has this sub")]
    Sub(String),
    /// The whole record: the user exists with another UUID, which is the `sub` of the user's tokens.
    #[error("the user {0} exists with another sub")]
    OtherSub(String),
    /// The whole record: its user name is already the user name or the e-mail address of another user.
    #[error("this user name is already the user name or the e-mail address of another user")]
    Name,
    /// The address: it is invalid. The user was imported without it.
    #[error("imported without e-mail address: it {0}")]
    WrongEmail(FieldProblem),
    /// The address: another user has it. The user was imported without it.
    #[error("imported without e-mail address: it is already the user name or the e-mail address of another user")]
    TakenEmail,
    /// The hash. The user was imported without a password, and can set one with a password reset.
    #[error("imported without password: {0}")]
    Hash(HashProblem),
}

impl SkipReason {
    /// Whether the user was not imported at all.
    pub fn is_whole_record(&self) -> bool {
        match self {
            Self::Unreadable(_)
            | Self::InvalidRecord(_)
            | Self::Id(_)
            | Self::Sub(_)
            | Self::OtherSub(_)
            | Self::Name => true,
            Self::WrongEmail(_) | Self::TakenEmail | Self::Hash(_) => false,
        }
    }

    /// Whether the user was imported without the address.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::WrongEmail(_) | Self::TakenEmail)
    }
}

/// A user that passed the rules and is not yet compared with the existing users.
#[derive(Debug)]
struct ImportCandidate {
    number: u64,
    user: NewUser,
    /// Whether the record contains the UUID. Otherwise the UUID is new.
    has_sub: bool,
    skipped: Vec<SkipReason>,
}

/// The existing users with a candidate's id or UUID, or with its user name as their user name or e-mail address.
#[derive(Debug, Default)]
struct ExistingUsers {
    id: Option<User>,
    sub: Option<User>,
    name: Option<User>,
}

#[derive(Debug, PartialEq, Eq)]
enum ImportDecision {
    Insert,
    AlreadyPresent,
    Refuse(SkipReason),
}

impl ImportUsers {
    /// Imports the batch. The returned result is durable; after a refusal, nothing of the batch was imported.
    pub async fn run(self, issuer: &Issuer) -> Result<Imported, Refusal> {
        let now = issuer.clock.now();
        let mut unreadable = Vec::new();
        let mut candidates = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            match candidate(row, Subject(issuer.random.uuid()), now) {
                Ok(candidate) => candidates.push(candidate),
                Err(note) => unreadable.push(note),
            }
        }
        let from = self.from;
        let write = move |tx: &dyn Write| {
            let mut imported = Imported::default();
            let mut ids: Option<(UserId, UserId)> = None;
            for candidate in &candidates {
                if let Some(id) = import_one(tx, candidate, &mut imported)? {
                    ids = Some(ids.map_or((id, id), |(lowest, highest)| (lowest.min(id), highest.max(id))));
                }
            }
            if let Some((lowest, highest)) = ids {
                let detail = format!("{} users, ids {lowest} to {highest}, from {from}", imported.imported);
                tx.record(&Operator::CommandLine.entry(now, Action::Imported, None, detail))?;
            }
            Ok::<_, StoreError>(imported)
        };
        let mut imported = issuer.store.write(write).await?;
        imported.notes.extend(unreadable);
        imported.notes.sort_by_key(|note| note.number);
        Ok(imported)
    }
}

/// Applies the rules that do not depend on the store. `new_sub` is used if the record has no UUID.
fn candidate(row: ImportRow, new_sub: Subject, now: Timestamp) -> Result<ImportCandidate, ImportNote> {
    let number = row.number;
    let record = row.record.map_err(|why| ImportNote {
        number,
        id: None,
        username: None,
        reason: SkipReason::Unreadable(why),
    })?;
    let id = record.id;
    let username = record.username.clone();
    let has_sub = record.sub.is_some();
    let valid =
        record.validate(new_sub.0, now).map_err(|why| ImportNote { number, id, username, reason: why.into() })?;
    let mut skipped: Vec<SkipReason> = valid.email_problem.map(SkipReason::WrongEmail).into_iter().collect();
    let password = valid.user.password.clone().and_then(|hash| match ForeignHash::parse(hash.as_str()) {
        Ok(_) => Some(hash),
        Err(problem) => {
            skipped.push(SkipReason::Hash(problem));
            None
        }
    });
    Ok(ImportCandidate { number, user: NewUser { password, ..valid.user }, has_sub, skipped })
}

/// Compares the candidate with the existing users, and inserts the user. Returns the id if the user was imported.
fn import_one(
    tx: &dyn Write,
    candidate: &ImportCandidate,
    imported: &mut Imported,
) -> Result<Option<UserId>, StoreError> {
    let decision = decide(&candidate.user, candidate.has_sub, &find_existing(tx, candidate)?);
    let mut skipped = candidate.skipped.clone();
    let inserted = match decision {
        ImportDecision::Insert => insert(tx, &candidate.user, &mut skipped)?,
        ImportDecision::AlreadyPresent => {
            imported.already_present += 1;
            return Ok(None);
        }
        ImportDecision::Refuse(reason) => {
            skipped = vec![reason];
            None
        }
    };
    imported.imported += usize::from(inserted.is_some());
    imported.without_password += usize::from(inserted.is_some() && candidate.user.password.is_none());
    imported.notes.extend(skipped.into_iter().map(|reason| ImportNote {
        number: candidate.number,
        id: candidate.user.id,
        username: Some(candidate.user.username.to_string()),
        reason,
    }));
    Ok(inserted)
}

/// Inserts the user, without the address if another user has it.
fn insert(tx: &dyn Write, user: &NewUser, skipped: &mut Vec<SkipReason>) -> Result<Option<UserId>, StoreError> {
    let mut inserted = tx.insert_user(user);
    if matches!(inserted, Err(StoreError::Taken(Field::Email))) {
        skipped.push(SkipReason::TakenEmail);
        inserted = tx.insert_user(&NewUser { email: None, email_verified: false, ..user.clone() });
    }
    match inserted {
        // Not expected, because `find_existing` has looked the name up in the same transaction.
        Err(StoreError::Taken(_)) => {
            *skipped = vec![SkipReason::Name];
            Ok(None)
        }
        inserted => inserted.map(Some),
    }
}

fn find_existing(tx: &dyn Write, candidate: &ImportCandidate) -> Result<ExistingUsers, StoreError> {
    let tx: &dyn Read = tx;
    let user = &candidate.user;
    Ok(ExistingUsers {
        id: user.id.map_or(Ok(None), |id| tx.user(id))?,
        sub: if candidate.has_sub { tx.user_by_sub(user.sub)? } else { None },
        name: tx.user_by_login(&Login::new(user.username.as_str()))?,
    })
}

/// Decides what happens to a candidate. It is an existing user if all keys that both have are equal: the id and the
/// UUID, or the id and the name if the record has no UUID. With an equal UUID the name may differ, because the user may
/// have changed it since the first import.
fn decide(user: &NewUser, has_sub: bool, existing_users: &ExistingUsers) -> ImportDecision {
    let same_id = |existing: &User| user.id.is_none_or(|id| id == existing.id);
    let same_sub = |existing: &User| user.sub == existing.sub;
    let same_name = |existing: &User| user.username == existing.username;
    let same = |existing: &User| same_id(existing) && if has_sub { same_sub(existing) } else { same_name(existing) };
    let name = |existing: &User| existing.username.to_string();
    if [&existing_users.id, &existing_users.sub, &existing_users.name].into_iter().flatten().any(same) {
        return ImportDecision::AlreadyPresent;
    }
    ImportDecision::Refuse(match existing_users {
        ExistingUsers { id: Some(existing), .. } if same_name(existing) => SkipReason::OtherSub(name(existing)),
        ExistingUsers { id: Some(existing), .. } => SkipReason::Id(name(existing)),
        ExistingUsers { sub: Some(existing), .. } => SkipReason::Sub(name(existing)),
        ExistingUsers { name: Some(_), .. } => SkipReason::Name,
        ExistingUsers { id: None, sub: None, name: None } => return ImportDecision::Insert,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::claims::Claims;
    use crate::domain::user::{Email, Username};
    use uuid::Uuid;

    const AT: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn new(id: Option<i64>, sub: u128, name: &str) -> NewUser {
        let username = Username::from_stored(name.to_owned());
        NewUser { id: id.map(UserId), ..NewUser::new(Subject(Uuid::from_u128(sub)), username, AT) }
    }

    fn existing(id: i64, sub: u128, name: &str) -> User {
        User {
            id: UserId(id),
            sub: Subject(Uuid::from_u128(sub)),
            username: Username::from_stored(name.to_owned()),
            email: Some(Email::from_stored(format!("{name}@example.com"))),
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            password: None,
            must_change_password: false,
            is_active: true,
            is_staff: false,
            is_superuser: false,
            claims: Claims::default(),
            date_joined: AT,
            last_login: None,
        }
    }

    /// Decides as if the users in `all` existed.
    fn decided(user: &NewUser, has_sub: bool, all: &[User]) -> ImportDecision {
        let find = |is: &dyn Fn(&&User) -> bool| all.iter().find(is).cloned();
        let address = |user: &User| user.email.as_ref().map(Email::key);
        let existing_users = ExistingUsers {
            id: find(&|existing| user.id == Some(existing.id)),
            sub: find(&|existing| has_sub && user.sub == existing.sub),
            name: find(&|existing| {
                user.username == existing.username || address(existing) == Some(user.username.key())
            }),
        };
        decide(user, has_sub, &existing_users)
    }

    #[test]
    fn an_existing_user_is_matched_by_all_common_keys() {
        let all = [existing(1, 0xa, "ann"), existing(2, 0xb, "bob")];
        let ann = || "ann".to_owned();
        let bob = || "bob".to_owned();
        for (user, has_sub, expected) in [
            (new(Some(3), 0xc, "cid"), true, ImportDecision::Insert),
            (new(None, 0xc, "cid"), false, ImportDecision::Insert),
            (new(Some(1), 0xff, "ANN"), false, ImportDecision::AlreadyPresent),
            (new(Some(1), 0xa, "ann"), true, ImportDecision::AlreadyPresent),
            (new(None, 0xff, "ann"), false, ImportDecision::AlreadyPresent),
            (new(Some(1), 0xa, "anna, before"), true, ImportDecision::AlreadyPresent),
            (new(None, 0xa, "anna, before"), true, ImportDecision::AlreadyPresent),
            (new(Some(1), 0xff, "dan"), false, ImportDecision::Refuse(SkipReason::Id(ann()))),
            (new(Some(1), 0xff, "bob"), false, ImportDecision::Refuse(SkipReason::Id(ann()))),
            (new(Some(1), 0xff, "ann"), true, ImportDecision::Refuse(SkipReason::OtherSub(ann()))),
            (new(Some(9), 0xb, "dan"), true, ImportDecision::Refuse(SkipReason::Sub(bob()))),
            (new(Some(9), 0xff, "bob"), false, ImportDecision::Refuse(SkipReason::Name)),
            (new(None, 0xff, "bob"), true, ImportDecision::Refuse(SkipReason::Name)),
            (new(None, 0xff, "bob@example.com"), false, ImportDecision::Refuse(SkipReason::Name)),
        ] {
            assert_eq!(decided(&user, has_sub, &all), expected, "{user:?}, sub given: {has_sub}");
        }
    }

    #[test]
    fn the_rules_are_applied_before_the_store_is_read() {
        let read = |line: &str| {
            let record = serde_json::from_str::<UserRecord>(line).map_err(|error| error.to_string());
            candidate(ImportRow { number: 7, record }, Subject(Uuid::from_u128(0xf)), AT)
        };
        let unreadable = read(r#"{"user":"ann"}"#).expect_err("the field is unknown");
        assert!(
            unreadable.reason.is_whole_record() && unreadable.reason.to_string().contains("`user`"),
            "{unreadable:?}"
        );
        let blank = read(r#"{"id":1,"username":" "}"#).expect_err("the name is blank");
        assert_eq!(
            (blank.number, blank.id, blank.reason),
            (7, Some(UserId(1)), InvalidRecord::Name(FieldProblem::Blank).into())
        );
        let partly_imported =
            read(r#"{"username":"ann","email":"ann@localhost","password_hash":"md5$a$b"}"#).expect("imported");
        let hash = SkipReason::Hash(HashProblem::Unknown("md5".to_owned()));
        assert_eq!(partly_imported.skipped, [SkipReason::WrongEmail(FieldProblem::NotAnEmail), hash]);
        assert!(
            partly_imported.user.password.is_none() && partly_imported.user.email.is_none() && !partly_imported.has_sub
        );
    }
}
