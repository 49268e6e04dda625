//! A user to be imported, after the rules that do not depend on the store.

use super::note::{ImportNote, SkipReason};
use crate::crypto::foreign_hash::ForeignHash;
use crate::domain::id::Subject;
use crate::domain::import::links::ImportedAccount;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, NewUser};
use crate::domain::user_record::{NameChoice, SourceUser};

/// A record and its position in the source.
#[derive(Debug)]
pub struct ImportRow {
    /// The number of the line or row, from 1.
    pub number: u64,
    /// The user, or why the record cannot be read.
    pub user: Result<SourceUser, String>,
}

/// A user that passed the rules and is not yet compared with the existing users.
#[derive(Debug)]
pub(super) struct ImportCandidate {
    pub number: u64,
    /// The user, whose name is not chosen yet.
    pub user: NewUser,
    pub names: NameChoice,
    /// The user name in the record.
    pub written_name: Option<String>,
    /// Whether the record contains the UUID. Otherwise the UUID is new.
    pub has_sub: bool,
    pub accounts: Vec<ImportedAccount>,
    pub skipped: Vec<SkipReason>,
}

/// Applies the rules that do not depend on the store. `new_sub` is used if the record has no UUID. With
/// `addresses_verified`, every address counts as verified.
pub(super) fn candidate(
    row: ImportRow,
    new_sub: Subject,
    addresses_verified: bool,
    now: Timestamp,
) -> Result<ImportCandidate, ImportNote> {
    let number = row.number;
    let source =
        row.user.map_err(|why| ImportNote { number, id: None, username: None, reason: SkipReason::Unreadable(why) })?;
    let mut record = source.record;
    let id = record.id;
    let written_name = record.username.clone();
    let has_sub = record.sub.is_some();
    if record.email.is_none() {
        record.email = source.links.verified.first().cloned();
    }
    let note = |reason: SkipReason| ImportNote { number, id, username: written_name.clone(), reason };
    let valid = record.validate(new_sub.0, now).map_err(|why| note(why.into()))?;
    let mut skipped: Vec<SkipReason> = source.unreadable.into_iter().map(SkipReason::Field).collect();
    skipped.extend(valid.email_problem.map(SkipReason::WrongEmail));
    if source.links.invalid_accounts > 0 {
        skipped.push(SkipReason::InvalidAccounts(source.links.invalid_accounts));
    }
    let password = valid.user.password.clone().and_then(|hash| match ForeignHash::parse(hash.as_str()) {
        Ok(_) => Some(hash),
        Err(problem) => {
            skipped.push(SkipReason::Hash(problem));
            None
        }
    });
    let is_verified = |email: &Email| {
        let mut verified = source.links.verified.iter().filter_map(|text| Email::parse(text).ok());
        addresses_verified || verified.any(|verified| verified.is_same_mailbox(email))
    };
    let email_verified = valid.user.email_verified || valid.user.email.as_ref().is_some_and(is_verified);
    let user = NewUser { email_verified, password, ..valid.user };
    let accounts = source.links.accounts;
    Ok(ImportCandidate { number, user, names: valid.names, written_name, has_sub, accounts, skipped })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::crypto::foreign_hash::HashProblem;
    use crate::domain::field::FieldProblem;
    use crate::domain::import::links::UserLinks;

    const AT: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn read(line: &Value, verified: &[&str], all_verified: bool) -> Result<ImportCandidate, ImportNote> {
        let user = SourceUser::from_line(line.as_object().expect("an object")).map(|user| SourceUser {
            links: UserLinks {
                verified: verified.iter().map(|text| (*text).to_owned()).collect(),
                ..UserLinks::default()
            },
            ..user
        });
        candidate(ImportRow { number: 7, user }, Subject(Uuid::from_u128(0xf)), all_verified, AT)
    }

    #[test]
    fn the_rules_are_applied_before_the_store_is_read() {
        let unreadable = read(&json!({"user": "ann"}), &[], false).expect_err("the field is unknown");
        assert!(
            unreadable.reason.is_whole_record() && unreadable.reason.to_string().contains("`user`"),
            "{unreadable:?}"
        );
        let nameless = read(&json!({"username": " "}), &[], false).expect_err("there is no name");
        assert_eq!((nameless.number, nameless.id), (7, None));
        let line = json!({"username": "ann", "email": "ann@localhost", "password_hash": "md5$a$b", "last_login": "x"});
        let partly = read(&line, &[], false).expect("imported");
        let skipped: Vec<String> = partly.skipped.iter().map(ToString::to_string).collect();
        assert_eq!(skipped[0], "imported without last_login: it is not a date");
        assert_eq!(partly.skipped[1], SkipReason::WrongEmail(FieldProblem::NotAnEmail));
        assert!(matches!(&partly.skipped[2], SkipReason::Hash(HashProblem::Unknown(_))));
        assert!(partly.user.password.is_none() && partly.user.email.is_none() && !partly.has_sub);
    }

    #[test]
    fn an_address_is_verified_only_if_the_source_verified_that_mailbox() {
        for (email, verified, all, expected) in [
            ("ann@example.org", &["Ann@Example.org"] as &[&str], false, ("ann@example.org", true)),
            ("ann@example.org", &["other@example.org", "ann@example.org"], false, ("ann@example.org", true)),
            ("ann@example.org", &["other@example.org"], false, ("ann@example.org", false)),
            ("ann@münchen.example", &["ann@xn--mnchen-3ya.example"], false, ("ann@münchen.example", true)),
            ("", &["primary@example.org", "other@example.org"], false, ("primary@example.org", true)),
            ("ann@example.org", &[], true, ("ann@example.org", true)),
            ("ann@example.org", &[], false, ("ann@example.org", false)),
        ] {
            let user = read(&json!({"username": "ann", "email": email}), verified, all).expect("imported").user;
            assert_eq!((user.email.as_ref().map(Email::as_str), user.email_verified), (Some(expected.0), expected.1));
        }
        let without = read(&json!({"username": "ann"}), &[], true).expect("imported").user;
        assert!(!without.email_verified);
    }
}
