//! An open transaction, which implements the read and write traits of the store.

use std::cell::Cell;
use std::net::IpAddr;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};
use uuid::Uuid;

use super::error::unreadable;
use crate::domain::network::CallerNetwork;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::transaction::{Read, Write};

/// An open transaction. The caller of [`Tx::new`] starts and ends it.
pub(super) struct Tx<'c> {
    connection: &'c Connection,
    /// Whether an operation failed because the database was unavailable.
    unavailable: Cell<bool>,
}

impl Read for Tx<'_> {}

impl Write for Tx<'_> {}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, unavailable: Cell::new(false) }
    }

    /// Whether an operation failed because the database was unavailable. The closure may have converted that error.
    pub(super) fn was_unavailable(&self) -> bool {
        self.unavailable.get()
    }

    /// Returns the connection, for tests that break it on purpose.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// Changes rows and returns how many.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        self.tracking_unavailable(|| Ok(self.connection.prepare_cached(sql)?.execute(params)?))
    }

    /// Returns the first row, if there is one.
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

    /// Whether the query returns a row.
    pub(super) fn exists(&self, sql: &str, params: impl Params) -> Result<bool, StoreError> {
        Ok(self.one(sql, params, |_| Ok(()))?.is_some())
    }

    /// Returns every row.
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

    /// Returns the id of the row inserted last.
    pub(super) fn last_id(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// Runs a query only if the transaction is still open. SQLite ends a transaction by itself when the disk is full or
    /// fails. Later statements of the closure would then be committed one by one, although the caller receives an
    /// error, which means that nothing was changed.
    fn tracking_unavailable<T>(&self, query: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = if self.connection.is_autocommit() {
            Err(StoreError::Unavailable("the transaction was undone after an earlier failure".to_owned()))
        } else {
            query()
        };
        if matches!(result, Err(StoreError::Unavailable(_))) {
            self.unavailable.set(true);
        }
        result
    }
}

/// Reads the columns of a row one after another, in the order of the statement. The frequent statements use it, because
/// finding a column by name costs more than reading it.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    /// Starts at the first column.
    pub(super) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn take<T: FromSql>(&mut self) -> Result<T, StoreError> {
        self.next += 1;
        Ok(self.row.get(self.next - 1)?)
    }

    /// Reads the name of a value in a set that the code owns. `parse` returns `None` for an unknown name. Copies no text.
    pub(super) fn name<T>(&mut self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        self.maybe_name(column, parse)?.ok_or_else(|| unreadable(column, "it is null"))
    }

    /// Like [`Columns::name`], for a column that may be null.
    pub(super) fn maybe_name<T>(
        &mut self,
        column: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        self.next += 1;
        let text = self.row.get_ref(self.next - 1)?.as_str_or_null().map_err(|problem| unreadable(column, problem))?;
        text.map(|text| parse(text).ok_or_else(|| unreadable(column, format!("unknown `{text}`")))).transpose()
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

    pub(super) fn network(&mut self) -> Result<Option<CallerNetwork>, StoreError> {
        self.next += 1;
        let bytes =
            self.row.get_ref(self.next - 1)?.as_blob_or_null().map_err(|problem| unreadable("network", problem))?;
        bytes
            .map(|bytes| CallerNetwork::from_bytes(bytes).ok_or_else(|| unreadable("network", "its length is wrong")))
            .transpose()
    }

    pub(super) fn address(&mut self) -> Result<Option<IpAddr>, StoreError> {
        let text: Option<String> = self.take()?;
        text.map(|text| text.parse().map_err(|problem| unreadable("address", problem))).transpose()
    }
}

/// Reads a date from a column.
pub(super) fn date(row: &Row<'_>, column: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_unix(row.get(column)?))
}

/// Reads a date from a column that may be null.
pub(super) fn maybe_date(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_unix))
}

/// Reads an address from a column.
pub(super) fn address(row: &Row<'_>, column: &str) -> Result<Option<IpAddr>, StoreError> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|problem| unreadable(column, problem))).transpose()
}

/// Returns the stored form of an address. An IPv4 address has one form, even if it arrived on an IPv6 socket.
pub(super) fn address_text(address: IpAddr) -> String {
    address.to_canonical().to_string()
}
