//! `countersign audit`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::{block_on, print};
use crate::app;
use crate::config::Config;
use crate::domain::audit::AuditLine;
use crate::domain::user::Login;
use crate::store::StoreError;

#[derive(Debug, Args)]
pub struct Audit {
    /// Only what concerns this user, by name or address
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// At most this many lines
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let store = app::open_existing_store(config)?;
        let login = self.user.as_deref().map(Login::new);
        let read = store.read(move |tx| {
            let user = login.map(|login| tx.user_by_login(&login)).transpose()?;
            match user {
                Some(None) => Ok(None),
                found => tx.audit_lines(found.flatten().map(|user| user.id), self.limit).map(Some),
            }
        });
        let lines: Option<Vec<AuditLine>> =
            block_on(async { Ok::<_, anyhow::Error>(read.await.map_err(|error: StoreError| error)?) })?;
        let Some(lines) = lines else { bail!("there is no user `{}`", self.user.unwrap_or_default()) };
        if self.json {
            print::json(&lines)?;
            return Ok(ExitCode::SUCCESS);
        }
        let row = |line: &AuditLine| {
            let user = line.username.clone().or_else(|| line.user_id.map(|id| id.to_string())).unwrap_or_default();
            let address = line.address.map(|address| address.to_string()).unwrap_or_default();
            vec![line.at.to_string(), line.action.clone(), user, address, line.detail.clone()]
        };
        print::table(&["AT", "ACTION", "USER", "ADDRESS", "DETAIL"], &lines.iter().map(row).collect::<Vec<_>>())?;
        Ok(ExitCode::SUCCESS)
    }
}
