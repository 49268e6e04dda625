//! One open transaction: the value on which the nouns of this folder are asked and changed.

use std::cell::Cell;
use std::net::IpAddr;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};
use uuid::Uuid;

use super::error::unreadable;
use crate::domain::time::Timestamp;
use crate::store::{Read, StoreError, Write};

/// A transaction. Whoever makes one has begun it, and ends it.
pub(super) struct Tx<'c> {
    connection: &'c Connection,
    /// Whether something was asked in vain because the database was unavailable.
    unavailable: Cell<bool>,
}

impl Read for Tx<'_> {}

impl Write for Tx<'_> {}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, unavailable: Cell::new(false) }
    }

    /// Whether something was asked in vain because the database was unavailable. What a closure returns may not show it.
    pub(super) fn was_unavailable(&self) -> bool {
        self.unavailable.get()
    }

    /// The connection behind it, for tests that break it on purpose.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// Changes rows. How many.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        self.tracking_unavailable(|| Ok(self.connection.prepare_cached(sql)?.execute(params)?))
    }

    /// The first row there is.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.tracking_unavailable(|| {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params)?;
            rows.next()?.map(read).transpose()
        })
    }

    /// Whether there is any row.
    pub(super) fn exists(&self, sql: &str, params: impl Params) -> Result<bool, StoreError> {
        Ok(self.one(sql, params, |_| Ok(()))?.is_some())
    }

    /// Every row.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.tracking_unavailable(|| {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params)?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(read(row)?);
            }
            Ok(all)
        })
    }

    /// The id of the row inserted last.
    pub(super) fn last_id(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// Asks the database in a transaction that is still open. SQLite ends one by itself when the disk is full or fails:
    /// what a closure did after that would be committed at once, statement by statement, although its caller is told
    /// that nothing was done.
    fn tracking_unavailable<T>(&self, ask: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let answer = if self.connection.is_autocommit() {
            Err(StoreError::Unavailable("the transaction was undone by an earlier failure".to_owned()))
        } else {
            ask()
        };
        if matches!(answer, Err(StoreError::Unavailable(_))) {
            self.unavailable.set(true);
        }
        answer
    }
}

/// A row's columns one after another, in the statement's order: on the hot paths, as looking each up by its name costs
/// more than reading it.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    /// From the first one on.
    pub(super) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn take<T: FromSql>(&mut self) -> Result<T, StoreError> {
        self.next += 1;
        Ok(self.row.get(self.next - 1)?)
    }

    /// Leaves one out.
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    pub(super) fn date(&mut self) -> Result<Timestamp, StoreError> {
        self.take().map(Timestamp::from_unix)
    }

    pub(super) fn maybe_date(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp::from_unix))
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, StoreError> {
        self.take().map(Uuid::from_bytes)
    }

    pub(super) fn address(&mut self) -> Result<Option<IpAddr>, StoreError> {
        let text: Option<String> = self.take()?;
        text.map(|text| text.parse().map_err(|problem| unreadable("address", problem))).transpose()
    }
}

/// A date's column.
pub(super) fn date(row: &Row<'_>, column: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_unix(row.get(column)?))
}

/// A date's column that may be null.
pub(super) fn maybe_date(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_unix))
}

/// An address's column.
pub(super) fn address(row: &Row<'_>, column: &str) -> Result<Option<IpAddr>, StoreError> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|problem| unreadable(column, problem))).transpose()
}

/// An address as it is stored: an IPv4 address has one form, whatever socket it came by.
pub(super) fn address_text(address: IpAddr) -> String {
    address.to_canonical().to_string()
}
