//! `countersign backup` and `countersign restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::print;
use crate::app;
use crate::backup::BackupSource;
use crate::clock::Clock;
use crate::config::Config;
use crate::keys::folder::KeyFolder;
use crate::random::Random;

/// Back up the database and the keys into a new folder, also while the server runs
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Write the backup to this folder, which must be empty or must not exist
    dir: PathBuf,
    /// Print the manifest of the backup as JSON
    #[arg(long)]
    json: bool,
}

/// Restore the database and the keys from a backup, without overwriting anything
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Restore from this folder, which `countersign backup` created
    dir: PathBuf,
}

impl BackupArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let (clock, keys) = keys(config);
        let database = app::database_file(config);
        let manifest = BackupSource { database: &database, keys: &keys }.back_up(&self.dir, clock.now());
        let manifest = manifest.with_context(|| format!("cannot back up to {}", self.dir.display()))?;
        if self.json {
            print::json(&manifest)?;
        }
        print::message(format!(
            "Backed up {} users, {} sessions and {} keys to {} and verified the copy.",
            manifest.users,
            manifest.sessions,
            manifest.keys,
            self.dir.display()
        ));
        if !manifest.keys_tested {
            warn_untested();
        } else if config.keys.passphrase.is_none() {
            print::hint("anyone who can read this backup can sign tokens as your issuer; protect it like keys/");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl RestoreArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let (_, keys) = keys(config);
        let database = app::database_file(config);
        let restored = BackupSource { database: &database, keys: &keys }.restore(&self.dir);
        let restored = restored.with_context(|| format!("cannot restore from {}", self.dir.display()));
        let (restored, keys_restored) = restored?;
        print::message(format!(
            "Restored {} and {} from the backup of {}.",
            database.path().display(),
            keys.path().display(),
            restored.made_at
        ));
        if !keys_restored.tested {
            warn_untested();
        }
        print::hint("sessions that ended after this backup are active again; see docs/backup.md");
        Ok(ExitCode::SUCCESS)
    }
}

fn warn_untested() {
    print::warn(
        "the private keys were copied but not tested, because they are encrypted and keys.passphrase is not set",
    );
}

fn keys(config: &Config) -> (Clock, KeyFolder) {
    let clock = Clock::system();
    (clock.clone(), app::key_folder(config, clock, Random::System))
}
