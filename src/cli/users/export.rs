//! `countersign users export`: prints users in the format that `users import` reads.

use anyhow::{Context as _, Result};
use clap::Args;

use super::PAGE_SIZE;
use crate::app;
use crate::cli::{block_on, print};
use crate::config::Config;
use crate::domain::id::UserId;
use crate::domain::user_record::UserRecord;
use crate::store::{StoreError, UserQuery};

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
            let mut after: Option<UserId> = None;
            loop {
                let query = UserQuery { prefix: None, after, limit: PAGE_SIZE };
                let page = store.read(move |tx| tx.users(&query)).await.map_err(|error: StoreError| error)?;
                let Some(last) = page.last() else { return Ok(()) };
                after = Some(last.id);
                let mut text = String::new();
                for user in page {
                    text.push_str(&serde_json::to_string(&UserRecord::of(user, with_hashes))?);
                    text.push('\n');
                }
                print::data(&text)?;
            }
        });
        pages.context("cannot export the users")
    }
}
