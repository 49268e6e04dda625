//! `countersign backup` and `countersign restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::print;
use crate::app;
use crate::backup::BackupSource;
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl};
use crate::crypto::key_dir::KeyDir;
use crate::random::Random;

/// Copy the database and the keys into a new folder, while the server runs
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The folder, which must be empty or not there
    dir: PathBuf,
    /// Print the list of what was copied, as JSON
    #[arg(long)]
    json: bool,
}

/// Put a backup's database and keys where there are none
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The folder that `countersign backup` filled
    dir: PathBuf,
}

impl BackupArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let (clock, keys) = keys(config);
        let DatabaseUrl::Sqlite(database) = &config.database.url;
        let made = BackupSource { database, keys: &keys }.back_up(&self.dir, clock.now());
        let made = made.with_context(|| format!("backing up to {}", self.dir.display()))?;
        if self.json {
            print::json(&made)?;
        }
        print::message(format!(
            "{} holds {} users, {} sessions and {} keys, and was looked through",
            self.dir.display(),
            made.users,
            made.sessions,
            made.keys
        ));
        if config.keys.passphrase.is_none() {
            print::hint("whoever has it can sign as you: keep it as closed as keys/ itself");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl RestoreArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let (_, keys) = keys(config);
        let DatabaseUrl::Sqlite(database) = &config.database.url;
        let restored = BackupSource { database, keys: &keys }.restore(&self.dir);
        let restored = restored.with_context(|| format!("restoring from {}", self.dir.display()))?;
        print::message(format!(
            "{} and {} are as they were at {}",
            database.display(),
            keys.path().display(),
            restored.made_at
        ));
        print::hint("sessions that ended since then live again: see docs/backup.md");
        Ok(ExitCode::SUCCESS)
    }
}

fn keys(config: &Config) -> (Clock, KeyDir) {
    let clock = Clock::system();
    (clock.clone(), app::key_dir(config, clock, Random::System))
}
