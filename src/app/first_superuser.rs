//! Creates the first superuser of `[admin]`, or a link that creates one.

use anyhow::{Context as _, Result};

use crate::config::Config;
use crate::domain::password::Password;
use crate::issuer::first_superuser::{self, FirstAccount, FirstSuperuserError};
use crate::issuer::{Issuer, Refusal};

/// The state of the first superuser after a start.
#[derive(Debug)]
pub enum FirstSuperuser {
    /// A superuser exists.
    Exists,
    /// A superuser exists, so `[admin]` was ignored.
    Ignored,
    /// The superuser of `[admin]` was created, with this name.
    Created(String),
    /// No superuser exists. This link creates one and is valid for 24 h.
    Link(String),
    /// Unknown, because the database is unavailable or the server is busy. The caller must try again.
    Unknown,
}

/// If no superuser exists, creates the superuser of `[admin]`, or a link that creates one.
pub async fn first_superuser(config: &Config, issuer: &Issuer) -> Result<FirstSuperuser> {
    let Some(admin) = &config.admin else {
        let token = match first_superuser::link_token(issuer).await {
            Err(FirstSuperuserError::Refused(Refusal::Busy(_))) => return Ok(FirstSuperuser::Unknown),
            token => token.context("looking for a superuser")?,
        };
        let link = |token| config.server.public_url.join(&format!("/admin/welcome?token={token}"));
        return Ok(token.map_or(FirstSuperuser::Exists, |token| FirstSuperuser::Link(link(token))));
    };
    let account = FirstAccount {
        username: admin.username.clone(),
        email: admin.email.clone(),
        password: Password::new(admin.password.expose().to_owned()),
    };
    match account.run(issuer).await {
        Ok(()) => Ok(FirstSuperuser::Created(admin.username.to_string())),
        Err(FirstSuperuserError::NotNeeded) => Ok(FirstSuperuser::Ignored),
        Err(FirstSuperuserError::Refused(Refusal::Busy(busy))) => {
            busy.log();
            Ok(FirstSuperuser::Unknown)
        }
        Err(error) => Err(error).context("creating the superuser of [admin]"),
    }
}
