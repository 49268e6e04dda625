//! `countersign audit`.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;

use super::{block_on, existing_store, print};
use crate::config::Config;
use crate::domain::audit::AuditLine;
use crate::domain::user::Login;
use crate::store::{Store, StoreError};

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
        let lines = match existing_store(config)? {
            Some(store) => self.read(&store)?,
            None => Vec::new(),
        };
        if self.json {
            print::json(&lines)?;
            return Ok(ExitCode::SUCCESS);
        }
        let row = |line: &AuditLine| {
            let user = line.username.clone().or_else(|| line.user_id.map(|id| id.to_string())).unwrap_or_default();
            let address = line.address.map(|address| address.to_string()).unwrap_or_default();
            let actor = line.actor.clone().or_else(|| line.actor_id.map(|id| id.to_string())).unwrap_or_default();
            vec![line.at.to_string(), line.action.clone(), user, actor, address, line.detail.clone()]
        };
        print::table(&["AT", "ACTION", "USER", "BY", "ADDRESS", "DETAIL"], &lines.iter().map(row).collect::<Vec<_>>())?;
        Ok(ExitCode::SUCCESS)
    }
    fn read(&self, store: &Store) -> Result<Vec<AuditLine>> {
        let (login, limit) = (self.user.as_deref().map(Login::new), self.limit);
        let read = store.read(move |tx| {
            let user = login.map(|login| tx.user_by_login(&login)).transpose()?;
            match user {
                Some(None) => Ok(None),
                found => tx.audit_lines(found.flatten().map(|user| user.id), limit).map(Some),
            }
        });
        let lines = block_on(async { Ok(read.await.map_err(|error: StoreError| error)?) })?;
        lines.ok_or_else(|| anyhow!("there is no user `{}`", self.user.as_deref().unwrap_or_default()))
    }
}
