//! Searches users by the start of their user name or e-mail address, in SQL. Fast for a million users.

use rusqlite::params;

use super::tx::Tx;
use super::users::{user, user_columns};
use crate::domain::user::{Email, Login, User};
use crate::store::error::StoreError;
use crate::store::paging::{PageOrder, PageRows, collect_page};
use crate::store::users::{PagePosition, UserPage, UserSearch};

/// Two queries for users with a key from `?1` (inclusive) to `?2` (exclusive): in ascending and in descending order.
macro_rules! stream {
    ($key:literal, $index:literal, $which:literal) => {
        [stream!($key, $index, $which, ""), stream!($key, $index, $which, " DESC")]
    };
    ($key:literal, $index:literal, $which:literal, $order:literal) => {
        concat!(
            "SELECT ",
            user_columns!(),
            ", ",
            $key,
            " AS key FROM users u",
            $index,
            " WHERE ",
            $which,
            $key,
            " >= ?1 AND ",
            $key,
            " < ?2 ORDER BY ",
            $key,
            $order,
            " LIMIT ?3"
        )
    };
}
pub(super) const BY_NAME: [&str; 2] = stream!("username_key", "", "");
pub(super) const BY_EMAIL: [&str; 2] = stream!("email_key", "", "");
pub(super) const SUPERUSERS: [&str; 2] =
    stream!("username_key", " INDEXED BY users_superusers", "is_superuser = 1 AND ");
pub(super) const DISABLED: [&str; 2] = stream!("username_key", " INDEXED BY users_disabled", "is_active = 0 AND ");

/// A search, and the prefix derived from its text.
struct PreparedSearch<'a> {
    search: &'a UserSearch,
    prefix: String,
}

/// A user that was found, and whether it was found by its e-mail address.
type FoundUser = (User, bool);

impl PreparedSearch<'_> {
    /// Returns the smallest set of streams that contains all matching users. Superusers and disabled users are few, so
    /// they are read by name and their addresses are checked row by row.
    fn streams(&self) -> &'static [([&'static str; 2], bool)] {
        if self.search.superuser == Some(true) {
            &[(SUPERUSERS, false)]
        } else if self.search.active == Some(false) {
            &[(DISABLED, false)]
        } else if self.prefix.is_empty() {
            &[(BY_NAME, false)]
        } else {
            &[(BY_NAME, false), (BY_EMAIL, true)]
        }
    }

    fn is_by_name_alone(&self) -> bool {
        self.search.superuser == Some(true) || self.search.active == Some(false)
    }

    /// Returns the range of keys to read. Every key with the prefix is less than the prefix followed by the greatest
    /// character.
    fn range(&self, start: Option<&String>, order: PageOrder) -> (String, String) {
        let (from, to) = if self.is_by_name_alone() {
            (String::new(), char::MAX.to_string())
        } else {
            (self.prefix.clone(), format!("{}{}", self.prefix, char::MAX))
        };
        match (start, order) {
            (None, _) => (from, to),
            // There is no key between `start` and `start` followed by the least character.
            (Some(start), PageOrder::Ascending) => (from.max(format!("{start}\0")), to),
            (Some(start), PageOrder::Descending) => (from, to.min(start.clone())),
        }
    }

    /// Whether a user matches the search. A user in the stream of addresses whose user name also matches is left out,
    /// because the stream of user names contains the same user.
    fn matches(&self, (user, by_email): &FoundUser) -> bool {
        let begins = |key: String| key.starts_with(&self.prefix);
        let by_name = begins(user.username.key());
        let found =
            if *by_email { !by_name } else { by_name || user.email.as_ref().map(Email::key).is_some_and(begins) };
        found
            && self.search.active.is_none_or(|active| user.is_active == active)
            && self.search.superuser.is_none_or(|superuser| user.is_superuser == superuser)
    }
}

impl Tx<'_> {
    pub(super) fn search_users(&self, search: &UserSearch) -> Result<UserPage, StoreError> {
        let prepared = PreparedSearch { search, prefix: Login::new(&search.text).key().to_owned() };
        let (order, start) = match &search.position {
            PagePosition::Start => (PageOrder::Ascending, None),
            PagePosition::After(key) => (PageOrder::Ascending, Some(key.clone())),
            PagePosition::Before(key) => (PageOrder::Descending, Some(key.clone())),
        };
        let slices = |start: Option<&String>, slice: u32| {
            let (from, to) = prepared.range(start, order);
            let stream = |(both, by_email): &([&str; 2], bool)| {
                let sql = both[usize::from(order == PageOrder::Descending)];
                self.all(sql, params![from, to, slice], |row| Ok((row.get("key")?, (user(row)?, *by_email))))
            };
            prepared.streams().iter().map(stream).collect()
        };
        let rows = collect_page(order, search.limit, start.clone(), slices, |_, found| prepared.matches(found))?;
        Ok(page(rows, order, start.as_ref()))
    }
}

/// Returns a page in ascending order. `order` is the direction in which its rows were read.
fn page(page_rows: PageRows<String, FoundUser>, order: PageOrder, start: Option<&String>) -> UserPage {
    let PageRows { mut rows, next } = page_rows;
    // If the page has a start, there are users before that start (in the direction of reading): those of the page that
    // returned it.
    let opposite = start.map(|start| rows.first().map_or(start, |(key, _)| key).clone());
    let (previous, next) = match order {
        PageOrder::Ascending => (opposite, next),
        PageOrder::Descending => {
            rows.reverse();
            (next, opposite)
        }
    };
    UserPage { users: rows.into_iter().map(|(_, (user, _))| user).collect(), previous, next }
}
