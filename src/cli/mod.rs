//! The command line: what was typed, carried out by the same use cases that serve requests.
//!
//! Data goes to stdout, speech to stderr. A command is done (0), refused or failed (1), or was typed wrongly (2).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::app;
use crate::config::Config;
use crate::http::openapi;
use crate::store::Store;

mod audit;
mod backup;
mod check;
mod confirm;
mod keys;
pub mod print;
mod refusal;
mod secret_input;
mod serve;
mod settings;
mod token;
mod users;

/// Where the help of each command shows the options that all of them have.
const EVERYWHERE: &str = "Options of every command";

/// An asymmetric-key token issuer: users, signed JWTs, rotating keys, and a JWKS to verify by.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, arg_required_else_help = true)]
pub struct Cli {
    /// The settings file, instead of countersign.toml in the working directory
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    config: Option<PathBuf>,
    /// A setting for this call alone, like --set server.listen=127.0.0.1:9000
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value, help_heading = EVERYWHERE)]
    settings: Vec<(String, String)>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT: register, sign in, renew, publish keys
    Serve(serve::ServeArgs),
    /// List, rotate, import, export and revoke signing keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Create, show and change users
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Mint, inspect and verify tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// List and change runtime settings
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// Show the audit log, newest first
    Audit(audit::AuditArgs),
    /// Copy the database and the keys into a new folder, while the server runs
    Backup(backup::BackupArgs),
    /// Put a backup's database and keys where there are none
    Restore(backup::RestoreArgs),
    /// Print the description of every route (OpenAPI 3.1)
    Openapi,
    /// Check the configuration, the keys and the templates without serving
    Check(check::CheckArgs),
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Runs the command that was typed.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; both print themselves where they belong.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match cli.execute() {
        Ok(code) => code,
        Err(error) => {
            print::error(format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    fn execute(self) -> Result<ExitCode> {
        let mut flags = self.settings;
        if let Command::Serve(serve) = &self.command {
            flags.extend(serve.flags());
        }
        let config = Config::from_process(self.config, flags)?;
        match self.command {
            Command::Serve(_) => serve::ServeArgs::run(config),
            Command::Keys(command) => command.run(&config),
            Command::Users(command) => command.run(&config),
            Command::Token(command) => command.run(&config),
            Command::Settings(command) => command.run(&config),
            Command::Audit(command) => command.run(&config),
            Command::Backup(command) => command.run(&config),
            Command::Restore(command) => command.run(&config),
            Command::Openapi => {
                print::json(&openapi::document(&config.dialects.enabled, config.server.public_url.as_str()))?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Check(command) => command.run(&config),
        }
    }
}

/// The database, for a command that only reads: where there is none, none is made, and what is read is empty.
fn existing_store(config: &Config) -> Result<Option<Store>> {
    let store = app::open_existing_store(config)?;
    if store.is_none() {
        print::hint("there is no database here yet (see --config, or start with `countersign serve`)");
    }
    Ok(store)
}

/// A runtime for commands that ask the store; one thread is enough.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
