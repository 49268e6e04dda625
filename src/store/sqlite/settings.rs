//! Runtime settings in SQL.

use rusqlite::params;
use serde_json::Value;

use super::error::unreadable;
use super::tx::{Tx, date};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::settings::{ReadSettings, SettingChange, WriteSettings};

/// The row with the revision. It is no setting, and no list of settings contains it.
const REVISION: &str = "settings.revision";
const INCREMENT_REVISION: &str = "INSERT INTO settings (name, value, changed_at, changed_by) VALUES (?1, '1', 0, '')
   ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1";

impl ReadSettings for Tx<'_> {
    fn stored_settings(&self) -> Result<Vec<(String, Value)>, StoreError> {
        self.all("SELECT name, value FROM settings WHERE name <> ?1 ORDER BY name", [REVISION], |row| {
            let name: String = row.get("name")?;
            let text: String = row.get("value")?;
            let value = serde_json::from_str(&text).map_err(|problem| unreadable(&name, problem))?;
            Ok((name, value))
        })
    }

    fn settings_revision(&self) -> Result<u64, StoreError> {
        let revision = self.one("SELECT value FROM settings WHERE name = ?1", [REVISION], |row| {
            let text: String = row.get("value")?;
            text.parse().map_err(|problem| unreadable(REVISION, problem))
        });
        Ok(revision?.unwrap_or(0))
    }

    fn setting_changes(&self) -> Result<Vec<SettingChange>, StoreError> {
        self.all(
            "SELECT name, changed_at, changed_by FROM settings WHERE name <> ?1 ORDER BY name",
            [REVISION],
            |row| {
                Ok(SettingChange { name: row.get("name")?, at: date(row, "changed_at")?, by: row.get("changed_by")? })
            },
        )
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
        self.execute(INCREMENT_REVISION, [REVISION]).map(drop)
    }

    fn unset_setting(&self, name: &str) -> Result<bool, StoreError> {
        let was_stored = self.execute("DELETE FROM settings WHERE name = ?1", [name])? == 1;
        if was_stored {
            self.execute(INCREMENT_REVISION, [REVISION])?;
        }
        Ok(was_stored)
    }
}
