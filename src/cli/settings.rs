//! `countersign settings …`: the runtime settings. A running server applies a change within 2 s.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Subcommand;

use super::runtime::block_on;
use super::{print, refusal};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::audit::Operator;
use crate::domain::setting::definition::{Definition, SettingError};
use crate::domain::setting::listing::{self, SettingRow, as_typed};
use crate::domain::setting::table;
use crate::issuer::settings::{self, SetSetting, SetSettingError};

#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// List every runtime setting with its value, its default and its allowed values
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the value of a setting
    Get {
        /// The name of the setting
        name: String,
    },
    /// Change a setting; a running server applies it within 2 s
    Set {
        /// The name of the setting
        name: String,
        /// The new value, for example 300 (seconds), 5m, true, ES256 or none
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
}

impl SettingsCommand {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        match self {
            Self::List { json } => list(config, json)?,
            Self::Get { name } => {
                let definition = find(&name)?;
                for row in rows(config)?.iter().filter(|row| row.definition.name == definition.name) {
                    print::data(&as_typed(&row.value))?;
                }
            }
            Self::Set { name, value } => {
                find(&name)?.parse(&value)?;
                let stored = block_on(async {
                    let store = app::open_store(config)?;
                    let set = SetSetting { name: name.clone(), value, by: Operator::CommandLine };
                    set.store_in(&store, Clock::system().now()).await.map_err(|error| match error {
                        SetSettingError::Invalid(error) => anyhow!(error),
                        SetSettingError::Refused(refusal) => refusal::error_from_refusal(refusal),
                    })
                })?;
                print::message(format!("Set {name} to {}. A running server applies it within 2 s.", as_typed(&stored)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn find(name: &str) -> Result<&'static Definition> {
    table::find(name).map_err(|error| match error {
        SettingError::Unknown { nearest: None, .. } => anyhow!(
            "{error}; `countersign settings list` prints the runtime settings, and `countersign check` prints the boot \
             settings"
        ),
        error => error.into(),
    })
}

/// Returns the settings with their stored values. If there is no database, returns the defaults.
fn rows(config: &Config) -> Result<Vec<SettingRow>> {
    let Some(store) = app::open_existing_store(config)? else { return Ok(listing::rows(&[])) };
    block_on(async { Ok(settings::stored_rows(&store).await?) })
}

fn list(config: &Config, json: bool) -> Result<()> {
    let rows = rows(config)?;
    if json {
        return Ok(print::json(&rows)?);
    }
    let row = |SettingRow { definition, value }: SettingRow| {
        let default = as_typed(&definition.default_value());
        vec![definition.name.to_owned(), as_typed(&value), default, definition.allowed()]
    };
    Ok(print::table(&["NAME", "VALUE", "DEFAULT", "ALLOWED"], &rows.into_iter().map(row).collect::<Vec<_>>())?)
}
