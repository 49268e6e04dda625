//! Reading and changing the runtime settings.

use serde_json::Value;

use super::{Issuer, Refusal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::setting::{Definition, SettingError, Settings};
use crate::store::{Store, StoreError};

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
    /// Stores the value; valid from the next token on. Returns it as it is stored.
    pub async fn run(self, issuer: &Issuer) -> Result<Value, NotSet> {
        let definition = Definition::find(&self.name).map_err(NotSet::Wrong)?;
        let value = definition.parse(&self.value).map_err(NotSet::Wrong)?;
        let (at, stored) = (issuer.clock.now(), value.clone());
        let written = issuer.store.write(move |tx| {
            tx.put_setting(definition.name, &stored, at, &self.by)?;
            let detail = format!("{} = {stored} by {}", definition.name, self.by);
            tx.record(&AuditEntry { at, action: Action::SettingChanged, user: None, address: None, detail })
        });
        written.await.map_err(|error: StoreError| NotSet::Refused(error.into()))?;
        let settings = load(&issuer.store).await.map_err(|error| NotSet::Refused(error.into()))?;
        issuer.runtime.store(settings.into());
        Ok(value)
    }
}
