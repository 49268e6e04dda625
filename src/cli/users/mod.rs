//! `countersign users …`.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::find::find;
use super::existing_store::existing_store;
use super::runtime::block_on;
use super::{confirm, print, refusal, secret_input};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::claims::Claims;
use crate::domain::field::FieldProblem;
use crate::domain::social::ProviderName;
use crate::domain::user::{Email, User, Username};
use crate::issuer::operator_email;
use crate::issuer::register::Register;
use crate::issuer::users::UserChange;
use crate::random::Random;
use crate::store::StoreError;

mod dump;
mod email;
mod export;
mod find;
mod import;
mod pages;
mod set;
mod source;
mod text_format;

#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// Create a user; prompts for the password, or reads it with --password-stdin
    Create(UserCreateArgs),
    /// List users
    List {
        /// List only users whose user name, e-mail address, or given and family name contain this text
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one user
    Show {
        /// The user, by name or e-mail address
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Disable a user and end all sessions of the user
    Disable {
        /// The user, by name or e-mail address
        name: String,
    },
    /// Enable a disabled user
    Enable {
        /// The user, by name or e-mail address
        name: String,
    },
    /// Send a user the e-mail with the link that confirms the address
    SendConfirmation {
        /// The user, by name or e-mail address
        name: String,
    },
    /// Confirm the address that a user requested, or else mark the current one as verified
    ConfirmEmail {
        /// The user, by name or e-mail address
        name: String,
    },
    /// Set the password of a user and end all sessions of the user
    SetPassword {
        /// The user, by name or e-mail address
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set the superuser right or the e-mail address of a user
    Set(set::UserSetArgs),
    /// Unlink accounts at providers, so that they no longer open the account of a user
    Unlink {
        /// The user, by name or e-mail address
        name: String,
        /// The provider, such as google; without it, every provider
        provider: Option<String>,
    },
    /// Set the additional claims in the tokens of a user
    SetClaims {
        /// The user, by name or e-mail address
        name: String,
        /// A JSON object; {} removes all claims
        #[arg(value_name = "JSON")]
        claims: String,
    },
    /// Delete a user permanently
    Delete {
        /// The user, by name or e-mail address
        name: String,
        /// Do not ask for confirmation at a terminal
        #[arg(long)]
        yes: bool,
    },
    /// Import users from JSON lines or a Django database; safe to interrupt and repeat
    Import(import::UserImportArgs),
    /// Export all users as JSON lines, in the format that import reads
    Export(export::UserExportArgs),
}

#[derive(Debug, Args)]
pub struct UserCreateArgs {
    /// The user name
    name: String,
    /// The e-mail address
    #[arg(long)]
    email: String,
    /// Make the user a superuser, who can use the admin zone
    #[arg(long)]
    superuser: bool,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

impl UsersCommand {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        match self {
            Self::Create(create) => create.run(config)?,
            Self::List { search, json } => list(config, search.as_deref(), json)?,
            Self::Show { name, json } => show(config, &name, json)?,
            Self::Disable { name } => {
                change(config, &name, UserChange::Disable, |user| format!("Disabled {user} and ended all sessions."))?;
            }
            Self::Enable { name } => change(config, &name, UserChange::Enable, |user| format!("Enabled {user}."))?,
            Self::SendConfirmation { name } => email::send_confirmation(config, &name)?,
            Self::ConfirmEmail { name } => email::confirm(config, &name)?,
            Self::SetPassword { name, password_stdin } => {
                let password = secret_input::new_password(password_stdin)?;
                change(config, &name, UserChange::SetPassword(password), |user| {
                    format!("Set the password of {user} and ended all sessions.")
                })?;
            }
            Self::Set(set) => set.run(config)?,
            Self::Unlink { name, provider } => {
                let provider = provider.map(|name| ProviderName::parse(&name)).transpose();
                let provider = provider.map_err(|problem| anyhow!("cannot unlink: {problem}"))?;
                change(config, &name, UserChange::Unlink(provider), |user| {
                    format!("Unlinked {user}. The accounts at the provider no longer open this user's account.")
                })?;
            }
            Self::SetClaims { name, claims } => {
                let claims = Claims::parse(&claims)?;
                change(config, &name, UserChange::SetClaims(claims), |user| {
                    format!("Set the claims of {user}. New tokens contain them.")
                })?;
            }
            Self::Delete { name, yes } => {
                confirm::confirm(yes, &format!("This deletes {name} permanently."))?;
                change(config, &name, UserChange::Delete, |user| format!("Deleted {user}."))?;
            }
            Self::Import(import) => return import.run(config),
            Self::Export(export) => export.run(config)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl UserCreateArgs {
    fn run(self, config: &Config) -> Result<()> {
        let invalid = |field: &str, problem: FieldProblem| anyhow!("cannot create the user: {field} {problem}");
        let username = Username::parse(&self.name).map_err(|problem| invalid("the name", problem))?;
        let email = Email::parse(&self.email).map_err(|problem| invalid("--email", problem))?;
        let password = secret_input::new_password(self.password_stdin)?;
        let register = Register { username, password, email: Some(email), from: None, is_superuser: self.superuser };
        block_on(async {
            let issuer = app::build_for_users(config, Clock::system(), Random::System).await?;
            let user =
                register.run(&issuer).await.map_err(refusal::error_from_refusal).context("cannot create the user")?;
            print::data(&user.id.to_string())?;
            let kind = if user.is_superuser { "superuser" } else { "user" };
            print::message(format!("Created {kind} {} with id {}.", user.username, user.id));
            Ok(())
        })
    }
}

/// Changes a user and prints the message that `done` returns for the user name.
fn change(config: &Config, name: &str, change: UserChange, done: impl Fn(&Username) -> String) -> Result<()> {
    block_on(async {
        let issuer = app::build_for_users(config, Clock::system(), Random::System).await?;
        let user = find(&issuer, name).await?;
        change
            .run(&user, &issuer)
            .await
            .map_err(refusal::error_from_denied)
            .with_context(|| format!("cannot change {}", user.username))?;
        print::message(done(&user.username));
        Ok(())
    })
}

fn list(config: &Config, text: Option<&str>, json: bool) -> Result<()> {
    let mut found: Vec<User> = Vec::new();
    let store = existing_store(config)?;
    block_on(async {
        let Some(store) = store else { return Ok(()) };
        pages::for_each_page(&store, text, |page| {
            found.extend(page);
            Ok(())
        })
        .await
    })?;
    if json {
        return Ok(print::json(&found.iter().map(user_json).collect::<Vec<_>>())?);
    }
    let name = |user: &User| format!("{} {}", user.first_name, user.last_name).trim().to_owned();
    // Many systems have no given and family names.
    let columns = if found.iter().all(|user| name(user).is_empty()) { 5 } else { 6 };
    let row = |user: &User| {
        let email = user.email.as_ref().map(ToString::to_string).unwrap_or_default();
        let last_login = user.last_login.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let mut row = vec![user.id.to_string(), user.username.to_string(), email, flags(user), last_login, name(user)];
        row.truncate(columns);
        row
    };
    let headers = ["ID", "USERNAME", "EMAIL", "FLAGS", "LAST LOGIN", "NAME"];
    print::table(&headers[..columns], &found.iter().map(row).collect::<Vec<_>>())?;
    print::message(format!("{} {}.", found.len(), if found.len() == 1 { "user" } else { "users" }));
    Ok(())
}

fn flags(user: &User) -> String {
    let known = [
        (!user.is_active, "disabled"),
        (user.is_superuser, "superuser"),
        (user.is_staff, "staff"),
        (user.must_change_password(), "temporary password"),
        (user.password.is_none(), "no password"),
    ];
    let set: Vec<&str> = known.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect();
    set.join(", ")
}

fn show(config: &Config, name: &str, json: bool) -> Result<()> {
    let user_and_sessions = block_on(async {
        let issuer = app::build_for_users(config, Clock::system(), Random::System).await?;
        let user = find(&issuer, name).await?;
        let id = user.id;
        let now = issuer.clock.now();
        let sessions = issuer.store.read(move |tx| tx.sessions_of(id, now)).await.map_err(|error: StoreError| error)?;
        let settings = issuer.settings();
        let sessions = sessions.iter().filter(|session| session.is_live(now, settings.policy_of(session))).count();
        Ok((user, sessions, operator_email::pending(&issuer, id).await?))
    });
    let (user, sessions, confirmation) = user_and_sessions?;
    let mut all = user_json(&user);
    let pending = confirmation.filter(|confirmation| confirmation.is_change(&user));
    all["pending_email"] = json!(pending.as_ref().map(|pending| pending.email.as_str()));
    all["pending_email_until"] = json!(pending.as_ref().map(|pending| pending.expires_at));
    all["live_sessions"] = Value::from(sessions);
    if json {
        return Ok(print::json(&all)?);
    }
    let Value::Object(fields) = all else { bail!("cannot show {name}: the user is not a JSON object") };
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<Vec<String>> = fields.iter().map(|(field, value)| vec![field.clone(), plain(value)]).collect();
    Ok(print::table(&["FIELD", "VALUE"], &rows)?)
}

/// Returns a user as JSON, without the password hash.
fn user_json(user: &User) -> Value {
    json!({
        "id": user.id,
        "sub": user.sub,
        "username": user.username.as_str(),
        "email": user.email.as_ref().map(Email::as_str),
        "email_verified": user.email_verified,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "is_active": user.is_active,
        "is_staff": user.is_staff,
        "is_superuser": user.is_superuser,
        "has_password": user.password.is_some(),
        "must_change_password": user.must_change_password(),
        "claims": user.claims,
        "date_joined": user.date_joined,
        "last_login": user.last_login,
    })
}
