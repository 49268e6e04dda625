//! `countersign token …`: mint, inspect and verify a token.

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use serde_json::{Value, json};

use super::runtime::block_on;
use super::{print, refusal, secret_input};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::token::{TokenFault, UnverifiedToken};
use crate::domain::dialect::{self, Dialect};
use crate::domain::time::Timestamp;
use crate::domain::token_kind::TokenKind;
use crate::issuer::mint::{MintTokens, MintedTokens};
use crate::issuer::users;
use crate::random::Random;

/// The help text of `--profile`.
fn profile_help() -> String {
    format!("Use the lifetimes and claims of this dialect: {}", dialect::names())
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Open a session for a user and print its access token
    Mint {
        /// The user, by name or e-mail address
        #[arg(long, value_name = "NAME")]
        user: String,
        #[arg(long, value_name = "DIALECT", default_value = "jwt_issuer", help = profile_help())]
        profile: Dialect,
        /// Print JSON: the access token, its expiry and, if the dialect has one, the refresh token
        #[arg(long)]
        json: bool,
    },
    /// Print the header and the claims of a token without verifying it
    Inspect {
        /// The token, or - to read it from standard input
        token: String,
    },
    /// Verify an access token of this issuer as a resource server does, and print its claims
    Verify {
        /// The token, or - to read it from standard input
        token: String,
    },
}

impl TokenCommand {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        match self {
            Self::Mint { user, profile, json } => mint(config, &user, profile, json)?,
            Self::Inspect { token } => inspect(&read(token)?)?,
            Self::Verify { token } => verify(config, &read(token)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(token: String) -> Result<String> {
    Ok(if token == "-" { secret_input::stdin_line()?.trim().to_owned() } else { token })
}

fn mint(config: &Config, name: &str, dialect: Dialect, json: bool) -> Result<()> {
    block_on(async {
        app::refuse_migration_under_server(config)?;
        let issuer = app::build(config, Clock::system(), Random::System).await?;
        let user = users::find(&issuer, name).await.map_err(refusal::error_from_refusal)?;
        let Some(user) = user else { bail!("there is no user `{name}`; see `countersign users list`") };
        let MintedTokens { access, refresh } =
            MintTokens { user, dialect }.run(&issuer).await.map_err(refusal::error_from_denied)?;
        if json {
            let mut tokens = json!({"access": access.text.expose(), "expires_at": access.expires_at});
            if let Some(refresh) = &refresh {
                tokens["refresh"] = refresh.expose().into();
            }
            return Ok(print::json(&tokens)?);
        }
        print::data(access.text.expose())?;
        print::message(format!("Valid until {}, issued by {}.", access.expires_at, issuer.policy.tokens.issuer));
        if refresh.is_some() {
            print::hint("use --json to print the refresh token as well");
        }
        Ok(())
    })
}

/// Prints any JWT, even one that Countersign rejects, for example a token of a previous system.
fn inspect(token: &str) -> Result<()> {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let mut part = || parts.next().flatten().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (Some(header), Some(claims)) = (part(), part()) else {
        bail!("not a JWT; a JWT starts with a header and claims, both JSON in base64url, separated by a dot");
    };
    print::json(&json!({"header": header, "claims": claims}))?;
    let date = |name: &str| claims.get(name).and_then(Value::as_i64).map(Timestamp::from_unix);
    for (name, verb) in [("iat", "Issued"), ("exp", "Expires")] {
        if let Some(date) = date(name) {
            print::message(format!("{verb} at {date}."));
        }
    }
    match UnverifiedToken::parse(token) {
        Ok(_) => print::hint("the token was not verified; use `countersign token verify`"),
        Err(fault) => print::warn(format!("Countersign rejects this token: {fault}")),
    }
    Ok(())
}

fn verify(config: &Config, token: &str) -> Result<()> {
    block_on(async {
        let issuer = app::build_verifier(config, Clock::system(), Random::System).await?;
        let verified = issuer.verify(token, TokenKind::Access).map_err(|fault| match fault {
            TokenFault::Issuer => anyhow!(
                "invalid token: {fault}; with the settings of this command the issuer is {}, and a server started with \
                 other settings or --listen has another issuer",
                issuer.policy.tokens.issuer
            ),
            TokenFault::UnknownKey => anyhow!("invalid token: {fault}; `countersign keys list` prints the known keys"),
            _ => anyhow!("invalid token: {fault}"),
        })?;
        print::json(verified.claims())?;
        print::message("The signature and the claims are valid.");
        Ok(())
    })
}
