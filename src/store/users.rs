//! Users: reads and writes.

use std::net::IpAddr;

use super::error::StoreError;
use crate::domain::claims::Claims;
use crate::domain::id::{Subject, UserId};
use crate::domain::password::PasswordHash;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Login, NewUser, User, Username};

/// A filter for users, in order of id.
#[derive(Clone, Debug, Default)]
pub struct UserQuery {
    /// Only users whose user name, e-mail address, or given and family name contain this text, ignoring case.
    pub text: Option<String>,
    /// Only users after this id: the last id of the previous page.
    pub after: Option<UserId>,
    /// The maximum number of users.
    pub limit: u32,
}

/// The position of a page of users, in the order of the search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PagePosition {
    /// At the start.
    #[default]
    Start,
    /// After the position that a page returned as `next`.
    After(String),
    /// Before the position that a page returned as `previous`.
    Before(String),
}

/// A search for users, in order of the user name.
#[derive(Clone, Debug, Default)]
pub struct UserSearch {
    /// Any part of a user name, an address, or given and family name, ignoring case; empty for all users.
    pub text: String,
    /// Only active users, or only disabled users; `None` for both.
    pub active: Option<bool>,
    /// Only superusers, or only other users; `None` for both.
    pub superuser: Option<bool>,
    /// Which page.
    pub position: PagePosition,
    /// The maximum number of users.
    pub limit: u32,
}

/// A page of users.
#[derive(Clone, Debug, Default)]
pub struct UserPage {
    /// The users, in the order of the search.
    pub users: Vec<User>,
    /// The position before which the previous page ends; `None` at the start.
    pub previous: Option<String>,
    /// The position after which the next page starts; `None` at the end.
    pub next: Option<String>,
    /// The number of users on all pages.
    pub total: u64,
}

/// Reads users.
pub trait ReadUsers {
    /// Returns the user with that id.
    fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Returns the user with that `sub`.
    fn user_by_sub(&self, sub: Subject) -> Result<Option<User>, StoreError>;
    /// Returns the user who signs in with that name or address. If it [looks like an address](Login::looks_like_email),
    /// addresses are searched first. A user who kept the former key is found by it first.
    fn user_by_login(&self, login: &Login) -> Result<Option<User>, StoreError>;
    /// Returns the user with that address.
    fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;
    /// Returns [`StoreError::Taken`] if the address is the user name or the address of a user other than `owner`.
    fn check_email_free(&self, email: &Email, owner: UserId) -> Result<(), StoreError>;
    /// Whether there is a superuser, active or disabled.
    fn any_superuser(&self) -> Result<bool, StoreError>;
    /// Returns a page of users.
    fn users(&self, query: &UserQuery) -> Result<Vec<User>, StoreError>;
    /// Returns a page of the users who match the search. Reads an index of all users: about 30 ms for 100 000 users.
    fn user_page(&self, search: &UserSearch) -> Result<UserPage, StoreError>;
    /// Whether there is an active superuser other than `user`.
    fn other_superuser(&self, user: UserId) -> Result<bool, StoreError>;
    /// Returns the client addresses from which the user signed in or reset the password, newest first, each with the
    /// date of its last use.
    fn known_addresses(&self, id: UserId) -> Result<Vec<(IpAddr, Timestamp)>, StoreError>;
    /// Whether the user has signed in or reset the password from this client address before.
    fn knows_address(&self, id: UserId, address: IpAddr) -> Result<bool, StoreError>;
}

/// Changes users. Methods that name a user that does not exist change nothing.
pub trait WriteUsers {
    /// Creates a user. Returns [`StoreError::Taken`] if its user name or e-mail address is already the user name or the
    /// e-mail address of another user, and [`StoreError::InUse`] if another user has its id or `sub`. After an error
    /// nothing is changed.
    fn insert_user(&self, user: &NewUser) -> Result<UserId, StoreError>;
    /// Sets the password, and when it was set if it is temporary. Deletes the reset code and a requested
    /// change of the address, and ends the admin sessions.
    fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        temporary_since: Option<Timestamp>,
    ) -> Result<(), StoreError>;
    /// Replaces a password hash with a newer hash of the same password. Changes nothing if the stored hash is no longer
    /// `old`.
    fn upgrade_hash(&self, id: UserId, old: &PasswordHash, new: &PasswordHash) -> Result<(), StoreError>;
    /// Sets the name. A requested address then does not become the user name. Returns [`StoreError::Taken`] as
    /// [`WriteUsers::insert_user`] does.
    fn set_username(&self, id: UserId, username: &Username) -> Result<(), StoreError>;
    /// Notes that the user has chosen the user name. See [`User::has_username`].
    fn set_has_username(&self, id: UserId) -> Result<(), StoreError>;
    /// Sets the address as unverified, and deletes the reset code and the confirmation. Returns [`StoreError::Taken`] as
    /// [`WriteUsers::insert_user`] does.
    fn set_email(&self, id: UserId, email: &Email) -> Result<(), StoreError>;
    /// Marks the current address as verified and deletes its confirmation. Returns false if it was verified before or
    /// there is no address.
    fn verify_email(&self, id: UserId) -> Result<bool, StoreError>;
    /// Removes the address, and deletes the reset code and the confirmation.
    fn remove_email(&self, id: UserId) -> Result<(), StoreError>;
    /// Sets first and last name.
    fn set_names(&self, id: UserId, first: &str, last: &str) -> Result<(), StoreError>;
    /// Sets whether the user is staff and whether the user is a superuser. Ends the admin sessions of a user who is no
    /// longer a superuser. Deletes a requested change of the address of a user who becomes a superuser.
    fn set_rights(&self, id: UserId, is_staff: bool, is_superuser: bool) -> Result<(), StoreError>;
    /// Enables or disables a user, and deletes the reset code and a requested change of the address. Disabling ends the admin sessions.
    fn set_active(&self, id: UserId, active: bool) -> Result<(), StoreError>;
    /// Sets the additional claims in the user's tokens.
    fn set_claims(&self, id: UserId, claims: &Claims) -> Result<(), StoreError>;
    /// Records a sign-in: its date, and the client address if it is known.
    fn record_sign_in(&self, id: UserId, at: Timestamp, address: Option<IpAddr>) -> Result<(), StoreError>;
    /// Records a client address from which the user signed in or reset the password. Callers pass the /64 network of an
    /// IPv6 address. Only the newest 20 addresses of a user are kept.
    fn record_address(&self, id: UserId, at: Timestamp, address: IpAddr) -> Result<(), StoreError>;
    /// Deletes the user and everything that belongs to the user, such as sessions, reset codes and client addresses.
    /// The audit lines about the user and by the user stay, but without the user name. Returns false if there is no
    /// such user.
    fn delete_user(&self, id: UserId) -> Result<bool, StoreError>;
}
