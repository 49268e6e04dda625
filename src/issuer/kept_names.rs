//! Keeps a released user name from new users while tokens that contain it may be valid.
//!
//! A resource server may identify a user by the claim `username`. It must not mistake a new user for the former one.

use super::refusal::Refusal;
use crate::domain::field::Field;
use crate::domain::id::UserId;
use crate::domain::setting::snapshot::Settings;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User, Username};
use crate::store::{Read, StoreError, Write};

/// Keeps the current name of a user who is about to lose it.
pub fn keep_name(tx: &dyn Write, user: &User, settings: &Settings, now: Timestamp) -> Result<(), StoreError> {
    let until = now + settings.longest_access_lifetime();
    tx.keep_name(&user.username, user.id, settings.promised_until().map_or(until, |promised| promised.max(until)))
}

/// Refuses a name that another user had recently. A name that is the user's own address is free, because the owner of a
/// released address must be able to register it. `user` is `None` for a new user.
pub fn check_name_free(
    tx: &dyn Read,
    name: &Username,
    email: Option<&Email>,
    user: Option<UserId>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let is_own_address = email.is_some_and(|email| email.key() == name.key());
    if is_own_address || !tx.is_name_kept(name, user, now)? { Ok(()) } else { Err(Refusal::Taken(Field::Username)) }
}
