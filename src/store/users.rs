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
    /// Whether the user signed in from that address before.
    fn has_signed_in_from(&self, id: UserId, address: IpAddr) -> Result<bool, StoreError>;
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
    /// Enables or disables, and forgets a reset code. Disabling ends the admin sessions.
    fn set_active(&self, id: UserId, active: bool) -> Result<(), StoreError>;
    /// Sets the user's own claims.
    fn set_claims(&self, id: UserId, claims: &Claims) -> Result<(), StoreError>;
    /// Remembers when and from where a session was opened. Only the newest 20 addresses of a user are kept.
    fn record_sign_in(&self, id: UserId, at: Timestamp, address: Option<IpAddr>) -> Result<(), StoreError>;
    /// Deletes the user with sessions, codes and addresses; its audit lines stay, without a name. False if there is none.
    fn delete_user(&self, id: UserId) -> Result<bool, StoreError>;
}
