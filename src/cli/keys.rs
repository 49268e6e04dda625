//! `countersign keys …`: what an operator does with signing keys. A running server takes it up within 2 s.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use super::{block_on, confirm, print, secret_input};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::key_dir::{KeyDir, KeyDirError, RevokedKey};
use crate::crypto::key_ring::KeyRing;
use crate::domain::algorithm::Algorithm;
use crate::domain::audit::{Action, Operator};
use crate::domain::key::{Key, KeyPolicy};
use crate::domain::limit::span;
use crate::domain::secret::SecretBytes;
use crate::domain::setting::Settings;
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
    /// Publish a new key now and let it sign once every verifier knows it
    Rotate {
        /// Which algorithm's key to rotate
        #[arg(long, value_name = "ES256|RS256|all", default_value = "all", value_parser = algorithms)]
        alg: AlgorithmSelection,
        /// Let the new key sign at once; verifiers with a cached JWKS may refuse its tokens for a while
        #[arg(long)]
        now: bool,
    },
    /// Bring a private key of your own (PKCS#8, PKCS#1 or SEC1 PEM), scheduled as a rotation is
    Import(KeyImportArgs),
    /// Encrypt every private key with another passphrase, or with none
    Passphrase(PassphraseArgs),
    /// Print the public half of a key
    Export {
        /// The key's id, or the beginning of it
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// The form to print it in
        #[arg(long, value_enum, default_value_t = KeyFormat::Pem)]
        format: KeyFormat,
    },
    /// Take a key out of the JWKS at once: verifiers refuse what it signed as soon as they fetch the JWKS anew
    Revoke {
        /// The key's id, or the beginning of it
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Don't ask at a terminal whether it is meant
        #[arg(long)]
        yes: bool,
    },
    /// Forget retired and revoked keys that no refresh token can need any more
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
    /// SPKI PEM
    Pem,
    /// A JWK
    Jwk,
    /// A self-signed X.509 certificate in PEM
    Certificate,
}

#[derive(Debug, Args)]
pub struct KeyImportArgs {
    /// The private key's file
    file: PathBuf,
    /// A file that holds its passphrase, if it is encrypted; asked for otherwise
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Let the key sign at once; verifiers with a cached JWKS may refuse its tokens for a while
    #[arg(long)]
    now: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PassphraseArgs {
    /// A file that holds the new passphrase
    #[arg(long, value_name = "FILE")]
    new_file: Option<PathBuf>,
    /// Store the keys in clear
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
                let made = rotate(&folder, alg, now, &policy(config, &folder)?)?;
                record_audit(config, clock.now(), Action::KeyRotated, made.iter().map(new_key_detail).collect());
            }
            Self::Import(import) => {
                let key = import.run(config, &folder)?;
                record_audit(config, clock.now(), Action::KeyRotated, vec![new_key_detail(&key)]);
            }
            Self::Passphrase(passphrase) => passphrase.run(&mut folder)?,
            Self::Export { kid, format } => export(&open(&folder)?, &kid, format)?,
            Self::Revoke { kid, yes } => {
                confirm::confirm(yes, "Verifiers will refuse what this key signed.")?;
                // A stolen key goes on signing while the database is mended: it must go, whatever the settings are.
                let policy = policy(config, &folder).or_else(|error| {
                    print::warn(format!("{error:#}: going by the default settings"));
                    without_settings(config, &folder)
                });
                let done = revoke(&folder, &kid, &policy?)?;
                record_audit(config, clock.now(), Action::KeyRevoked, vec![revoked_key_detail(&done)]);
            }
            Self::Prune => prune(config, &folder, clock.now())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn open(folder: &KeyDir) -> Result<KeyRing> {
    let ring = folder.open()?;
    for warning in ring.warnings() {
        print::warn(warning.to_string());
    }
    Ok(ring)
}

/// The spans of a rotation where nobody can tell what tokens need: no publication that was planned is shortened.
fn without_settings(config: &Config, folder: &KeyDir) -> Result<KeyPolicy> {
    let planned = match folder.schedule() {
        Ok(schedule) => schedule.keys().iter().filter_map(|key| key.published_until).max(),
        Err(KeyDirError::Empty(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(KeyPolicy { promised_until: planned, ..app::key_policy(config, &Settings::default()) })
}

/// The spans of a rotation, by the runtime settings where there is a database already.
fn policy(config: &Config, folder: &KeyDir) -> Result<KeyPolicy> {
    let Some(store) = app::open_existing_store(config)? else { return without_settings(config, folder) };
    let settings = block_on(async { settings::load(&store).await.context("reading the runtime settings") })?;
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

/// Makes the first keys where there are none yet; where something is in the way of that, says what.
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
        print::message("the folder had no keys: made one active key of each algorithm, which sign at once");
        return Ok(ring.schedule().keys().to_vec());
    }
    let made = folder.rotate(alg, at_once, policy)?;
    for key in &made {
        report_rotation(key, at_once, policy)?;
    }
    Ok(made)
}

/// Says when a new key will sign: the key's id goes to stdout, for scripts. By its own dates, as making it took time.
fn report_rotation(key: &Key, at_once: bool, policy: &KeyPolicy) -> Result<()> {
    print::data(key.kid.as_str())?;
    if key.signs_from > key.created_at {
        let wait = rounded(key.signs_from.since(key.created_at));
        print::message(format!(
            "{} key {} is published; it signs from {} (in {wait})",
            key.alg, key.kid, key.signs_from
        ));
        return Ok(());
    }
    print::message(format!("{} key {} is published and signs at once", key.alg, key.kid));
    if at_once {
        print::warn(format!(
            "verifiers that cached the JWKS and do not refetch on an unknown kid may refuse its tokens, for up to {} where they \
             keep to max-age, longer where they do not; tokens of the key before stay good until {}",
            span(policy.jwks_max_age),
            policy.published_until(key.created_at),
        ));
    }
    Ok(())
}

/// A wait in the largest unit of which there are two or more, rounded up.
fn rounded(wait: Duration) -> String {
    let seconds = wait.as_secs();
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let found = units.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    found.map_or_else(|| format!("{seconds} seconds"), |(unit, name)| format!("{} {name}", seconds.div_ceil(unit)))
}

impl KeyImportArgs {
    fn run(self, config: &Config, folder: &KeyDir) -> Result<Key> {
        let doing = || format!("importing {}", self.file.display());
        let bytes = Zeroizing::new(std::fs::read(&self.file).with_context(doing)?);
        let pem = SecretBytes::new(bytes.to_vec());
        let encrypted = String::from_utf8_lossy(&bytes).contains("BEGIN ENCRYPTED PRIVATE KEY");
        let passphrase = match (&self.passphrase_file, encrypted) {
            (Some(file), _) => Some(secret_input::passphrase_file(file)?),
            (None, true) => Some(secret_input::passphrase(&self.file)?),
            (None, false) => None,
        };
        first_start(folder)?;
        let policy = policy(config, folder)?;
        let key = folder.import(&pem, passphrase.as_ref(), self.now, &policy).with_context(doing)?;
        report_rotation(&key, self.now, &policy)?;
        Ok(key)
    }
}

impl PassphraseArgs {
    fn run(self, folder: &mut KeyDir) -> Result<()> {
        let new = self.new_file.as_deref().map(secret_input::passphrase_file).transpose()?;
        let removed = new.is_none();
        let rewritten = folder.set_passphrase(new)?;
        print::message(format!("private keys rewritten{}: {rewritten}", if removed { " in clear" } else { "" }));
        print::hint(if removed {
            "take keys.passphrase out of the settings and restart the server: until then new keys are encrypted with it"
        } else {
            "set keys.passphrase (or COUNTERSIGN_KEYS__PASSPHRASE_FILE) to the new one and restart the server: until then \
             it can't sign with a new key"
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
    let done = folder.revoke(kid, policy)?;
    print::message(format!("key {} is revoked and out of the JWKS", done.key.kid));
    if let Some(successor) = &done.successor {
        print::message(format!("{} key {} signs in its place, at once", successor.alg, successor.kid));
    }
    print::hint(format!(
        "verifiers go on accepting its tokens until they refetch the JWKS: up to {} where they keep to max-age",
        span(policy.jwks_max_age)
    ));
    Ok(done)
}

/// Tells the audit log, where there is a database. What was done to the keys stands, whatever becomes of the line.
fn record_audit(config: &Config, now: Timestamp, action: Action, details: Vec<String>) {
    let entries: Vec<_> =
        details.into_iter().map(|told| Operator::CommandLine.entry(now, action, None, told)).collect();
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
        print::warn(format!("the audit log could not be told: {error:#}"));
    }
}

fn prune(config: &Config, folder: &KeyDir, now: Timestamp) -> Result<()> {
    let doing = "looking for sessions that need old keys";
    let needed_since = match app::open_existing_store(config)? {
        Some(store) => block_on(async { keys::needed_since(&store, now).await.context(doing) })?,
        None => None,
    };
    let forgotten = folder.prune(needed_since)?;
    for key in &forgotten {
        print::data(key.kid.as_str())?;
    }
    print::message(format!("keys forgotten: {}", forgotten.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn a_key_id_may_begin_with_a_hyphen() {
        let asked_for = Cli::try_parse_from(["countersign", "keys", "revoke", "--yes", "-GBKoReH34"]);
        assert!(asked_for.is_ok(), "{asked_for:?}");
        for kid in ["-GBKoReH34", "-hGBKoReH34", "--BKoReH34", "--helpful"] {
            for command in ["revoke", "export"] {
                let parsed = Cli::try_parse_from(["countersign", "keys", command, kid]);
                assert!(parsed.is_ok(), "{command} {kid}: {parsed:?}");
            }
        }
    }
}
