//! `countersign users export`: prints users in the format that `users import` reads.

use anyhow::{Context as _, Result};
use clap::Args;

use super::pages::for_each_page;
use crate::app;
use crate::cli::print;
use crate::cli::runtime::block_on;
use crate::config::Config;
use crate::domain::user_record::UserRecord;

#[derive(Debug, Args)]
pub struct UserExportArgs {
    /// Export password hashes as well; an attacker who gets them can guess the passwords offline
    #[arg(long)]
    with_password_hashes: bool,
}

impl UserExportArgs {
    pub fn run(self, config: &Config) -> Result<()> {
        let store = app::open_store(config)?;
        let with_hashes = self.with_password_hashes;
        let pages = block_on(async {
            for_each_page(&store, None, |page| {
                let mut text = String::new();
                for user in page {
                    text.push_str(&serde_json::to_string(&UserRecord::of(user, with_hashes))?);
                    text.push('\n');
                }
                Ok(print::data(&text)?)
            })
            .await
        });
        pages.context("cannot export the users")
    }
}
