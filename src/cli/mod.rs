//! The command line. Its commands run the same use cases as HTTP requests.
//!
//! Data goes to stdout, messages to stderr. Exit codes: 0 success, 1 failure, 2 invalid arguments.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::http;
use crate::http::openapi::document::document;
use crate::telemetry::print_warnings;

mod audit;
mod backup;
mod check;
mod confirm;
mod core_dumps;
mod existing_store;
mod healthcheck;
mod keys;
mod mail;
pub mod print;
mod refusal;
mod runtime;
mod secret_input;
mod serve;
mod sessions;
mod settings;
mod token;
mod users;

/// The heading of the options that every command has, in the help texts.
const GLOBAL: &str = "Options of every command";

/// Manage users, issue signed JWTs with rotating keys, and publish the JWKS that verifies them.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, arg_required_else_help = true)]
pub struct Cli {
    /// Read this settings file instead of countersign.toml in the working directory
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// Override a setting for this command, for example --set server.listen=127.0.0.1:9000
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value, help_heading = GLOBAL)]
    settings: Vec<(String, String)>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the HTTP APIs, the JWKS and the admin zone until SIGTERM or SIGINT
    Serve(serve::ServeArgs),
    /// List, rotate, import, export, revoke and prune signing keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Create, show and change users
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// List and end sessions
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
    /// Mint, inspect and verify tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// List and change runtime settings
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// Test the delivery of e-mails
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Show the audit log, newest first
    Audit(audit::AuditArgs),
    /// Back up the database and the keys into a new folder, also while the server runs
    Backup(backup::BackupArgs),
    /// Restore the database and the keys from a backup, without overwriting anything
    Restore(backup::RestoreArgs),
    /// Print the OpenAPI 3.1 document of every route
    Openapi,
    /// Ask the running server whether it is ready; for containers
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Check the configuration, the keys and the templates without starting the server
    Check(check::CheckArgs),
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("use the form KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    // Before the settings are read, because they contain secrets too.
    if let Err(error) = core_dumps::disable() {
        print::warn(format!("cannot disable core dumps, which would contain private keys: {error}; set ulimit -c 0"));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap also reports help and version as errors. It prints each to the correct stream.
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
        match &self.command {
            Command::Serve(serve) => flags.extend(serve.flags()),
            Command::Healthcheck(healthcheck) => flags.extend(healthcheck.flags()),
            _ => {}
        }
        let config = Config::from_process(self.config, flags)?;
        if !matches!(self.command, Command::Serve(_)) {
            print_warnings(print::WARNING);
        }
        match self.command {
            Command::Serve(_) => serve::ServeArgs::run(config),
            Command::Keys(command) => command.run(&config),
            Command::Users(command) => command.run(&config),
            Command::Sessions(command) => command.run(&config),
            Command::Token(command) => command.run(&config),
            Command::Settings(command) => command.run(&config),
            Command::Mail(command) => command.run(&config),
            Command::Audit(command) => command.run(&config),
            Command::Backup(command) => command.run(&config),
            Command::Restore(command) => command.run(&config),
            Command::Openapi => {
                let route_groups = http::route_groups(&config.dialects.enabled);
                print::json(&document(&route_groups, config.server.public_url.as_str()))?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Healthcheck(_) => healthcheck::HealthcheckArgs::run(&config),
            Command::Check(command) => command.run(&config),
        }
    }
}
