//! `countersign sessions …`.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::runtime::block_on;
use super::{print, refusal};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::audit::Operator;
use crate::domain::id::SessionId;
use crate::domain::network::CallerNetwork;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::issuer::Issuer;
use crate::issuer::admin::sessions::{EndSession, live_sessions_of};
use crate::issuer::users::{UserChange, find};
use crate::random::Random;

#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List the live sessions of a user, newest first
    List {
        /// The user, by name or e-mail address
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End one session, or all sessions of a user
    End(SessionsEndArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SessionsEndArgs {
    /// The id of the session, as `sessions list` prints it
    #[arg(value_name = "ID")]
    id: Option<Uuid>,
    /// End all sessions of this user, by name or e-mail address, including those of the admin zone
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl SessionsCommand {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        match self {
            Self::List { name, json } => list(config, &name, json)?,
            Self::End(end) => end.run(config)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl SessionsEndArgs {
    fn run(self, config: &Config) -> Result<()> {
        block_on(async {
            let issuer = app::build_for_users(config, Clock::system(), Random::System).await?;
            if let Some(id) = self.id {
                let end = EndSession { id: SessionId(id), by: Operator::CommandLine };
                end.run(&issuer)
                    .await
                    .map_err(refusal::error_from_denied)
                    .with_context(|| format!("cannot end session {id}"))?;
                print::message(format!("Ended session {id}."));
            }
            if let Some(name) = self.user {
                let user = known_user(&issuer, &name).await?;
                let ended = UserChange::EndSessions.run(&user, &issuer).await;
                ended
                    .map_err(refusal::error_from_denied)
                    .with_context(|| format!("cannot end the sessions of {}", user.username))?;
                print::message(format!("Ended all sessions of {}.", user.username));
            }
            Ok(())
        })
    }
}

async fn known_user(issuer: &Issuer, name: &str) -> Result<User> {
    let found = find(issuer, name).await.map_err(refusal::error_from_refusal)?;
    found.ok_or_else(|| anyhow!("there is no user `{name}`; see `countersign users list`"))
}

/// A session as `list --json` prints it.
#[derive(Serialize)]
struct SessionRow {
    id: SessionId,
    dialect: &'static str,
    opened_at: Timestamp,
    used_at: Timestamp,
    expires_at: Timestamp,
    /// The network that used the session last, as far as the server stores it. Null if an operator opened the session.
    network: Option<String>,
}

impl SessionRow {
    fn of(session: &Session) -> Self {
        let network = session.repeats.rotated_from.or_else(|| session.address.map(CallerNetwork::of));
        Self {
            id: session.id,
            dialect: session.opened_by.name(),
            opened_at: session.opened_at,
            used_at: session.used_at,
            expires_at: session.expires_at,
            network: network.map(|network| network.to_string()),
        }
    }

    fn cells(&self) -> Vec<String> {
        let network = self.network.clone().unwrap_or_default();
        let dates = [self.opened_at, self.used_at].map(|at| at.to_string());
        [vec![self.id.to_string(), self.dialect.to_owned()], dates.to_vec(), vec![network]].concat()
    }
}

fn list(config: &Config, name: &str, json: bool) -> Result<()> {
    let sessions = block_on(async {
        let issuer = app::build_for_users(config, Clock::system(), Random::System).await?;
        let user = known_user(&issuer, name).await?;
        live_sessions_of(&issuer, user.id).await.map_err(refusal::error_from_refusal)
    })?;
    let rows: Vec<SessionRow> = sessions.iter().map(SessionRow::of).collect();
    if json {
        return Ok(print::json(&rows)?);
    }
    let cells: Vec<Vec<String>> = rows.iter().map(SessionRow::cells).collect();
    Ok(print::table(&["ID", "DIALECT", "OPENED", "LAST USED", "NETWORK"], &cells)?)
}
