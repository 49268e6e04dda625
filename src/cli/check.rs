//! `countersign check`: everything a start would find wrong, without starting and without making anything.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::print;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::deploy::unsafe_for_production;
use crate::crypto::key_dir::KeyDirError;
use crate::random::Random;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Also list what is unsafe in production
    #[arg(long)]
    deploy: bool,
}

impl CheckArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        print::data(&config.in_force())?;
        app::check(config)?;
        match app::key_dir(config, Clock::system(), Random::System).open() {
            Ok(ring) => {
                for warning in ring.warnings() {
                    print::warn(warning.to_string());
                }
                print::message(format!(
                    "the key ring opens, signs and verifies; keys in it: {}",
                    ring.schedule().keys().len()
                ));
            }
            Err(KeyDirError::Empty(_)) => print::message("there are no keys yet: the first start makes them"),
            Err(error) => return Err(error.into()),
        }
        let findings = if self.deploy { unsafe_for_production(config) } else { Vec::new() };
        for finding in &findings {
            print::warn(format!("{}: {}: {}", finding.setting, finding.condition, finding.consequence));
            print::hint(finding.fix);
        }
        print::message(match findings.len() {
            0 => "the settings are fine".to_owned(),
            1 => "the settings are valid; one of them is unsafe in production".to_owned(),
            found => format!("the settings are valid; {found} of them are unsafe in production"),
        });
        Ok(ExitCode::SUCCESS)
    }
}
