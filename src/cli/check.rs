//! `countersign check`: prints the settings, and checks the templates, the providers, the TLS certificate, the database
//! and the keys, as `countersign serve` does at its start. It creates no database and no keys.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::print;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::deploy::unsafe_for_production;
use crate::keys::{KeySource, LoadedRing};
use crate::random::Random;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Also list settings that are unsafe in production
    #[arg(long)]
    deploy: bool,
}

impl CheckArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        print::data(&config.in_force())?;
        app::check(config)?;
        match KeySource::Folder(app::key_folder(config, Clock::system(), Random::System)).load() {
            Ok(LoadedRing { ring, .. }) => {
                for warning in ring.warnings() {
                    print::warn(warning);
                }
                print::message(format!(
                    "The key ring is valid: every private key can be read, signs and verifies. Keys: {}.",
                    ring.schedule().keys().len()
                ));
            }
            Err(error) if error.is_empty() => print::message("There are no keys yet. The first start creates them."),
            Err(error) => return Err(error.into()),
        }
        let findings = if self.deploy { unsafe_for_production(config) } else { Vec::new() };
        for finding in &findings {
            print::warn(format!("{}: {}; {}", finding.setting, finding.condition, finding.consequence));
            print::hint(finding.fix);
        }
        print::message(match findings.len() {
            0 => "The settings are valid.".to_owned(),
            count => format!("The settings are valid. Unsafe in production: {count}."),
        });
        Ok(ExitCode::SUCCESS)
    }
}
