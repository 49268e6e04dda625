//! Sessions in the admin zone in SQL.

use rusqlite::params;

use super::tx::{Columns, Tx, address_text};
use super::users::{user_columns, user_of};
use crate::domain::browser_session::{BrowserSession, BrowserTokenHash};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::admin_sessions::{ReadAdminSessions, WriteAdminSessions};
use crate::store::error::StoreError;

pub(super) const WITH_USER: &str = concat!(
    "SELECT s.user_id, s.opened_at, s.seen_at, s.proven_at, s.expires_at, s.address, ",
    user_columns!(),
    " FROM admin_sessions s JOIN users u ON u.id = s.user_id WHERE s.hash = ?1"
);
pub(super) const CLEANUP: &str = "DELETE FROM admin_sessions WHERE hash IN
   (SELECT hash FROM admin_sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

impl ReadAdminSessions for Tx<'_> {
    fn admin_session(&self, hash: BrowserTokenHash) -> Result<Option<(BrowserSession, User)>, StoreError> {
        self.one(WITH_USER, [hash.0], |row| {
            let mut columns = Columns::of(row);
            let session = BrowserSession {
                user: UserId(columns.take()?),
                opened_at: columns.date()?,
                seen_at: columns.date()?,
                stepped_up_at: columns.date()?,
                expires_at: columns.date()?,
                address: columns.address()?,
            };
            Ok((session, user_of(&mut columns)?))
        })
    }
}

impl WriteAdminSessions for Tx<'_> {
    fn open_admin_session(&self, hash: BrowserTokenHash, session: &BrowserSession) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO admin_sessions (hash, user_id, opened_at, seen_at, proven_at, expires_at, address)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                hash.0,
                session.user.0,
                session.opened_at.unix(),
                session.seen_at.unix(),
                session.stepped_up_at.unix(),
                session.expires_at.unix(),
                session.address.map(address_text),
            ],
        )?;
        Ok(())
    }

    fn update_admin_session(&self, hash: BrowserTokenHash, session: &BrowserSession) -> Result<(), StoreError> {
        self.execute(
            "UPDATE admin_sessions SET seen_at = ?2, proven_at = ?3, expires_at = ?4 WHERE hash = ?1",
            params![hash.0, session.seen_at.unix(), session.stepped_up_at.unix(), session.expires_at.unix()],
        )?;
        Ok(())
    }

    fn end_admin_session(&self, hash: BrowserTokenHash) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM admin_sessions WHERE hash = ?1", [hash.0])? == 1)
    }

    fn end_admin_sessions_of(&self, user: UserId, except: Option<BrowserTokenHash>) -> Result<usize, StoreError> {
        let except = except.map(|hash| hash.0);
        self.execute("DELETE FROM admin_sessions WHERE user_id = ?1 AND hash IS NOT ?2", params![user.0, except])
    }

    fn remove_least_recently_used_admin_sessions(&self, user: UserId, keep: u32) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM admin_sessions WHERE hash IN
               (SELECT hash FROM admin_sessions WHERE user_id = ?1 ORDER BY seen_at DESC LIMIT -1 OFFSET ?2)",
            params![user.0, keep],
        )
    }

    fn end_all_admin_sessions(&self) -> Result<usize, StoreError> {
        self.execute("DELETE FROM admin_sessions", [])
    }

    fn cleanup_admin_sessions(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(CLEANUP, params![before.unix(), limit])
    }
}
