//! Counts in SQL.

use rusqlite::params;

use super::tx::{Tx, date};
use crate::domain::count::{Count, HourCount, hour_of};
use crate::domain::time::Timestamp;
use crate::store::counts::{ReadCounts, WriteCounts};
use crate::store::error::StoreError;

impl ReadCounts for Tx<'_> {
    fn counts(&self, from: Timestamp) -> Result<Vec<HourCount>, StoreError> {
        let sql = "SELECT hour, name, n FROM counts WHERE hour >= ?1 ORDER BY hour, name";
        let rows = self.all(sql, [from.unix()], |row| {
            let hour = date(row, "hour")?;
            let n = row.get::<_, i64>("n")?;
            let count = Count::named(&row.get::<_, String>("name")?);
            Ok(count.map(|count| HourCount { hour, count, n: n.max(0).unsigned_abs() }))
        })?;
        Ok(rows.into_iter().flatten().collect())
    }
}

impl WriteCounts for Tx<'_> {
    fn add_counts(&self, at: Timestamp, counted: &[(Count, u64)]) -> Result<(), StoreError> {
        for (count, n) in counted {
            let n = i64::try_from(*n).unwrap_or(i64::MAX);
            self.execute(
                "INSERT INTO counts (hour, name, n) VALUES (?1, ?2, ?3)
                 ON CONFLICT (hour, name) DO UPDATE SET n = n + excluded.n",
                params![hour_of(at).unix(), count.name(), n],
            )?;
        }
        Ok(())
    }

    fn cleanup_counts(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM counts WHERE (hour, name) IN
             (SELECT hour, name FROM counts WHERE hour < ?1 ORDER BY hour LIMIT ?2)";
        self.execute(sql, params![before.unix(), limit])
    }
}
