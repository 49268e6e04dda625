//! Reads and changes the runtime settings.

use std::time::Duration;

use serde_json::Value;

use super::context::Issuer;
use super::refusal::Refusal;
use crate::domain::audit::{Action, Operator};
use crate::domain::origin::Origin;
use crate::domain::profile::Profile;
use crate::domain::setting::definition::{Definition, SettingError};
use crate::domain::setting::listing::{SettingRow, rows};
use crate::domain::setting::snapshot::{FORMER_AUDIENCES, PROMISED_UNTIL, Settings};
use crate::domain::setting::table;
use crate::domain::time::Timestamp;
use crate::store::{LateOpening, Read, SettingChange, Store, StoreError, Write};

/// How long a running issuer may use the previous settings after a change.
const SETTINGS_RELOAD_MAX: Duration = Duration::from_secs(2);
/// An upper bound for `tokens.leeway`, by which clocks may differ. The setting allows at most 2 min.
const LONGEST_LEEWAY: Duration = Duration::from_hours(1);

/// Reads the current settings and their revision.
fn read(tx: &dyn Read) -> Result<(Settings, u64), StoreError> {
    Ok((Settings::new(&tx.stored_settings()?), tx.settings_revision()?))
}

/// Reads the current settings and their revision from the store.
pub async fn load(store: &Store) -> Result<(Settings, u64), StoreError> {
    store.read(read).await
}

/// Reloads the settings from the store now.
pub async fn reload(issuer: &Issuer) -> Result<(), StoreError> {
    let _in_order = issuer.settings_reload.lock().await;
    let (settings, revision) = load(&issuer.store).await?;
    issuer.apply_settings(settings, revision);
    Ok(())
}

/// Reloads the settings if their revision differs from that of the settings in use.
pub async fn reload_if_changed(issuer: &Issuer) -> Result<(), StoreError> {
    let _in_order = issuer.settings_reload.lock().await;
    let known = issuer.current_settings.load().revision();
    let changed =
        issuer.store.read(move |tx| if tx.settings_revision()? == known { Ok(None) } else { read(tx).map(Some) });
    if let Some((settings, revision)) = changed.await? {
        issuer.apply_settings(settings, revision);
    }
    Ok(())
}

/// Opens a store that could not be opened at the start. The stored settings apply before any request reads the store.
pub async fn open_store(issuer: &Issuer, opening: LateOpening) -> Result<(), StoreError> {
    let ((settings, revision), opened) = opening.open(read).await?;
    issuer.apply_settings(settings, revision);
    opened.publish();
    Ok(())
}

/// Applies a change that is stored. A failure is only logged, because an error would say that nothing was changed. The
/// job that reloads the settings tries again within 500 ms.
async fn reload_after_change(issuer: &Issuer) {
    if let Err(error) = reload(issuer).await {
        tracing::error!(%error, "setting changed, but the settings could not be reloaded; trying again");
    }
}

/// A setting as a page shows it.
#[derive(Clone, Debug)]
pub struct ListedSetting {
    /// The definition and the value.
    pub row: SettingRow,
    /// Who changed it and when; `None` if no value is stored, so that the default applies.
    pub changed: Option<SettingChange>,
}

/// Lists every setting with its stored value, in the order of the definitions.
pub async fn list(issuer: &Issuer) -> Result<Vec<ListedSetting>, Refusal> {
    let (stored, changes) =
        issuer.store.read(|tx| Ok::<_, Refusal>((tx.stored_settings()?, tx.setting_changes()?))).await?;
    let last_change = |row: &SettingRow| changes.iter().find(|change| change.name == row.definition.name).cloned();
    Ok(rows(&stored).into_iter().map(|row| ListedSetting { changed: last_change(&row), row }).collect())
}

/// Lists every setting with its stored value, for the command line.
pub async fn stored_rows(store: &Store) -> Result<Vec<SettingRow>, StoreError> {
    Ok(rows(&store.read(|tx| tx.stored_settings()).await?))
}

/// An operator's request to change a setting.
#[derive(Debug)]
pub struct SetSetting {
    /// The setting's name.
    pub name: String,
    /// The value as the operator typed it: `300`, `5m`, `true`, `none`.
    pub value: String,
    /// The operator, for the audit log.
    pub by: Operator,
}

/// An operator's request to reset a setting to its default. If a later version has another default, that one applies.
#[derive(Debug)]
pub struct ResetSetting {
    /// The setting's name.
    pub name: String,
    /// The operator, for the audit log.
    pub by: Operator,
}

/// Why a setting was not changed.
#[derive(Debug)]
pub enum SetSettingError {
    /// The name or the value is invalid.
    Invalid(SettingError),
    /// The store failed.
    Refused(Refusal),
}

impl From<SettingError> for SetSettingError {
    fn from(error: SettingError) -> Self {
        Self::Invalid(error)
    }
}

impl From<StoreError> for SetSettingError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl SetSetting {
    /// Stores the value and applies it to tokens that are issued from then on. Returns the stored form. Other issuers
    /// apply it within 2 s.
    pub async fn run(self, issuer: &Issuer) -> Result<Value, SetSettingError> {
        let value = self.store_in(&issuer.store, issuer.clock.now()).await?;
        reload_after_change(issuer).await;
        Ok(value)
    }

    /// Stores the value, for the command line, which has no issuer. A running issuer applies it within 2 s.
    pub async fn store_in(self, store: &Store, now: Timestamp) -> Result<Value, SetSettingError> {
        let definition = table::find(&self.name)?;
        let value = definition.parse(&self.value)?;
        change(store, now, self.by, definition, Some(value.clone())).await?;
        Ok(value)
    }
}

impl ResetSetting {
    /// Deletes the stored value and applies the default, which it returns. Other issuers apply it within 2 s.
    pub async fn run(self, issuer: &Issuer) -> Result<Value, SetSettingError> {
        let definition = table::find(&self.name)?;
        change(&issuer.store, issuer.clock.now(), self.by, definition, None).await?;
        reload_after_change(issuer).await;
        Ok(definition.default_value())
    }
}

/// Stores the value, or deletes the stored one if `value` is `None`, with the audit entry, in one transaction.
async fn change(
    store: &Store,
    now: Timestamp,
    by: Operator,
    definition: &'static Definition,
    value: Option<Value>,
) -> Result<(), StoreError> {
    let name = definition.name;
    let written = store.write(move |tx| {
        let before = Settings::new(&tx.stored_settings()?);
        let detail = if let Some(value) = &value {
            tx.put_setting(name, value, now, by.name())?;
            format!("{name} = {value} by {}", by.name())
        } else {
            tx.unset_setting(name)?;
            format!("{name} = {} (the default) by {}", definition.default_value(), by.name())
        };
        let changed = SettingsUpdate { before, after: Settings::new(&tx.stored_settings()?), now, by: by.name() };
        changed.store_promised_until(tx)?;
        changed.store_former_audiences(tx)?;
        tx.record(&by.entry(now, Action::SettingChanged, None, detail))
    });
    written.await
}

/// The settings before and after a change. Tokens that were issued earlier follow the previous settings.
struct SettingsUpdate<'a> {
    before: Settings,
    after: Settings,
    now: Timestamp,
    by: &'a str,
}

impl SettingsUpdate<'_> {
    /// If a lifetime is lowered, stores until when already issued tokens may be valid, so that their keys stay
    /// published until then. An origin without any session has no such tokens.
    fn store_promised_until(&self, tx: &dyn Write) -> Result<(), StoreError> {
        let mut promised = self.before.promised_until();
        for opened_by in Origin::all() {
            let (old, new) = self.profiles(opened_by);
            if new.access_lifetime < old.access_lifetime && tx.any_session(opened_by)? {
                promised = promised.max(Some(self.now + old.access_lifetime + SETTINGS_RELOAD_MAX));
            }
        }
        match promised {
            Some(until) if promised != self.before.promised_until() => {
                tx.put_setting(PROMISED_UNTIL, &until.unix().into(), self.now, self.by)
            }
            _ => Ok(()),
        }
    }

    /// If an audience is replaced, stores the old one with the time until which tokens for it may be valid. This issuer
    /// accepts them until then.
    fn store_former_audiences(&self, tx: &dyn Write) -> Result<(), StoreError> {
        let mut former = self.before.former_audiences().clone();
        for opened_by in Origin::all() {
            let (old, new) = self.profiles(opened_by);
            if let Some(audience) = old.audience.as_ref().filter(|audience| new.audience.as_ref() != Some(audience))
                && tx.any_session(opened_by)?
            {
                let last = (self.now + old.access_lifetime + SETTINGS_RELOAD_MAX)
                    .max(self.before.promised_until().unwrap_or(self.now));
                former.entry(audience.clone()).and_modify(|until| *until = last.max(*until)).or_insert(last);
            }
        }
        if former == *self.before.former_audiences() {
            return Ok(());
        }
        former.retain(|_, until| *until + LONGEST_LEEWAY > self.now);
        let stored = former.into_iter().map(|(audience, until)| (audience, until.unix().into()));
        tx.put_setting(FORMER_AUDIENCES, &Value::Object(stored.collect()), self.now, self.by)
    }

    fn profiles(&self, opened_by: Origin) -> (&Profile, &Profile) {
        (self.before.profile(opened_by), self.after.profile(opened_by))
    }
}
