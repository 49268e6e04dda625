//! `countersign keys …`: management of signing keys. A running server applies a change of the keys within 2 s. After a
//! change of the passphrase, it must be restarted.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use super::runtime::block_on;
use super::{confirm, print, secret_input};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::key_dir::{KeyDir, KeyDirError, RevokedKey};
use crate::crypto::key_ring::KeyRing;
use crate::domain::algorithm::Algorithm;
use crate::domain::audit::{Action, Operator};
use crate::domain::duration;
use crate::domain::key::{Key, KeyPolicy};
use crate::domain::secret::SecretBytes;
use crate::domain::setting::snapshot::Settings;
use crate::domain::time::Timestamp;
use crate::issuer::admin::keys::{new_key_detail, revoked_key_detail};
use crate::issuer::{keys, settings};
use crate::random::Random;
use crate::store::StoreError;

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List all keys with their states and dates
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Publish new keys now; they start signing after `keys.publish_ahead`, so that verifiers can fetch them first
    Rotate {
        /// Rotate only the key of this algorithm
        #[arg(long, value_name = "ES256|RS256|all", default_value = "all", value_parser = algorithms)]
        alg: AlgorithmSelection,
        /// Let the new keys sign immediately; verifiers with a cached JWKS may reject their tokens for a while
        #[arg(long)]
        now: bool,
    },
    /// Import a private key (PKCS#8, PKCS#1 or SEC1 PEM); it starts signing after `keys.publish_ahead`
    Import(KeyImportArgs),
    /// Encrypt every private key with a new passphrase, or store the keys unencrypted
    Passphrase(PassphraseArgs),
    /// Print a public key
    Export {
        /// The id of the key, or a unique prefix of at least 4 characters
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Print the key in this format
        #[arg(long, value_enum, default_value_t = KeyFormat::Pem)]
        format: KeyFormat,
    },
    /// Remove a key from the JWKS immediately; verifiers reject its tokens after they refetch the JWKS
    Revoke {
        /// The id of the key, or a unique prefix of at least 4 characters
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Do not ask for confirmation at a terminal
        #[arg(long)]
        yes: bool,
    },
    /// Remove revoked keys, and retired keys that cannot have signed a refresh token of a live session
    Prune,
}

/// One algorithm or all of them.
#[derive(Clone, Copy, Debug)]
pub struct AlgorithmSelection(Option<Algorithm>);

fn algorithms(text: &str) -> Result<AlgorithmSelection, String> {
    if text == "all" {
        return Ok(AlgorithmSelection(None));
    }
    text.parse().map(|alg| AlgorithmSelection(Some(alg))).map_err(|_| "use ES256, RS256 or all".to_owned())
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeyFormat {
    /// Print an SPKI PEM
    Pem,
    /// Print a JWK
    Jwk,
    /// Print a self-signed X.509 certificate in PEM
    Certificate,
}

#[derive(Debug, Args)]
pub struct KeyImportArgs {
    /// Read the private key from this file
    file: PathBuf,
    /// Read the passphrase of an encrypted key from this file; without it, prompt for the passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Let the key sign immediately; verifiers with a cached JWKS may reject its tokens for a while
    #[arg(long)]
    now: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PassphraseArgs {
    /// Read the new passphrase from this file
    #[arg(long, value_name = "FILE")]
    new_file: Option<PathBuf>,
    /// Store the private keys unencrypted
    #[arg(long)]
    remove: bool,
}

impl KeysCommand {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let clock = Clock::system();
        let mut folder = app::key_dir(config, clock.clone(), Random::System);
        match self {
            Self::List { json } => list(&open(&folder)?, clock.now(), json)?,
            Self::Rotate { alg: AlgorithmSelection(alg), now } => {
                let created = rotate(&folder, alg, now, &policy(config, &folder)?)?;
                record_audit(config, clock.now(), Action::KeyRotated, created.iter().map(new_key_detail).collect());
            }
            Self::Import(import) => {
                let key = import.run(config, &folder)?;
                record_audit(config, clock.now(), Action::KeyRotated, vec![new_key_detail(&key)]);
            }
            Self::Passphrase(passphrase) => passphrase.run(&mut folder)?,
            Self::Export { kid, format } => export(&open(&folder)?, &kid, format)?,
            Self::Revoke { kid, yes } => {
                confirm::confirm(yes, "Verifiers will reject every token that this key signed.")?;
                // The database may be unavailable while an attacker uses a stolen key, so revoking must not need
                // the runtime settings.
                let policy = policy(config, &folder).or_else(|error| {
                    print::warn(format!("{error:#}; using the default settings"));
                    policy_without_settings(config, &folder)
                });
                let revoked = revoke(&folder, &kid, &policy?)?;
                record_audit(config, clock.now(), Action::KeyRevoked, vec![revoked_key_detail(&revoked)]);
            }
            Self::Prune => prune(config, &folder, clock.now())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn open(folder: &KeyDir) -> Result<KeyRing> {
    let ring = folder.open()?;
    for warning in ring.warnings() {
        print::warn(warning);
    }
    Ok(ring)
}

/// Returns the key policy for the default runtime settings. Every key stays published at least as long as planned,
/// because issued tokens may still need it.
fn policy_without_settings(config: &Config, folder: &KeyDir) -> Result<KeyPolicy> {
    let planned = match folder.schedule() {
        Ok(schedule) => schedule.keys().iter().filter_map(|key| key.published_until).max(),
        Err(KeyDirError::Empty(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(KeyPolicy { promised_until: planned, ..app::key_policy(config, &Settings::default()) })
}

/// Returns the key policy, from the runtime settings if the database exists.
fn policy(config: &Config, folder: &KeyDir) -> Result<KeyPolicy> {
    let Some(store) = app::open_existing_store(config)? else { return policy_without_settings(config, folder) };
    let settings = block_on(async { settings::load(&store).await.context("cannot read the runtime settings") })?;
    Ok(app::key_policy(config, &settings))
}

fn list(ring: &KeyRing, now: Timestamp, json: bool) -> Result<()> {
    let keys = ring.schedule().keys();
    if json {
        return Ok(print::json(&keys.iter().map(|key| key.listed(now)).collect::<Vec<_>>())?);
    }
    let date = |date: Option<Timestamp>| date.map_or_else(|| "-".to_owned(), |date| date.to_string());
    let row = |key: &Key| {
        vec![
            key.kid.to_string(),
            key.alg.to_string(),
            key.state(now).to_string(),
            date(Some(key.signs_from)),
            date(key.signs_until),
            date(key.revoked_at.or(key.published_until)),
        ]
    };
    let headers = ["KID", "ALG", "STATE", "SIGNS FROM", "SIGNS UNTIL", "PUBLISHED UNTIL"];
    Ok(print::table(&headers, &keys.iter().map(row).collect::<Vec<_>>())?)
}

/// Creates the first keys if the folder is empty. Returns `None` if the folder has a `ring.json`, or if it cannot be
/// opened for another reason, which the next operation of the caller then reports.
///
/// # Errors
/// The folder has other files but no `ring.json`, or the keys cannot be written.
fn first_start(folder: &KeyDir) -> Result<Option<KeyRing>> {
    match folder.open() {
        Err(KeyDirError::Empty(_) | KeyDirError::RingMissing { .. } | KeyDirError::NotEmpty { .. }) => {
            Ok(Some(folder.start()?))
        }
        _ => Ok(None),
    }
}

fn rotate(folder: &KeyDir, alg: Option<Algorithm>, at_once: bool, policy: &KeyPolicy) -> Result<Vec<Key>> {
    if let Some(ring) = first_start(folder)? {
        print::message("Created one active key for each algorithm. The keys sign immediately.");
        return Ok(ring.schedule().keys().to_vec());
    }
    let created = folder.rotate(alg, at_once, policy)?;
    for key in &created {
        report_rotation(key, at_once, policy)?;
    }
    Ok(created)
}

/// Prints when a new key starts signing. The id of the key goes to stdout, for scripts. The wait is counted from the
/// creation date of the key and not from the current time, because generating the key took time.
fn report_rotation(key: &Key, at_once: bool, policy: &KeyPolicy) -> Result<()> {
    print::data(key.kid.as_str())?;
    if key.signs_from > key.created_at {
        let wait = duration::rounded_up(key.signs_from.since(key.created_at));
        print::message(format!("Published {} key {}. It signs from {} (in {wait}).", key.alg, key.kid, key.signs_from));
        return Ok(());
    }
    print::message(format!("Published {} key {}. It signs immediately.", key.alg, key.kid));
    if at_once {
        print::warn(format!(
            "verifiers that cached the JWKS and do not refetch it on an unknown kid may reject new tokens for \
             up to {}, or longer if they ignore max-age; the previous key stays published until {}",
            duration::compact(policy.jwks_max_age),
            policy.published_until(key.created_at),
        ));
    }
    Ok(())
}

impl KeyImportArgs {
    fn run(self, config: &Config, folder: &KeyDir) -> Result<Key> {
        let operation = || format!("cannot import {}", self.file.display());
        let bytes = Zeroizing::new(std::fs::read(&self.file).with_context(operation)?);
        let pem = SecretBytes::new(bytes.to_vec());
        let encrypted = String::from_utf8_lossy(&bytes).contains("BEGIN ENCRYPTED PRIVATE KEY");
        let passphrase = match (&self.passphrase_file, encrypted) {
            (Some(file), _) => Some(secret_input::passphrase_file(file)?),
            (None, true) => Some(secret_input::passphrase(&self.file)?),
            (None, false) => None,
        };
        first_start(folder)?;
        let policy = policy(config, folder)?;
        let key = folder.import(&pem, passphrase.as_ref(), self.now, &policy).with_context(operation)?;
        report_rotation(&key, self.now, &policy)?;
        Ok(key)
    }
}

impl PassphraseArgs {
    fn run(self, folder: &mut KeyDir) -> Result<()> {
        let new = self.new_file.as_deref().map(secret_input::passphrase_file).transpose()?;
        let removed = new.is_none();
        let rewritten = folder.set_passphrase(new)?;
        print::message(if removed {
            format!("Private keys now stored unencrypted: {rewritten}.")
        } else {
            format!("Private keys now encrypted with the new passphrase: {rewritten}.")
        });
        print::hint(if removed {
            "remove keys.passphrase from the settings and restart the server; until then new keys are encrypted with it"
        } else {
            "set keys.passphrase (or COUNTERSIGN_KEYS__PASSPHRASE_FILE) to the new passphrase and restart the server; \
             until then the server cannot sign with new keys"
        });
        Ok(())
    }
}

fn export(ring: &KeyRing, kid: &str, format: KeyFormat) -> Result<()> {
    let key = ring.find(kid)?;
    match format {
        KeyFormat::Pem => print::data(key.spki_pem())?,
        KeyFormat::Jwk => print::json(key.jwk())?,
        KeyFormat::Certificate => print::data(key.certificate_pem())?,
    }
    Ok(())
}

fn revoke(folder: &KeyDir, kid: &str, policy: &KeyPolicy) -> Result<RevokedKey> {
    let revoked = folder.revoke(kid, policy)?;
    print::message(format!("Revoked key {} and removed it from the JWKS.", revoked.key.kid));
    if let Some(successor) = &revoked.successor {
        print::message(format!("{} key {} signs now instead.", successor.alg, successor.kid));
    }
    print::hint(format!(
        "verifiers accept tokens of the revoked key until they refetch the JWKS, for up to {} if they respect max-age",
        duration::compact(policy.jwks_max_age)
    ));
    Ok(revoked)
}

/// Records the change in the audit log if the database exists. A failure is only a warning, because the keys have
/// already been changed.
fn record_audit(config: &Config, now: Timestamp, action: Action, details: Vec<String>) {
    let entries: Vec<_> =
        details.into_iter().map(|detail| Operator::CommandLine.entry(now, action, None, detail)).collect();
    let written = || -> Result<()> {
        let Some(store) = app::open_existing_store(config)? else { return Ok(()) };
        block_on(async {
            let recorded: Result<(), StoreError> =
                store.write(move |tx| entries.iter().try_for_each(|entry| tx.record(entry))).await;
            store.close().await;
            Ok(recorded?)
        })
    };
    if let Err(error) = written() {
        print::warn(format!("the change is not in the audit log: {error:#}"));
    }
}

fn prune(config: &Config, folder: &KeyDir, now: Timestamp) -> Result<()> {
    let operation = "cannot read the sessions that need old keys";
    let needed_since = match app::open_existing_store(config)? {
        Some(store) => block_on(async { keys::needed_since(&store, now).await.context(operation) })?,
        None => None,
    };
    let removed = folder.prune(needed_since)?;
    for key in &removed {
        print::data(key.kid.as_str())?;
    }
    print::message(format!("Removed keys: {}.", removed.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn a_key_id_may_begin_with_a_hyphen() {
        let revoke = Cli::try_parse_from(["countersign", "keys", "revoke", "--yes", "-GBKoReH34"]);
        assert!(revoke.is_ok(), "{revoke:?}");
        for kid in ["-GBKoReH34", "-hGBKoReH34", "--BKoReH34", "--helpful"] {
            for command in ["revoke", "export"] {
                let parsed = Cli::try_parse_from(["countersign", "keys", command, kid]);
                assert!(parsed.is_ok(), "{command} {kid}: {parsed:?}");
            }
        }
    }
}
