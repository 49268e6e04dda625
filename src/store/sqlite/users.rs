//! Users in SQL.

use std::net::IpAddr;

use rusqlite::{Row, params};

use super::error::unreadable;
use super::search_text::search_text;
use super::tx::{Columns, Tx, address, address_text, date};
use crate::domain::claims::Claims;
use crate::domain::field::Field;
use crate::domain::id::{Subject, UserId};
use crate::domain::look_up_key::search_form;
use crate::domain::password::PasswordHash;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Login, NewUser, User, Username};
use crate::store::admin_sessions::WriteAdminSessions as _;
use crate::store::email_confirmations::WriteEmailConfirmations as _;
use crate::store::error::StoreError;
use crate::store::users::{ReadUsers, UserPage, UserQuery, UserSearch, WriteUsers};

/// The number of sign-in addresses kept per user.
const ADDRESSES_KEPT: u32 = 20;

/// The columns of a user, in the order in which [`user_of`] reads them. The table has the alias `u`.
macro_rules! user_columns {
    () => {
        "u.id, u.sub, u.username, u.has_username, u.email, u.email_verified, u.first_name, u.last_name,
           u.password_hash, u.temporary_since, u.is_active, u.is_staff, u.is_superuser, u.claims, u.date_joined,
           u.last_login"
    };
}
pub(super) use user_columns;

/// A query for users.
macro_rules! users {
    ($which:literal) => {
        concat!("SELECT ", user_columns!(), " FROM users u WHERE ", $which)
    };
}
pub(super) const BY_ID: &str = users!("id = ?1");
pub(super) const BY_SUB: &str = users!("sub = ?1");
pub(super) const BY_NAME: &str = users!("username_key = ?1");
pub(super) const BY_EMAIL: &str = users!("email_key = ?1");
pub(super) const NAME_OR_ADDRESS_IN_USE: &str =
    "SELECT 1 FROM users WHERE (username_key = ?1 OR email_key = ?1) AND id IS NOT ?2";
pub(super) const ANY_SUPERUSER: &str = "SELECT 1 FROM users WHERE is_superuser = 1 LIMIT 1";
const PAGE: &str = users!("id > ?1 ORDER BY id LIMIT ?2");
const PAGE_OF_TEXT: &str = users!(
    "id > ?1 AND id IN (SELECT id FROM users INDEXED BY users_search WHERE instr(search_text, ?3) > 0)
     ORDER BY id LIMIT ?2"
);
pub(super) const OTHER_SUPERUSER: &str = "SELECT 1 FROM users INDEXED BY users_superusers WHERE is_superuser = 1 AND username_key > '' AND is_active = 1 AND id <> ?1";
pub(super) const SIGN_IN_ADDRESSES: &str =
    "SELECT address, last_at FROM sign_in_addresses WHERE user_id = ?1 ORDER BY last_at DESC, address";
pub(super) const CLEAR_NAME: &str = "UPDATE audit SET username = NULL WHERE user_id = ?1";
pub(super) const CLEAR_ACTOR: &str = "UPDATE audit SET actor = NULL WHERE actor_id = ?1";
pub(super) const DELETE: &str = "DELETE FROM users WHERE id = ?1";
pub(super) const SIGNED_IN_FROM: &str = "SELECT 1 FROM sign_in_addresses WHERE user_id = ?1 AND address = ?2";

/// Reads a user from a row that starts with the columns of [`user_columns`].
pub(super) fn user(row: &Row<'_>) -> Result<User, StoreError> {
    user_of(&mut Columns::of(row))
}

/// Reads a user from the columns of [`user_columns`].
pub(super) fn user_of(columns: &mut Columns<'_, '_>) -> Result<User, StoreError> {
    Ok(User {
        id: UserId(columns.take()?),
        sub: Subject(columns.uuid()?),
        username: Username::from_stored(columns.take()?),
        has_username: columns.take()?,
        email: columns.take::<Option<String>>()?.map(Email::from_stored),
        email_verified: columns.take()?,
        first_name: columns.take()?,
        last_name: columns.take()?,
        password: columns.take::<Option<String>>()?.map(PasswordHash::from_stored),
        temporary_since: columns.maybe_date()?,
        is_active: columns.take()?,
        is_staff: columns.take()?,
        is_superuser: columns.take()?,
        claims: Claims::from_stored(&columns.take::<String>()?).map_err(|problem| unreadable("claims", problem))?,
        date_joined: columns.date()?,
        last_login: columns.maybe_date()?,
    })
}

impl Tx<'_> {
    /// Deletes the reset code. A code that was sent before the password, the address or the status changed must not
    /// undo that change.
    fn delete_reset_code(&self, id: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM reset_codes WHERE user_id = ?1", [id.0])?;
        Ok(())
    }

    /// Deletes the reset code, and the confirmation of a former address.
    fn delete_codes_for_address(&self, id: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM email_confirmations WHERE user_id = ?1", [id.0])?;
        self.delete_reset_code(id)
    }

    /// Deletes the reset code and a requested change of the address, which may both be an attacker's.
    fn delete_requests(&self, id: UserId) -> Result<(), StoreError> {
        self.cancel_email_change(id)?;
        self.delete_reset_code(id)
    }

    /// Rejects a key that is the user name or the e-mail address of a user other than `owner`, so that no user can take
    /// another user's address as a user name.
    ///
    /// `former` is the former key, if it differs: a user may have kept it.
    fn check_key_unused(
        &self,
        key: &str,
        former: Option<&str>,
        field: Field,
        owner: Option<UserId>,
    ) -> Result<(), StoreError> {
        for key in [Some(key), former].into_iter().flatten() {
            if self.exists(NAME_OR_ADDRESS_IN_USE, params![key, owner.map(|id| id.0)])? {
                return Err(StoreError::Taken(field));
            }
        }
        Ok(())
    }

    pub(super) fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.one(BY_ID, [id.0], user)
    }

    /// Computes the search text again, after a change of a name or address.
    fn update_search_text(&self, id: UserId) -> Result<(), StoreError> {
        let Some(user) = self.user_by_id(id)? else { return Ok(()) };
        let email = user.email.as_ref().map(Email::as_str);
        let text = search_text(user.username.as_str(), email, &user.first_name, &user.last_name);
        self.execute("UPDATE users SET search_text = ?2 WHERE id = ?1", params![id.0, text])?;
        Ok(())
    }

    fn keep_newest_addresses(&self, id: UserId, newest: &str) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM sign_in_addresses WHERE user_id = ?1 AND address NOT IN (
               SELECT address FROM sign_in_addresses WHERE user_id = ?1
               ORDER BY address = ?2 DESC, last_at DESC LIMIT ?3)",
            params![id.0, newest, ADDRESSES_KEPT],
        )?;
        Ok(())
    }
}

impl ReadUsers for Tx<'_> {
    fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.user_by_id(id)
    }

    fn user_by_sub(&self, sub: Subject) -> Result<Option<User>, StoreError> {
        self.one(BY_SUB, [sub.0.as_bytes()], user)
    }

    fn user_by_login(&self, login: &Login) -> Result<Option<User>, StoreError> {
        let order = if login.looks_like_email() { [BY_EMAIL, BY_NAME] } else { [BY_NAME, BY_EMAIL] };
        for key in login.former_key().into_iter().chain([login.key()]) {
            for sql in order {
                if let Some(user) = self.one(sql, [key], user)? {
                    return Ok(Some(user));
                }
            }
        }
        Ok(None)
    }

    fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        for key in email.former_key().into_iter().chain([email.key()]) {
            if let Some(user) = self.one(BY_EMAIL, [key], user)? {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    fn check_email_free(&self, email: &Email, owner: UserId) -> Result<(), StoreError> {
        self.check_key_unused(&email.key(), email.former_key().as_deref(), Field::Email, Some(owner))
    }

    fn any_superuser(&self) -> Result<bool, StoreError> {
        self.exists(ANY_SUPERUSER, [])
    }

    fn users(&self, query: &UserQuery) -> Result<Vec<User>, StoreError> {
        let after = query.after.map_or(i64::MIN, |id| id.0);
        let Some(text) = &query.text else {
            return self.all(PAGE, params![after, query.limit], user);
        };
        self.all(PAGE_OF_TEXT, params![after, query.limit, search_form(text)], user)
    }

    fn user_page(&self, search: &UserSearch) -> Result<UserPage, StoreError> {
        self.search_users(search)
    }

    fn other_superuser(&self, user: UserId) -> Result<bool, StoreError> {
        self.exists(OTHER_SUPERUSER, [user.0])
    }

    fn known_addresses(&self, id: UserId) -> Result<Vec<(IpAddr, Timestamp)>, StoreError> {
        let all = self.all(SIGN_IN_ADDRESSES, [id.0], |row| Ok((address(row, "address")?, date(row, "last_at")?)))?;
        Ok(all.into_iter().filter_map(|(address, at)| Some((address?, at))).collect())
    }

    fn knows_address(&self, id: UserId, address: IpAddr) -> Result<bool, StoreError> {
        self.exists(SIGNED_IN_FROM, params![id.0, address_text(address)])
    }
}

impl WriteUsers for Tx<'_> {
    fn insert_user(&self, user: &NewUser) -> Result<UserId, StoreError> {
        let username_key = user.username.key();
        let email_key = user.email.as_ref().map(Email::key);
        self.check_key_unused(&username_key, user.username.former_key().as_deref(), Field::Username, None)?;
        if let Some((email, key)) = user.email.as_ref().zip(email_key.as_ref()) {
            self.check_key_unused(key, email.former_key().as_deref(), Field::Email, None)?;
        }
        if let Some(id) = user.id
            && self.exists(BY_ID, [id.0])?
        {
            return Err(StoreError::InUse("id"));
        }
        if self.exists(BY_SUB, [user.sub.0.as_bytes()])? {
            return Err(StoreError::InUse("sub"));
        }
        self.execute(
            "INSERT INTO users (id, sub, username, username_key, email, email_key, email_verified, first_name, last_name,
               password_hash, temporary_since, is_active, is_staff, is_superuser, claims, date_joined, last_login,
               has_username)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            params![
                user.id.map(|id| id.0),
                user.sub.0.as_bytes(),
                user.username.as_str(),
                username_key,
                user.email.as_ref().map(Email::as_str),
                email_key,
                user.email_verified,
                user.first_name,
                user.last_name,
                user.password.as_ref().map(PasswordHash::as_str),
                user.temporary_since.map(Timestamp::unix),
                user.is_active,
                user.is_staff,
                user.is_superuser,
                user.claims.to_json(),
                user.date_joined.unix(),
                user.last_login.map(Timestamp::unix),
                user.has_username,
            ],
        )?;
        let id = UserId(self.last_id());
        self.update_search_text(id)?;
        Ok(id)
    }

    fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        temporary_since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE users SET password_hash = ?2, temporary_since = ?3 WHERE id = ?1",
            params![id.0, hash.as_str(), temporary_since.map(Timestamp::unix)],
        )?;
        self.end_admin_sessions_of(id, None)?;
        self.delete_requests(id)
    }

    fn upgrade_hash(&self, id: UserId, old: &PasswordHash, new: &PasswordHash) -> Result<(), StoreError> {
        self.execute(
            "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2",
            params![id.0, old.as_str(), new.as_str()],
        )?;
        Ok(())
    }

    fn set_username(&self, id: UserId, username: &Username) -> Result<(), StoreError> {
        let key = username.key();
        self.check_key_unused(&key, username.former_key().as_deref(), Field::Username, Some(id))?;
        self.execute(
            "UPDATE users SET username = ?2, username_key = ?3 WHERE id = ?1",
            params![id.0, username.as_str(), key],
        )?;
        // The newest request for a user name counts.
        self.execute("UPDATE email_confirmations SET becomes_username = 0 WHERE user_id = ?1", [id.0])?;
        self.update_search_text(id)
    }

    fn set_has_username(&self, id: UserId) -> Result<(), StoreError> {
        self.execute("UPDATE users SET has_username = 1 WHERE id = ?1 AND has_username = 0", [id.0])?;
        Ok(())
    }

    fn set_email(&self, id: UserId, email: &Email) -> Result<(), StoreError> {
        let key = email.key();
        self.check_key_unused(&key, email.former_key().as_deref(), Field::Email, Some(id))?;
        self.execute(
            "UPDATE users SET email = ?2, email_key = ?3, email_verified = 0 WHERE id = ?1",
            params![id.0, email.as_str(), key],
        )?;
        self.update_search_text(id)?;
        self.delete_codes_for_address(id)
    }

    fn verify_email(&self, id: UserId) -> Result<bool, StoreError> {
        self.execute(
            "DELETE FROM email_confirmations WHERE user_id = ?1 AND email = (SELECT email FROM users WHERE id = ?1)",
            [id.0],
        )?;
        let sql = "UPDATE users SET email_verified = 1, must_confirm_email = 0
           WHERE id = ?1 AND email IS NOT NULL AND email_verified = 0";
        Ok(self.execute(sql, [id.0])? == 1)
    }

    fn remove_email(&self, id: UserId) -> Result<(), StoreError> {
        self.execute("UPDATE users SET email = NULL, email_key = NULL, email_verified = 0 WHERE id = ?1", [id.0])?;
        self.update_search_text(id)?;
        self.delete_codes_for_address(id)
    }

    fn set_names(&self, id: UserId, first: &str, last: &str) -> Result<(), StoreError> {
        self.execute("UPDATE users SET first_name = ?2, last_name = ?3 WHERE id = ?1", params![id.0, first, last])?;
        self.update_search_text(id)
    }

    fn set_rights(&self, id: UserId, is_staff: bool, is_superuser: bool) -> Result<(), StoreError> {
        self.execute(
            "UPDATE users SET is_staff = ?2, is_superuser = ?3 WHERE id = ?1",
            params![id.0, is_staff, is_superuser],
        )?;
        if is_superuser {
            self.cancel_email_change(id)?;
        }
        Ok(())
    }

    fn set_active(&self, id: UserId, active: bool) -> Result<(), StoreError> {
        self.execute("UPDATE users SET is_active = ?2 WHERE id = ?1", params![id.0, active])?;
        self.delete_requests(id)
    }

    fn set_claims(&self, id: UserId, claims: &Claims) -> Result<(), StoreError> {
        self.execute("UPDATE users SET claims = ?2 WHERE id = ?1", params![id.0, claims.to_json()])?;
        Ok(())
    }

    fn record_sign_in(&self, id: UserId, at: Timestamp, address: Option<IpAddr>) -> Result<(), StoreError> {
        let updated = self.execute("UPDATE users SET last_login = ?2 WHERE id = ?1", params![id.0, at.unix()])?;
        address.filter(|_| updated == 1).map_or(Ok(()), |address| self.record_address(id, at, address))
    }

    fn record_address(&self, id: UserId, at: Timestamp, address: IpAddr) -> Result<(), StoreError> {
        let address = address_text(address);
        let updated = self.execute(
            "UPDATE sign_in_addresses SET last_at = ?3 WHERE user_id = ?1 AND address = ?2",
            params![id.0, address, at.unix()],
        )?;
        if updated == 0 {
            self.execute(
                "INSERT INTO sign_in_addresses (user_id, address, last_at) SELECT id, ?2, ?3 FROM users WHERE id = ?1",
                params![id.0, address, at.unix()],
            )?;
            self.keep_newest_addresses(id, &address)?;
        }
        Ok(())
    }

    fn delete_user(&self, id: UserId) -> Result<bool, StoreError> {
        self.execute(CLEAR_NAME, [id.0])?;
        self.execute(CLEAR_ACTOR, [id.0])?;
        Ok(self.execute(DELETE, [id.0])? == 1)
    }
}
