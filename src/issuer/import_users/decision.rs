//! Compares a user to be imported with the existing users.

use super::candidate::ImportCandidate;
use super::note::{NameProblem, SkipReason};
use crate::domain::user::{Login, User, Username};
use crate::store::{Read, StoreError};

/// The existing users with a candidate's id or UUID, or with one of its names as their user name or e-mail address.
#[derive(Debug, Default)]
pub(super) struct ExistingUsers {
    id: Option<User>,
    sub: Option<User>,
    names: Vec<(Username, User)>,
}

#[derive(Debug, PartialEq)]
pub(super) enum ImportDecision {
    /// Insert the user with this name. The note says why it is not the name in the record.
    Insert(Username, Option<SkipReason>),
    AlreadyPresent,
    Refuse(SkipReason),
}

pub(super) fn find_existing(tx: &dyn Read, candidate: &ImportCandidate) -> Result<ExistingUsers, StoreError> {
    let user = &candidate.user;
    let mut names = Vec::new();
    for name in candidate.names.all() {
        names.extend(tx.user_by_login(&Login::new(name.as_str()))?.map(|user| (name.clone(), user)));
    }
    Ok(ExistingUsers {
        id: user.id.map_or(Ok(None), |id| tx.user(id))?,
        sub: if candidate.has_sub { tx.user_by_sub(user.sub)? } else { None },
        names,
    })
}

/// Decides what happens to a candidate. It is an existing user if all keys that both have are equal: the id and the
/// UUID, or the id and the name if the record has no UUID. With an equal UUID the name may differ, because the user may
/// have changed it since the first import.
pub(super) fn decide(candidate: &ImportCandidate, existing_users: &ExistingUsers) -> ImportDecision {
    let user = &candidate.user;
    let same_id = |existing: &User| user.id.is_none_or(|id| id == existing.id);
    let same_sub = |existing: &User| user.sub == existing.sub;
    let same_name = |existing: &User| candidate.names.all().any(|name| *name == existing.username);
    let same =
        |existing: &User| same_id(existing) && if candidate.has_sub { same_sub(existing) } else { same_name(existing) };
    let name = |existing: &User| existing.username.to_string();
    let ExistingUsers { id, sub, names } = existing_users;
    let mut all = [id, sub].into_iter().flatten().chain(names.iter().map(|(_, user)| user));
    if all.any(same) {
        return ImportDecision::AlreadyPresent;
    }
    match (id, sub) {
        (Some(existing), _) if same_name(existing) => ImportDecision::Refuse(SkipReason::OtherSub(name(existing))),
        (Some(existing), _) => ImportDecision::Refuse(SkipReason::Id(name(existing))),
        (None, Some(existing)) => ImportDecision::Refuse(SkipReason::Sub(name(existing))),
        (None, None) => choose_name(candidate, names),
    }
}

/// Chooses the name: the one in the record, else the address, else one made from the id, if the record has no valid
/// name.
fn choose_name(candidate: &ImportCandidate, taken: &[(Username, User)]) -> ImportDecision {
    let names = &candidate.names;
    let is_free = |name: &&Username| taken.iter().all(|(taken, _)| taken != *name);
    let renamed = |name: &Username, problem| {
        let note = SkipReason::Renamed { name: name.to_string(), problem };
        ImportDecision::Insert(name.clone(), Some(note))
    };
    let invalid = names.problem.map(NameProblem::Invalid);
    if let Some(own) = names.own.as_ref().filter(is_free) {
        return ImportDecision::Insert(own.clone(), None);
    }
    let address = names.address.as_ref().filter(is_free);
    match (&names.own, address, names.made.as_ref().filter(is_free)) {
        (Some(_), Some(address), _) => renamed(address, NameProblem::Taken),
        // A missing name is replaced without a note: many projects have only addresses.
        (None, Some(address), _) => match invalid {
            Some(problem) => renamed(address, problem),
            None => ImportDecision::Insert(address.clone(), None),
        },
        (None, None, Some(made)) => renamed(made, invalid.unwrap_or(NameProblem::Missing)),
        (Some(_), None, _) | (None, None, None) => ImportDecision::Refuse(SkipReason::Name),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::claims::Claims;
    use crate::domain::id::{Subject, UserId};
    use crate::domain::time::Timestamp;
    use crate::domain::user::{Email, NewUser};
    use crate::domain::user_record::NameChoice;

    const AT: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn username(text: &str) -> Username {
        Username::from_stored(text.to_owned())
    }

    /// A candidate whose names are the user name, the address and the name made from the id; empty for none.
    fn new(id: Option<i64>, sub: Option<u128>, names: [&str; 3]) -> ImportCandidate {
        let [own, address, made] = names.map(|text| Some(text).filter(|text| !text.is_empty()).map(username));
        let names = NameChoice { own, problem: None, address, made };
        let first = names.all().next().expect("a name").clone();
        let sub_or_new = Subject(Uuid::from_u128(sub.unwrap_or(0xff)));
        ImportCandidate {
            number: 1,
            user: NewUser { id: id.map(UserId), ..NewUser::new(sub_or_new, first, AT) },
            written_name: None,
            names,
            has_sub: sub.is_some(),
            accounts: Vec::new(),
            skipped: Vec::new(),
        }
    }

    fn existing(id: i64, sub: u128, name: &str) -> User {
        User {
            id: UserId(id),
            sub: Subject(Uuid::from_u128(sub)),
            username: username(name),
            has_username: true,
            email: Some(Email::from_stored(format!("{name}@example.com"))),
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            password: None,
            temporary_since: None,
            is_active: true,
            is_staff: false,
            is_superuser: false,
            claims: Claims::default(),
            date_joined: AT,
            last_login: None,
        }
    }

    /// Decides as if the users in `all` existed.
    fn decided(candidate: &ImportCandidate, all: &[User]) -> ImportDecision {
        let find = |is: &dyn Fn(&&User) -> bool| all.iter().find(is).cloned();
        let address = |user: &User| user.email.as_ref().map(Email::key);
        let user = &candidate.user;
        let with_name = |name: &Username| {
            let is = |existing: &&User| *name == existing.username || address(existing) == Some(name.key());
            find(&is).map(|user| (name.clone(), user))
        };
        let existing_users = ExistingUsers {
            id: find(&|existing| user.id == Some(existing.id)),
            sub: find(&|existing| candidate.has_sub && user.sub == existing.sub),
            names: candidate.names.all().filter_map(with_name).collect(),
        };
        decide(candidate, &existing_users)
    }

    #[test]
    fn an_existing_user_is_matched_by_all_common_keys() {
        let all = [
            existing(1, 0xa, "ann"),
            existing(2, 0xb, "bob"),
            existing(4, 0xd, "dee@example.org"),
            existing(5, 0xe, "user-5"),
        ];
        let ann = || "ann".to_owned();
        let bob = || "bob".to_owned();
        let insert = |name: &str| ImportDecision::Insert(username(name), None);
        for (candidate, expected) in [
            (new(Some(3), Some(0xc), ["cid", "", ""]), insert("cid")),
            (new(None, None, ["cid", "", ""]), insert("cid")),
            (new(Some(1), None, ["ANN", "", ""]), ImportDecision::AlreadyPresent),
            (new(Some(1), Some(0xa), ["ann", "", ""]), ImportDecision::AlreadyPresent),
            (new(None, None, ["ann", "", ""]), ImportDecision::AlreadyPresent),
            (new(Some(1), Some(0xa), ["anna, before", "", ""]), ImportDecision::AlreadyPresent),
            (new(None, Some(0xa), ["anna, before", "", ""]), ImportDecision::AlreadyPresent),
            (new(Some(4), None, ["ann", "dee@example.org", ""]), ImportDecision::AlreadyPresent),
            (new(Some(5), None, ["", "", "user-5"]), ImportDecision::AlreadyPresent),
            (new(Some(1), None, ["dan", "", ""]), ImportDecision::Refuse(SkipReason::Id(ann()))),
            (new(Some(1), None, ["bob", "", ""]), ImportDecision::Refuse(SkipReason::Id(ann()))),
            (new(Some(1), Some(0xff), ["ann", "", ""]), ImportDecision::Refuse(SkipReason::OtherSub(ann()))),
            (new(Some(9), Some(0xb), ["dan", "", ""]), ImportDecision::Refuse(SkipReason::Sub(bob()))),
            (new(Some(9), None, ["bob", "", ""]), ImportDecision::Refuse(SkipReason::Name)),
            (new(None, Some(0xff), ["bob", "", ""]), ImportDecision::Refuse(SkipReason::Name)),
            (new(None, None, ["bob@example.com", "", ""]), ImportDecision::Refuse(SkipReason::Name)),
        ] {
            assert_eq!(decided(&candidate, &all), expected, "{candidate:?}");
        }
    }

    #[test]
    fn a_taken_or_missing_name_is_replaced() {
        let all = [existing(1, 0xa, "ann")];
        let renamed = |name: &str, problem| {
            ImportDecision::Insert(username(name), Some(SkipReason::Renamed { name: name.to_owned(), problem }))
        };
        for (names, expected) in [
            (["Ann", "other@example.org", "user-9"], renamed("other@example.org", NameProblem::Taken)),
            (["", "other@example.org", "user-9"], ImportDecision::Insert(username("other@example.org"), None)),
            (["", "ann@example.com", "user-9"], renamed("user-9", NameProblem::Missing)),
            (["ann", "ann@example.com", "user-9"], ImportDecision::Refuse(SkipReason::Name)),
        ] {
            assert_eq!(decided(&new(Some(9), None, names), &all), expected, "{names:?}");
        }
        let mut invalid = new(Some(9), None, ["", "other@example.org", "user-9"]);
        invalid.names.problem = Some(crate::domain::field::FieldProblem::Unprintable);
        let problem = NameProblem::Invalid(crate::domain::field::FieldProblem::Unprintable);
        assert_eq!(decided(&invalid, &all), renamed("other@example.org", problem));
    }
}
