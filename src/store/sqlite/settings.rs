//! Runtime settings in SQL.

use rusqlite::params;
use serde_json::Value;

use super::error::unreadable;
use super::tx::{Tx, date};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::settings::{ReadSettings, SettingChange, WriteSettings};

impl ReadSettings for Tx<'_> {
    fn stored_settings(&self) -> Result<Vec<(String, Value)>, StoreError> {
        self.all("SELECT name, value FROM settings ORDER BY name", [], |row| {
            let name: String = row.get("name")?;
            let text: String = row.get("value")?;
            let value = serde_json::from_str(&text).map_err(|problem| unreadable(&name, problem))?;
            Ok((name, value))
        })
    }

    fn setting_changes(&self) -> Result<Vec<SettingChange>, StoreError> {
        self.all("SELECT name, changed_at, changed_by FROM settings ORDER BY name", [], |row| {
            Ok(SettingChange { name: row.get("name")?, at: date(row, "changed_at")?, by: row.get("changed_by")? })
        })
    }
}

impl WriteSettings for Tx<'_> {
    fn put_setting(&self, name: &str, value: &Value, now: Timestamp, by: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO settings (name, value, changed_at, changed_by) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE
             SET value = excluded.value, changed_at = excluded.changed_at, changed_by = excluded.changed_by",
            params![name, value.to_string(), now.unix(), by],
        )?;
        Ok(())
    }

    fn unset_setting(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM settings WHERE name = ?1", [name])? == 1)
    }
}
