//! `countersign check`: prints the settings, and checks the templates, the providers, the TLS certificate, the database
//! and the keys, as `countersign serve` does at its start. It creates no database and no keys.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::print;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::key_ring::KeyRing;
use crate::domain::finding::Finding;
use crate::domain::time::Timestamp;
use crate::issuer::keys::next_rotations;
use crate::keys::{KeySource, LoadedRing};
use crate::random::Random;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Also list what is unsafe in production
    #[arg(long)]
    deploy: bool,
    /// Like --deploy, but fail if anything is unsafe in production
    #[arg(long)]
    strict: bool,
}

impl CheckArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        print::data(&config.in_force())?;
        app::check(config)?;
        let clock = Clock::system();
        match KeySource::Folder(app::key_folder(config, clock.clone(), Random::System)).load() {
            Ok(LoadedRing { ring, .. }) => report_keys(config, &ring, clock.now()),
            Err(error) if error.is_empty() => print::message("There are no keys yet. The first start creates them."),
            Err(error) => return Err(error.into()),
        }
        let found = if self.deploy || self.strict {
            report_findings(config)?
        } else {
            config.warnings.iter().for_each(print_finding);
            0
        };
        print::message(match found {
            0 => "The settings are valid.".to_owned(),
            count => format!("The settings are valid. Unsafe in production: {count}."),
        });
        Ok(if self.strict && found > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn report_keys(config: &Config, ring: &KeyRing, now: Timestamp) {
    for warning in ring.warnings() {
        print::warn(warning);
    }
    print::message(format!(
        "The key ring is valid: every private key can be read, signs and verifies. Keys: {}.",
        ring.schedule().keys().len()
    ));
    for (alg, next) in next_rotations(ring.schedule(), &app::key_times(config), config.keys.rotate_every, now) {
        print::message(match next {
            Some(next) if next.created_at <= now => {
                format!("Next rotation of {alg}: the next key is published and signs from {}.", next.signs_from)
            }
            Some(next) => format!(
                "Next rotation of {alg}: the server creates the next key at {}. It signs from {}.",
                next.created_at, next.signs_from
            ),
            None => format!("No rotation of {alg} is planned, because keys.rotate_every is \"never\"."),
        });
    }
}

fn print_finding(finding: &Finding) {
    print::warn(format!("{}: {}; {}", finding.setting, finding.condition, finding.consequence));
    print::hint(&finding.fix);
}

/// Prints what is unsafe in production, and returns the number of findings.
fn report_findings(config: &Config) -> Result<usize> {
    let (found, is_complete) = app::deploy_findings(config)?;
    found.iter().for_each(print_finding);
    if !is_complete {
        print::warn("the runtime settings and the users were not checked; the next start migrates the database first");
    }
    Ok(found.len())
}
