//! Bringing users along from another system or from an export: batch by batch, each whole or not at all, so that an
//! import may be interrupted and repeated.
//!
//! A user who is here already is left as they are here. What can't come along is told, with its reason: a whole record,
//! or an address or a hash without which the user still comes, for others hold the user's id.

use super::{Issuer, Refusal};
use crate::crypto::foreign_hash::{ForeignHash, HashProblem};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::field::{Field, FieldProblem};
use crate::domain::id::{Subject, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Login, NewUser, User};
use crate::domain::user_record::{Unfit, UserRecord};
use crate::store::{Read, StoreError, Write};

/// A record and where it was found.
#[derive(Debug)]
pub struct ImportRow {
    /// Its place among the others, from 1: a line, a row.
    pub number: u64,
    /// The record, or why it can't be read.
    pub record: Result<UserRecord, String>,
}

/// Some users on their way in: a thousand or so, for they are written in one transaction.
#[derive(Debug)]
pub struct ImportUsers {
    /// The records.
    pub rows: Vec<ImportRow>,
    /// Where they come from, for the audit log.
    pub from: String,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many came along, with whatever loss.
    pub imported: usize,
    /// How many of those have no password, as none came or it was left behind: they get one by a reset.
    pub without_password: usize,
    /// How many were here before.
    pub already_present: usize,
    /// What could not come along.
    pub notes: Vec<ImportNote>,
}

/// A record, or a part of one, that could not come along.
#[derive(Debug, PartialEq, Eq)]
pub struct ImportNote {
    /// The record's place.
    pub number: u64,
    /// The id it wanted.
    pub id: Option<UserId>,
    /// The name it has.
    pub username: Option<String>,
    /// What was left behind.
    pub reason: SkipReason,
}

/// What was left behind, and why.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// The whole record: it can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// The whole record: the rules refuse it.
    #[error("{0}")]
    Unfit(#[from] Unfit),
    /// The whole record: another user has its id.
    #[error("another user, {0}, has that id here")]
    Id(String),
    /// The whole record: another user has its UUID.
    #[error("another user, {0}, has that sub here")]
    Sub(String),
    /// The whole record: the user is here under another UUID, by which tokens know them.
    #[error("{0} is here already, with another sub")]
    OtherSub(String),
    /// The whole record: another user has its name as a name or an address.
    #[error("another user has that user name here, as a name or an address")]
    Name,
    /// The address: it is none. The user came along without it.
    #[error("came along without its e-mail address, which {0}")]
    WrongEmail(FieldProblem),
    /// The address: another user has it. The user came along without it.
    #[error("came along without its e-mail address, which another user has here as a name or an address")]
    TakenEmail,
    /// The hash. The user came along without a password, and gets one by a reset.
    #[error("came along without its password: {0}")]
    Hash(HashProblem),
}

impl SkipReason {
    /// Whether the user did not come along at all.
    pub fn is_whole_record(&self) -> bool {
        match self {
            Self::Unreadable(_) | Self::Unfit(_) | Self::Id(_) | Self::Sub(_) | Self::OtherSub(_) | Self::Name => true,
            Self::WrongEmail(_) | Self::TakenEmail | Self::Hash(_) => false,
        }
    }

    /// Whether the user came along without their address.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::WrongEmail(_) | Self::TakenEmail)
    }
}

/// A user that passed the rules and is not yet compared with those that are here.
#[derive(Debug)]
struct ImportCandidate {
    number: u64,
    user: NewUser,
    /// Whether the record named the UUID itself.
    has_sub: bool,
    skipped: Vec<SkipReason>,
}

/// Who is here with a candidate's id, UUID or name.
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
    /// Brings the batch along. What it returns is durable; on a refusal nothing of the batch was done.
    pub async fn run(self, issuer: &Issuer) -> Result<Imported, Refusal> {
        let now = issuer.clock.now();
        let mut imported = Imported::default();
        let mut candidates = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            match candidate(row, Subject(issuer.random.uuid()), now) {
                Ok(candidate) => candidates.push(candidate),
                Err(note) => imported.notes.push(note),
            }
        }
        let from = self.from;
        let write = move |tx: &dyn Write| {
            let mut ids: Option<(UserId, UserId)> = None;
            for candidate in candidates {
                if let Some(id) = import_one(tx, candidate, &mut imported)? {
                    ids = Some(ids.map_or((id, id), |(least, most)| (least.min(id), most.max(id))));
                }
            }
            if let Some((least, most)) = ids {
                let detail = format!("{} users, ids {least} to {most}, from {from}", imported.imported);
                tx.record(&AuditEntry {
                    at: now,
                    action: Action::Imported,
                    user: None,
                    actor: None,
                    address: None,
                    detail,
                })?;
            }
            imported.notes.sort_by_key(|note| note.number);
            Ok(imported)
        };
        issuer.store.write(write).await.map_err(|error: StoreError| error.into())
    }
}

/// Applies the rules that ask nobody.
fn candidate(row: ImportRow, fresh: Subject, now: Timestamp) -> Result<ImportCandidate, ImportNote> {
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
    let fit = record.checked(fresh.0, now).map_err(|why| ImportNote { number, id, username, reason: why.into() })?;
    let mut skipped: Vec<SkipReason> = fit.email_problem.map(SkipReason::WrongEmail).into_iter().collect();
    let password = fit.user.password.clone().and_then(|hash| match ForeignHash::parse(hash.as_str()) {
        Ok(_) => Some(hash),
        Err(problem) => {
            skipped.push(SkipReason::Hash(problem));
            None
        }
    });
    Ok(ImportCandidate { number, user: NewUser { password, ..fit.user }, has_sub, skipped })
}

/// Compares the candidate with those who are here, and makes the user. Their id, if they came.
fn import_one(
    tx: &dyn Write,
    mut candidate: ImportCandidate,
    imported: &mut Imported,
) -> Result<Option<UserId>, StoreError> {
    let decision = decide(&candidate.user, candidate.has_sub, &find_existing(tx, &candidate)?);
    let inserted = match decision {
        ImportDecision::Insert => insert(tx, &mut candidate)?,
        ImportDecision::AlreadyPresent => {
            imported.already_present += 1;
            return Ok(None);
        }
        ImportDecision::Refuse(skipped) => {
            candidate.skipped = vec![skipped];
            None
        }
    };
    imported.imported += usize::from(inserted.is_some());
    imported.without_password += usize::from(inserted.is_some() && candidate.user.password.is_none());
    let ImportCandidate { number, user, skipped, .. } = candidate;
    let username = user.username.to_string();
    let notes = skipped.into_iter().map(|skipped| ImportNote {
        number,
        id: user.id,
        username: Some(username.clone()),
        reason: skipped,
    });
    imported.notes.extend(notes);
    Ok(inserted)
}

fn insert(tx: &dyn Write, candidate: &mut ImportCandidate) -> Result<Option<UserId>, StoreError> {
    let mut made = tx.insert_user(&candidate.user);
    if matches!(made, Err(StoreError::Taken(Field::Email))) {
        candidate.user.email = None;
        candidate.user.email_verified = false;
        candidate.skipped.push(SkipReason::TakenEmail);
        made = tx.insert_user(&candidate.user);
    }
    match made {
        // A name so long, once its letters are taken apart, that nobody is looked up by it.
        Err(StoreError::Taken(_)) => {
            candidate.skipped = vec![SkipReason::Name];
            Ok(None)
        }
        made => made.map(Some),
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

/// A user is the one who is here if nothing that both have tells them apart: the id, the UUID where the record has one,
/// and the name (which may have been changed here since, where the UUID is the same).
fn decide(user: &NewUser, has_sub: bool, holders: &ExistingUsers) -> ImportDecision {
    let same_id = |here: &User| user.id.is_none_or(|id| id == here.id);
    let same_sub = |here: &User| user.sub == here.sub;
    let same_name = |here: &User| user.username == here.username;
    let same = |here: &User| same_id(here) && if has_sub { same_sub(here) } else { same_name(here) };
    let text = |here: &User| here.username.to_string();
    if [&holders.id, &holders.sub, &holders.name].into_iter().flatten().any(same) {
        return ImportDecision::AlreadyPresent;
    }
    ImportDecision::Refuse(match holders {
        ExistingUsers { id: Some(here), .. } if same_name(here) => SkipReason::OtherSub(text(here)),
        ExistingUsers { id: Some(here), .. } => SkipReason::Id(text(here)),
        ExistingUsers { sub: Some(here), .. } => SkipReason::Sub(text(here)),
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

    /// Decides as if those users were here.
    fn decided(user: &NewUser, has_sub: bool, all: &[User]) -> ImportDecision {
        let find = |is: &dyn Fn(&&User) -> bool| all.iter().find(is).cloned();
        let address = |user: &User| user.email.as_ref().map(Email::key);
        let holders = ExistingUsers {
            id: find(&|here| user.id == Some(here.id)),
            sub: find(&|here| has_sub && user.sub == here.sub),
            name: find(&|here| user.username == here.username || address(here) == Some(user.username.key())),
        };
        decide(user, has_sub, &holders)
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
            (new(Some(1), 0xa, "anna, as she was"), true, ImportDecision::AlreadyPresent),
            (new(None, 0xa, "anna, as she was"), true, ImportDecision::AlreadyPresent),
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
        let unreadable = read(r#"{"user":"ann"}"#).expect_err("no such field");
        assert!(
            unreadable.reason.is_whole_record() && unreadable.reason.to_string().contains("`user`"),
            "{unreadable:?}"
        );
        let unfit = read(r#"{"id":1,"username":" "}"#).expect_err("no such name");
        assert_eq!(
            (unfit.number, unfit.id, unfit.reason),
            (7, Some(UserId(1)), Unfit::Name(FieldProblem::Blank).into())
        );
        let lossy = read(r#"{"username":"ann","email":"ann@localhost","password_hash":"md5$a$b"}"#).expect("she comes");
        let hash = SkipReason::Hash(HashProblem::Unknown("md5".to_owned()));
        assert_eq!(lossy.skipped, [SkipReason::WrongEmail(FieldProblem::NotAnEmail), hash]);
        assert!(lossy.user.password.is_none() && lossy.user.email.is_none() && !lossy.has_sub);
    }
}
