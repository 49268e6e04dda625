//! Imports users from another system or from an export. Each batch is written in one transaction, so that an import may
//! be interrupted and repeated.
//!
//! Existing users stay unchanged. Each skipped record is reported with the reason. If only a part of a record cannot be
//! imported, such as the e-mail address or a date, the user is imported without it, so that references to the user's id
//! in other systems stay valid.

pub use self::candidate::ImportRow;
use self::candidate::{ImportCandidate, candidate};
use self::decision::{ImportDecision, decide, find_existing};
use self::note::{AccountProblem, ImportNote, SkipReason};
use super::context::Issuer;
use super::refusal::Refusal;
use crate::domain::audit::{Action, Operator};
use crate::domain::field::Field;
use crate::domain::id::{Subject, UserId};
use crate::domain::social::SocialAccount;
use crate::domain::time::Timestamp;
use crate::domain::user::{NewUser, Username};
use crate::store::{StoreError, Write};

mod candidate;
mod decision;
pub mod note;

/// A request to import a batch of users. A batch should have about 1000 records, because it is one transaction.
#[derive(Debug)]
pub struct ImportUsers {
    /// The records.
    pub rows: Vec<ImportRow>,
    /// The name of the source, for the audit log.
    pub from: String,
    /// Whether every address counts as verified, because the other system verified it.
    pub addresses_verified: bool,
}

/// The result of a batch.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many users were imported, including those imported in part.
    pub imported: usize,
    /// How many of the imported users have no password, because the record had none or its hash was skipped. They can
    /// set one with a password reset.
    pub without_password: usize,
    /// How many of the imported users have a verified address.
    pub verified: usize,
    /// How many accounts at providers were linked.
    pub accounts: usize,
    /// How many users existed already.
    pub already_present: usize,
    /// The skipped records and parts of records.
    pub notes: Vec<ImportNote>,
}

impl ImportUsers {
    /// Imports the batch. The returned result is durable; after a refusal, nothing of the batch was imported.
    pub async fn run(self, issuer: &Issuer) -> Result<Imported, Refusal> {
        let now = issuer.clock.now();
        let mut unreadable = Vec::new();
        let mut candidates = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            match candidate(row, Subject(issuer.random.uuid()), self.addresses_verified, now) {
                Ok(candidate) => candidates.push(candidate),
                Err(note) => unreadable.push(note),
            }
        }
        let from = self.from;
        let write = move |tx: &dyn Write| {
            let mut imported = Imported::default();
            let mut ids: Option<(UserId, UserId)> = None;
            for candidate in &candidates {
                if let Some(id) = import_one(tx, candidate, &mut imported, now)? {
                    ids = Some(ids.map_or((id, id), |(lowest, highest)| (lowest.min(id), highest.max(id))));
                }
            }
            if let Some((lowest, highest)) = ids {
                let accounts = match imported.accounts {
                    0 => String::new(),
                    count => format!(", {count} provider accounts"),
                };
                let detail = format!("{} users, ids {lowest} to {highest}{accounts}, from {from}", imported.imported);
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

/// Compares the candidate with the existing users, and inserts the user. Returns the id if the user was imported.
fn import_one(
    tx: &dyn Write,
    candidate: &ImportCandidate,
    imported: &mut Imported,
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    let mut skipped = candidate.skipped.clone();
    let inserted = match decide(candidate, &find_existing(tx, candidate)?) {
        ImportDecision::Insert(name, note) => {
            skipped.extend(note);
            insert(tx, candidate, name, &mut skipped)?
        }
        ImportDecision::AlreadyPresent => {
            imported.already_present += 1;
            return Ok(None);
        }
        ImportDecision::Refuse(reason) => {
            skipped = vec![reason];
            None
        }
    };
    let mut name = candidate.written_name.clone();
    let id = inserted.as_ref().map(|(id, _)| *id);
    if let Some((id, user)) = inserted {
        name = name.or_else(|| Some(user.username.to_string()));
        imported.imported += 1;
        imported.without_password += usize::from(user.password.is_none());
        imported.verified += usize::from(user.email_verified);
        imported.accounts += link_accounts(tx, id, candidate, &mut skipped, now)?;
    }
    let record_id = candidate.user.id;
    imported.notes.extend(skipped.into_iter().map(|reason| ImportNote {
        number: candidate.number,
        id: record_id,
        username: name.clone().or_else(|| Some(candidate.user.username.to_string())),
        reason,
    }));
    Ok(id)
}

/// Inserts the user, without the address if another user has it.
fn insert(
    tx: &dyn Write,
    candidate: &ImportCandidate,
    username: Username,
    skipped: &mut Vec<SkipReason>,
) -> Result<Option<(UserId, NewUser)>, StoreError> {
    let mut user = NewUser { username, ..candidate.user.clone() };
    let mut inserted = tx.insert_user(&user);
    if matches!(inserted, Err(StoreError::Taken(Field::Email))) {
        skipped.push(SkipReason::TakenEmail);
        user = NewUser { email: None, email_verified: false, ..user };
        inserted = tx.insert_user(&user);
    }
    match inserted {
        // Not expected, because `find_existing` has looked the name up in the same transaction.
        Err(StoreError::Taken(_)) => {
            *skipped = vec![SkipReason::Name];
            Ok(None)
        }
        inserted => inserted.map(|id| Some((id, user))),
    }
}

/// Links the user's accounts at providers. Returns how many were linked.
fn link_accounts(
    tx: &dyn Write,
    user: UserId,
    candidate: &ImportCandidate,
    skipped: &mut Vec<SkipReason>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut linked = 0;
    for account in &candidate.accounts {
        let provider = &account.provider;
        let problem = if tx.social_account(provider, &account.social_id)?.is_some() {
            AccountProblem::OfOther
        } else if tx.social_account_of(user, provider)?.is_some() {
            AccountProblem::Second
        } else {
            // The issuer is learned at the next sign-in. The other system's tokens are not imported.
            tx.link_social_account(&SocialAccount {
                provider: provider.clone(),
                social_id: account.social_id.clone(),
                issuer: None,
                user,
                access: None,
                refresh: None,
                expires_at: None,
                linked_at: account.linked_at.unwrap_or(now),
                last_login: account.last_login,
            })?;
            linked += 1;
            continue;
        };
        skipped.push(SkipReason::Account { provider: provider.clone(), problem });
    }
    Ok(linked)
}
