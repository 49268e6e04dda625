//! `countersign keys …`: management of signing keys. A running server applies a change of the keys within 2 s. After a
//! change of the passphrase, it must be restarted.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};

use super::runtime::block_on;
use super::{confirm, print, secret_input};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::key_ring::KeyRing;
use crate::domain::algorithm::Algorithm;
use crate::domain::audit::Operator;
use crate::domain::duration;
use crate::domain::key::{Key, KeyPolicy};
use crate::domain::secret::SecretBytes;
use crate::domain::time::Timestamp;
use crate::issuer::keys::{
    AddedKeys, ChangedPassphrase, Import, KeyContext, KeyStore, KeysError, List, Prune, RenewSecret, RenewedSecret,
    Revoke, Rotate, SetPassphrase,
};
use crate::keys::KeySource;
use crate::random::Random;

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
    /// Encrypt every private key and `keys/secret` with a new passphrase, or store them unencrypted
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
    /// Replace `keys/secret`: end all sessions and links, and seal provider tokens and e-mails again; stop the server first
    RenewSecret {
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
    /// Store the private keys and `keys/secret` unencrypted
    #[arg(long)]
    remove: bool,
}

impl KeysCommand {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let clock = Clock::system();
        let source = KeySource::Folder(app::key_folder(config, clock.clone(), Random::System));
        match self {
            Self::List { json } => list(&load(&source)?, clock.now(), json)?,
            Self::Rotate { alg: AlgorithmSelection(alg), now } => {
                let rotate = Rotate { alg, at_once: now, by: Operator::CommandLine };
                let added = run(config, source, clock, async |context| rotate.run(context).await)?;
                report_rotation(&added, now)?;
            }
            Self::Import(import) => import.run(config, source, clock)?,
            Self::Passphrase(passphrase) => passphrase.run(config, source, clock)?,
            Self::Export { kid, format } => export(&load(&source)?, &kid, format)?,
            Self::Revoke { kid, yes } => {
                confirm::confirm(yes, "Verifiers will reject every token that this key signed.")?;
                revoke(config, source, clock, kid)?;
            }
            Self::RenewSecret { yes } => {
                confirm::confirm(
                    yes,
                    "All users will be signed out, and all links and codes in e-mails will be invalid.",
                )?;
                renew_secret(config, &source, &clock)?;
            }
            Self::Prune => {
                let removed = run(config, source, clock, async |context| Prune.run(context).await)?;
                for key in &removed {
                    print::data(key.kid.as_str())?;
                }
                print::message(format!("Removed keys: {}.", removed.len()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs a use case with the database, if it exists.
fn run<T>(
    config: &Config,
    source: KeySource,
    clock: Clock,
    work: impl AsyncFnOnce(&KeyContext) -> Result<T, KeysError>,
) -> Result<T> {
    let store = match app::open_existing_store(config) {
        Ok(store) => store.map_or(KeyStore::Missing, KeyStore::Open),
        Err(error) => KeyStore::Unopened(format!("{error:#}")),
    };
    let context = KeyContext::of_command(Arc::new(source), clock, app::key_times(config), store);
    block_on(async {
        let outcome = work(&context).await;
        context.close().await;
        Ok(outcome?)
    })
}

/// Loads the ring and prints its warnings.
fn load(source: &KeySource) -> Result<KeyRing> {
    let ring = List.run(source)?;
    for warning in ring.warnings() {
        print::warn(warning);
    }
    Ok(ring)
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

/// Prints the new keys of a rotation or an import.
fn report_rotation(added: &AddedKeys, at_once: bool) -> Result<()> {
    match &added.policy {
        None => {
            print::message("Created one active key for each algorithm in keys.algorithms. The keys sign immediately.");
        }
        Some(policy) => {
            for key in &added.keys {
                report_new_key(key, at_once, policy)?;
            }
        }
    }
    warn_unrecorded(added.unrecorded.as_deref());
    Ok(())
}

/// Prints when a new key starts signing. The id of the key goes to stdout, for scripts. The wait is counted from the
/// creation date of the key and not from the current time, because generating the key took time.
fn report_new_key(key: &Key, at_once: bool, policy: &KeyPolicy) -> Result<()> {
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
    fn run(self, config: &Config, source: KeySource, clock: Clock) -> Result<()> {
        let operation = || format!("cannot import {}", self.file.display());
        let bytes = secret_input::file(&self.file).with_context(operation)?;
        let pem = SecretBytes::new(bytes.to_vec());
        let encrypted = String::from_utf8_lossy(&bytes).contains("BEGIN ENCRYPTED PRIVATE KEY");
        let passphrase = match (&self.passphrase_file, encrypted) {
            (Some(file), _) => Some(secret_input::passphrase_file(file)?),
            (None, true) => Some(secret_input::passphrase(&self.file)?),
            (None, false) => None,
        };
        let import = Import { pem, passphrase, at_once: self.now, by: Operator::CommandLine };
        let added = run(config, source, clock, async |context| import.run(context).await);
        let added = added.map_err(|error| match error.downcast_ref() {
            Some(KeysError::Change(_)) => error.context(operation()),
            _ => error,
        });
        report_rotation(&added?, self.now)
    }
}

impl PassphraseArgs {
    fn run(self, config: &Config, source: KeySource, clock: Clock) -> Result<()> {
        let new = self.new_file.as_deref().map(secret_input::passphrase_file).transpose()?;
        let removed = new.is_none();
        let change = SetPassphrase { new, by: Operator::CommandLine };
        let changed = run(config, source, clock, async |context| change.run(context).await)?;
        let ChangedPassphrase { rewritten, unrecorded } = changed;
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
        warn_unrecorded(unrecorded.as_deref());
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

fn revoke(config: &Config, source: KeySource, clock: Clock, kid: String) -> Result<()> {
    let on_default_settings = Some(
        (|error| {
            print::warn(format!("{:#}; using the default settings", anyhow::Error::from(error)));
        }) as fn(KeysError),
    );
    let revoke = Revoke { kid, by: Operator::CommandLine, on_default_settings };
    let revocation = run(config, source, clock, async |context| revoke.run(context).await)?;
    let revoked = &revocation.revoked;
    print::message(format!("Revoked key {} and removed it from the JWKS.", revoked.key.kid));
    if let Some(successor) = &revoked.successor {
        print::message(format!("{} key {} signs now instead.", successor.alg, successor.kid));
    }
    print::hint(format!(
        "verifiers accept tokens of the revoked key until they refetch the JWKS, for up to {} if they respect max-age",
        duration::compact(revocation.policy.jwks_max_age)
    ));
    warn_unrecorded(revocation.unrecorded.as_deref());
    Ok(())
}

fn renew_secret(config: &Config, source: &KeySource, clock: &Clock) -> Result<()> {
    let store = app::open_existing_store(config)?;
    let exclusive = store.as_ref().map(|_| app::exclude_servers(config)).transpose()?;
    let renew = RenewSecret { by: Operator::CommandLine };
    let renewed = block_on(async {
        let renewed = renew.run(source, store.as_ref(), clock, &Random::System).await;
        if let Some(store) = &store {
            store.close().await;
        }
        Ok(renewed?)
    });
    drop(exclusive);
    let RenewedSecret { sessions, tokens, mails, unreadable } = renewed?;
    print::message(format!(
        "Renewed the secret. Ended sessions: {sessions}. Sealed again: {tokens} provider tokens, {mails} e-mails."
    ));
    if unreadable > 0 {
        print::warn(format!(
            "{unreadable} provider tokens or e-mails cannot be decrypted; they were sealed with an older secret"
        ));
    }
    print::hint("access tokens stay valid at resource servers until they expire; users sign in again");
    Ok(())
}

fn warn_unrecorded(unrecorded: Option<&str>) {
    if let Some(error) = unrecorded {
        print::warn(format!("the change is not in the audit log: {error}"));
    }
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
