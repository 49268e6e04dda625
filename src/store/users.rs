//! Users, as the store is asked for them.

use std::net::IpAddr;

use super::StoreError;
use crate::domain::claims::Claims;
use crate::domain::id::{Subject, UserId};
use crate::domain::password::PasswordHash;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Login, NewUser, User, Username};

/// Which users, in order of id.
#[derive(Clone, Debug, Default)]
pub struct UserQuery {
    /// Only those whose name or address begins with this, whatever its case.
    pub prefix: Option<String>,
    /// Only those after this id: the last of the page before.
    pub after: Option<UserId>,
    /// At most this many.
    pub limit: u32,
}

/// Where a page of users begins, in order of name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PagePosition {
    /// At the beginning.
    #[default]
    Start,
    /// After the place a page named as its `next`.
    After(String),
    /// Before the place a page named as its `previous`.
    Before(String),
}

/// Which users, in order of the name or address that was found.
#[derive(Clone, Debug, Default)]
pub struct UserSearch {
    /// What a name or an address begins with, whatever its case; empty for all.
    pub text: String,
    /// Only those that are active, or that are disabled.
    pub active: Option<bool>,
    /// Only superusers, or only those who are none.
    pub superuser: Option<bool>,
    /// Which page.
    pub place: PagePosition,
    /// At most this many.
    pub limit: u32,
}

/// A page of users. It may be short although there are more: one call looks at so many users only.
#[derive(Clone, Debug, Default)]
pub struct UserPage {
    /// In order of the name or address that was found.
    pub users: Vec<User>,
    /// Where the page before ends; None at the beginning.
    pub previous: Option<String>,
    /// Where the next page begins; None at the end.
    pub next: Option<String>,
}

/// Asking for users.
pub trait ReadUsers {
    /// The user of that id.
    fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;
    /// The user of that UUID.
    fn user_by_sub(&self, sub: Subject) -> Result<Option<User>, StoreError>;
    /// The user who signs in by that name or address: by address first where it [looks like one](Login::looks_like_email).
    fn user_by_login(&self, login: &Login) -> Result<Option<User>, StoreError>;
    /// The user with that address.
    fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;
    /// Whether anybody is a superuser, disabled or not.
    fn any_superuser(&self) -> Result<bool, StoreError>;
    /// A page of users.
    fn users(&self, query: &UserQuery) -> Result<Vec<User>, StoreError>;
    /// A page of users by what their name or address begins with. Quick however many users there are.
    fn user_page(&self, search: &UserSearch) -> Result<UserPage, StoreError>;
    /// Whether there is an active superuser besides.
    fn other_superuser(&self, than: UserId) -> Result<bool, StoreError>;
    /// The addresses from which the user signed in or reset the password last, newest first, with the last date of each.
    fn known_addresses(&self, id: UserId) -> Result<Vec<(IpAddr, Timestamp)>, StoreError>;
    /// Whether the user signed in or reset the password from that address before.
    fn knows_address(&self, id: UserId, address: IpAddr) -> Result<bool, StoreError>;
}

/// Changing users. Those that name a user nobody has change nothing.
pub trait WriteUsers {
    /// Makes a user. [`StoreError::Taken`] where its name or address is another's name or address,
    /// [`StoreError::InUse`] where the id or the UUID is another's; nothing was changed then.
    fn insert_user(&self, user: &NewUser) -> Result<UserId, StoreError>;
    /// Sets the password and whether it is a temporary one, forgets a reset code, and ends the admin sessions.
    fn set_password(&self, id: UserId, hash: &PasswordHash, must_change: bool) -> Result<(), StoreError>;
    /// Replaces a hash by a newer form of the same password, unless the password was changed meanwhile.
    fn upgrade_hash(&self, id: UserId, old: &PasswordHash, new: &PasswordHash) -> Result<(), StoreError>;
    /// Sets the name. [`StoreError::Taken`] as at the making.
    fn set_username(&self, id: UserId, username: &Username) -> Result<(), StoreError>;
    /// Sets the address, not verified, and forgets a reset code. [`StoreError::Taken`] as at the making.
    fn set_email(&self, id: UserId, email: &Email) -> Result<(), StoreError>;
    /// Marks the present address as proven to be the user's. False if it was before, or there is none.
    fn verify_email(&self, id: UserId) -> Result<bool, StoreError>;
    /// Takes the address away, and forgets a reset code.
    fn remove_email(&self, id: UserId) -> Result<(), StoreError>;
    /// Sets first and last name.
    fn set_names(&self, id: UserId, first: &str, last: &str) -> Result<(), StoreError>;
    /// Sets what a user may do here.
    fn set_rights(&self, id: UserId, is_staff: bool, is_superuser: bool) -> Result<(), StoreError>;
    /// Enables or disables, and forgets a reset code. Disabling ends the admin sessions.
    fn set_active(&self, id: UserId, active: bool) -> Result<(), StoreError>;
    /// Sets the user's own claims.
    fn set_claims(&self, id: UserId, claims: &Claims) -> Result<(), StoreError>;
    /// Remembers when and from where a session was opened.
    fn record_sign_in(&self, id: UserId, at: Timestamp, address: Option<IpAddr>) -> Result<(), StoreError>;
    /// Remembers from where somebody proved to be the user. Only the newest 20 addresses of a user are kept.
    fn record_address(&self, id: UserId, at: Timestamp, address: IpAddr) -> Result<(), StoreError>;
    /// Deletes the user with sessions, codes and addresses; its audit lines stay, without a name. False if there is none.
    fn delete_user(&self, id: UserId) -> Result<bool, StoreError>;
}
