//! Reading and changing the runtime settings.

use std::time::Duration;

use serde_json::Value;

use super::Refusal;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::Dialect;
use crate::domain::setting::{Definition, PROMISED_UNTIL, SettingError, Settings};
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError, Write};

/// How long a running issuer may go on with the settings of before.
const TAKE_UP: Duration = Duration::from_secs(2);

/// Reads the settings in force from the store.
pub async fn load(store: &Store) -> Result<Settings, StoreError> {
    Ok(Settings::new(&store.read(|tx| tx.stored_settings()).await?))
}

/// An operator changes a setting.
#[derive(Debug)]
pub struct SetSetting {
    /// The setting's name.
    pub name: String,
    /// The value as it was typed: `300`, `5m`, `true`, `none`.
    pub value: String,
    /// Who changes it, for the record.
    pub by: String,
}

/// Why a setting was not changed.
#[derive(Debug)]
pub enum NotSet {
    /// The name or the value is wrong.
    Wrong(SettingError),
    /// The store refused.
    Refused(Refusal),
}

impl SetSetting {
    /// Stores the value; valid from the next token on. A running issuer takes it up within 2 s. Returns it as it is
    /// stored.
    pub async fn run(self, store: &Store, now: Timestamp) -> Result<Value, NotSet> {
        let definition = Definition::find(&self.name).map_err(NotSet::Wrong)?;
        let value = definition.parse(&self.value).map_err(NotSet::Wrong)?;
        let stored = value.clone();
        let written = store.write(move |tx| {
            let before = Settings::new(&tx.stored_settings()?);
            tx.put_setting(definition.name, &stored, now, &self.by)?;
            let after = Settings::new(&tx.stored_settings()?);
            keep_promise(tx, &before, &after, now, &self.by)?;
            let detail = format!("{} = {stored} by {}", definition.name, self.by);
            tx.record(&AuditEntry {
                at: now,
                action: Action::SettingChanged,
                user: None,
                actor: None,
                address: None,
                detail,
            })
        });
        written.await.map_err(|error: StoreError| NotSet::Refused(error.into()))?;
        Ok(value)
    }
}

/// Remembers how long tokens may live that were made under a lifetime that is being lowered: keys are published for
/// them, too. Where no session was ever opened there are none.
fn keep_promise(
    tx: &dyn Write,
    before: &Settings,
    after: &Settings,
    now: Timestamp,
    by: &str,
) -> Result<(), StoreError> {
    let mut promised = before.promised_until();
    for dialect in Dialect::ALL {
        let (was, is) = (before.profile(dialect).access_lifetime, after.profile(dialect).access_lifetime);
        if is < was && tx.any_session(dialect)? {
            promised = promised.max(Some(now + was + TAKE_UP));
        }
    }
    match promised {
        Some(until) if promised != before.promised_until() => {
            tx.put_setting(PROMISED_UNTIL, &until.unix().into(), now, by)
        }
        _ => Ok(()),
    }
}
