//! `countersign mail …`: tests the delivery of e-mails.

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::Subcommand;

use super::print;
use super::runtime::block_on;
use crate::app;
use crate::config::Config;
use crate::domain::user::Email;

#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// Send a test e-mail now, not through the outbox, and print the mail server's reply if it is refused
    Test {
        /// The address to which the e-mail is sent
        address: String,
    },
}

impl MailCommand {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let Self::Test { address } = self;
        let to = Email::parse(address.trim()).map_err(|_| anyhow!("`{address}` is not an e-mail address"))?;
        let Some(smtp) = &config.email.smtp else {
            bail!(
                "no mail server is set, so e-mails are written to files under data_dir; set email.host and email.from"
            );
        };
        block_on(app::send_test_mail(config, &to))?;
        print::message(format!("The mail server {}:{} accepted the test e-mail to {to}.", smtp.host, smtp.port));
        print::hint("accepted is not delivered; look into the mailbox, also into its folder for spam");
        Ok(ExitCode::SUCCESS)
    }
}
