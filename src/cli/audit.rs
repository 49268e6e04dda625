//! `countersign audit`.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;

use super::existing_store::existing_store;
use super::print;
use super::runtime::block_on;
use crate::config::Config;
use crate::domain::audit::AuditLine;
use crate::domain::id::UserId;
use crate::domain::user::Login;
use crate::store::{Store, StoreError};

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Show only entries of this user, by name or e-mail address, or by id if the user was deleted
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Show at most this many entries
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl AuditArgs {
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
        let name = self.user.clone();
        let limit = self.limit;
        let read = store.read(move |tx| {
            let Some(name) = &name else { return tx.audit_lines(None, limit).map(Some) };
            if let Some(user) = tx.user_by_login(&Login::new(name))? {
                return tx.audit_lines(Some(user.id), limit).map(Some);
            }
            let Ok(id) = name.parse().map(UserId) else { return Ok(None) };
            let lines = if tx.user(id)?.is_none() { tx.audit_lines(Some(id), limit)? } else { Vec::new() };
            Ok((!lines.is_empty()).then_some(lines))
        });
        let lines = block_on(async { Ok(read.await.map_err(|error: StoreError| error)?) })?;
        lines.ok_or_else(|| {
            let name = self.user.as_deref().unwrap_or_default();
            anyhow!("there is no user `{name}`; name a deleted user by id, for example --user 42")
        })
    }
}
