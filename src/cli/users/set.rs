//! `countersign users set`.

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

use crate::app;
use crate::cli::runtime::block_on;
use crate::cli::{print, refusal};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::user::{Email, Username};
use crate::issuer::users::{UserChange, UserSet, find};
use crate::random::Random;

#[derive(Debug, Args)]
pub struct UserSetArgs {
    /// The user, by name or e-mail address
    name: String,
    /// Make the user a superuser, who can use the admin zone
    #[arg(long, conflicts_with = "no_superuser")]
    superuser: bool,
    /// Remove the superuser right; the user's sessions in the admin zone end at once
    #[arg(long)]
    no_superuser: bool,
    /// Set the e-mail address
    #[arg(long, value_name = "ADDRESS", required_unless_present_any = ["superuser", "no_superuser"])]
    email: Option<String>,
}

impl UserSetArgs {
    /// Makes all changes or none.
    pub fn run(self, config: &Config) -> Result<()> {
        let email = self.email.as_deref().map(Email::parse).transpose();
        let email = email.map_err(|problem| anyhow!("cannot change the user: --email {problem}"))?;
        let is_superuser = (self.superuser || self.no_superuser).then_some(self.superuser);
        let set = UserSet { email: email.clone(), is_superuser };
        block_on(async {
            let issuer = app::build_for_users(config, Clock::system(), Random::System).await?;
            let name = &self.name;
            let found = find(&issuer, name).await.map_err(refusal::error_from_refusal)?;
            let user = found.ok_or_else(|| anyhow!("there is no user `{name}`; see `countersign users list`"))?;
            UserChange::Set(set)
                .run(&user, &issuer)
                .await
                .map_err(refusal::error_from_denied)
                .with_context(|| format!("cannot change {}", user.username))?;
            print_changes(&user.username, email.as_ref(), is_superuser);
            Ok(())
        })
    }
}

fn print_changes(user: &Username, email: Option<&Email>, is_superuser: Option<bool>) {
    match is_superuser {
        Some(true) => print::message(format!("Made {user} a superuser.")),
        Some(false) => print::message(format!(
            "Removed the superuser right of {user} and ended the sessions of {user} in the admin zone."
        )),
        None => {}
    }
    if let Some(email) = email {
        print::message(format!("Set the e-mail address of {user} to {email}."));
    }
}
