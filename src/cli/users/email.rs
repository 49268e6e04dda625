//! `countersign users send-confirmation` and `confirm-email`: the confirmation of a user's e-mail address.

use anyhow::{Context as _, Result};

use super::find::find;
use crate::app;
use crate::cli::runtime::block_on;
use crate::cli::{print, refusal};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::audit::Operator;
use crate::issuer::operator_email::{ConfirmForUser, SendConfirmation};
use crate::random::Random;

pub fn send_confirmation(config: &Config, name: &str) -> Result<()> {
    block_on(async {
        let issuer = app::build_for_users(config, Clock::system(), Random::System).await?;
        let user = find(&issuer, name).await?;
        let sent = SendConfirmation { user: user.id, by: Operator::CommandLine }.run(&issuer).await;
        let sent = sent.map_err(refusal::error_from_denied);
        let email = sent.with_context(|| format!("cannot send a confirmation to {}", user.username))?;
        print::message(format!("Queued the confirmation e-mail for {} to {email}.", user.username));
        Ok(())
    })
}

pub fn confirm(config: &Config, name: &str) -> Result<()> {
    block_on(async {
        let issuer = app::build_for_users(config, Clock::system(), Random::System).await?;
        let user = find(&issuer, name).await?;
        let confirmed = ConfirmForUser { user: user.id, by: Operator::CommandLine }.run(&issuer).await;
        let confirmed = confirmed.map_err(refusal::error_from_denied);
        let email = confirmed.with_context(|| format!("cannot confirm the address of {}", user.username))?;
        print::message(format!("Confirmed the address {email} of {}.", user.username));
        Ok(())
    })
}
