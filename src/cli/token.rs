//! `countersign token …`: making a token by hand, and looking at one.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{block_on, print, refusal, secret_input};
use crate::app;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::token::{TokenFault, UnverifiedToken};
use crate::domain::dialect::Dialect;
use crate::domain::time::Timestamp;
use crate::issuer::mint::Mint;
use crate::issuer::users;

/// Not a comment on the argument: the names are to be typed as they stand, without the quotes of a comment.
const PROFILE: &str =
    "Whose lifetimes and claims the token has: jwt_issuer, rest_jwt, rest_social, drf_pyjwt or simplejwt";

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Open a session for a user and print an access token of it
    Mint {
        /// The user, by name or address
        #[arg(long, value_name = "NAME")]
        user: String,
        #[arg(long, value_name = "DIALECT", default_value = "jwt_issuer", help = PROFILE)]
        profile: Dialect,
    },
    /// Show what a token says, without verifying it
    Inspect {
        /// The token, or - to read it from standard input
        token: String,
    },
    /// Verify an access token of ours as a resource server would, and print its claims
    Verify {
        /// The token, or - to read it from standard input
        token: String,
    },
}

impl Token {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        match self {
            Self::Mint { user, profile } => mint(config, &user, profile)?,
            Self::Inspect { token } => inspect(&read(token)?)?,
            Self::Verify { token } => verify(config, &read(token)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(token: String) -> Result<String> {
    Ok(if token == "-" { secret_input::stdin_line()?.trim().to_owned() } else { token })
}

fn mint(config: &Config, name: &str, dialect: Dialect) -> Result<()> {
    block_on(async {
        let issuer = app::build(config, Clock::system(), Chance::System).await?;
        let user = users::find(&issuer, name).await.map_err(refusal::words)?;
        let Some(user) = user else { bail!("there is no user `{name}`: see `countersign users list`") };
        let token = Mint { user, dialect }.run(&issuer).await.map_err(refusal::words)?;
        print::data(token.text.expose())?;
        print::say(format!("good until {}, issued by {}", token.expires_at, issuer.policy.issuer));
        Ok(())
    })
}

fn inspect(token: &str) -> Result<()> {
    let read = UnverifiedToken::parse(token).context("inspecting the token: no verifier of ours would take it")?;
    // As it stands: what was read of it is in the form in which it is compared.
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default())?;
    let header: Value = serde_json::from_slice(&header)?;
    print::json(&json!({"header": header, "claims": read.claims}))?;
    let date = |name: &str| read.claims.get(name).and_then(Value::as_i64).map(Timestamp::from_unix);
    for (name, words) in [("iat", "issued"), ("exp", "expires")] {
        if let Some(date) = date(name) {
            print::say(format!("{words} {date}"));
        }
    }
    print::hint("nothing was verified: use `countersign token verify`");
    Ok(())
}

fn verify(config: &Config, token: &str) -> Result<()> {
    block_on(async {
        let issuer = app::build(config, Clock::system(), Chance::System).await?;
        let verified = issuer.verify_access(token).map_err(|fault| match fault {
            TokenFault::Issuer => anyhow!(
                "the token is {fault}: by the settings of this call the issuer is {} (a server that was started with other \
                 settings, or --listen, is another)",
                issuer.policy.issuer
            ),
            _ => anyhow!("the token is {fault}"),
        })?;
        print::json(verified.claims())?;
        print::say("the signature and the claims are good");
        Ok(())
    })
}
