//! `countersign token …`: making a token by hand, and looking at one.

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{block_on, print, refusal, secret_input};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::token::{TokenFault, UnverifiedToken};
use crate::domain::dialect::Dialect;
use crate::domain::time::Timestamp;
use crate::issuer::mint::{MintTokens, MintedTokens};
use crate::issuer::users;
use crate::random::Random;

/// Not a comment on the argument: the names are to be typed as they stand, without the quotes of a comment.
const PROFILE: &str =
    "Whose lifetimes and claims the token has: jwt_issuer, rest_jwt, rest_social, drf_pyjwt or simplejwt";

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Open a session for a user and print an access token of it
    Mint {
        /// The user, by name or address
        #[arg(long, value_name = "NAME")]
        user: String,
        #[arg(long, value_name = "DIALECT", default_value = "jwt_issuer", help = PROFILE)]
        profile: Dialect,
        /// Print JSON: the access token, when it expires and, where the dialect has one, the refresh token
        #[arg(long)]
        json: bool,
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
        let issuer = app::build(config, Clock::system(), Random::System).await?;
        let user = users::find(&issuer, name).await.map_err(refusal::refusal_error)?;
        let Some(user) = user else { bail!("there is no user `{name}`: see `countersign users list`") };
        let MintedTokens { access, refresh } =
            MintTokens { user, dialect }.run(&issuer).await.map_err(refusal::refusal_error)?;
        if json {
            let mut tokens = json!({"access": access.text.expose(), "expires_at": access.expires_at});
            if let Some(refresh) = &refresh {
                tokens["refresh"] = refresh.expose().into();
            }
            return Ok(print::json(&tokens)?);
        }
        print::data(access.text.expose())?;
        print::message(format!("good until {}, issued by {}", access.expires_at, issuer.policy.issuer));
        if refresh.is_some() {
            print::hint("its refresh token is printed with --json");
        }
        Ok(())
    })
}

/// Shows any JWS as it stands, also one that nobody here would take: a token of the system before, for one.
fn inspect(token: &str) -> Result<()> {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let mut part = || parts.next().flatten().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (Some(header), Some(claims)) = (part(), part()) else {
        bail!("this is no JWT: it needs a header and claims, JSON in base64url with a dot between them");
    };
    print::json(&json!({"header": header, "claims": claims}))?;
    let date = |name: &str| claims.get(name).and_then(Value::as_i64).map(Timestamp::from_unix);
    for (name, words) in [("iat", "issued"), ("exp", "expires")] {
        if let Some(date) = date(name) {
            print::message(format!("{words} {date}"));
        }
    }
    match UnverifiedToken::parse(token) {
        Ok(_) => print::hint("nothing was verified: use `countersign token verify`"),
        Err(fault) => print::warn(format!("no verifier of ours would take it: {fault}")),
    }
    Ok(())
}

fn verify(config: &Config, token: &str) -> Result<()> {
    block_on(async {
        let issuer = app::build(config, Clock::system(), Random::System).await?;
        let verified = issuer.verify_access(token).map_err(|fault| match fault {
            TokenFault::Issuer => anyhow!(
                "the token is not good: {fault}: by the settings of this call the issuer is {} (a server that was started with other \
                 settings, or --listen, is another)",
                issuer.policy.issuer
            ),
            TokenFault::UnknownKey => anyhow!("the token is not good: {fault} (`countersign keys list` has ours)"),
            _ => anyhow!("the token is not good: {fault}"),
        })?;
        print::json(verified.claims())?;
        print::message("the signature and the claims are good");
        Ok(())
    })
}
