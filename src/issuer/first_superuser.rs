//! Creates the first superuser: through a link that works while no superuser exists, or from `[admin]` in the settings.

use std::time::Duration;

use super::admin::sign_in::NewSession;
use super::context::{Caller, Issuer};
use super::refusal::Refusal;
use super::register::{Register, insert};
use crate::domain::browser_session::BrowserToken;
use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, NewUser, Username};
use crate::store::Write;

/// How long a link is valid.
const LINK_VALID_FOR: Duration = Duration::from_hours(24);
/// The purpose of the sealed links. It is part of their associated data.
const PURPOSE: &str = "admin/welcome";

/// Why the first superuser was not created.
#[derive(Debug, thiserror::Error)]
pub enum FirstSuperuserError {
    /// The link was changed, or was made by another issuer.
    #[error("the link is invalid")]
    InvalidLink,
    /// The link is at least 24 h old.
    #[error("the link has expired")]
    ExpiredLink,
    /// The link was used, or an earlier start of the server printed it.
    #[error("the link was used, or belongs to an earlier start of the server")]
    SpentLink,
    /// A superuser exists already.
    #[error("a superuser exists already")]
    NotNeeded,
    /// A refusal that the creation of any user can get.
    #[error("{}", refusal_message(.0))]
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for FirstSuperuserError {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Describes a refusal to the operator.
fn refusal_message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid(problems) => {
            let messages: Vec<_> =
                problems.iter().map(|(field, problem)| format!("the {} {problem}", field.name())).collect();
            messages.join(", and ")
        }
        Refusal::Taken(field) => {
            format!("another user has that {}; choose another, or make that user a superuser", field.name())
        }
        Refusal::Fault(fault) => fault.to_string(),
        Refusal::Busy(_) => "the database or the hashing pool is busy; start the server again".to_owned(),
        // Creating an account from the settings returns no other refusal.
        other => format!("{other:?}"),
    }
}

/// Whether a superuser exists.
pub async fn has_superuser(issuer: &Issuer) -> Result<bool, Refusal> {
    issuer.store.read(|tx| Ok(tx.any_superuser()?)).await
}

/// Returns the token of a link that creates the first superuser. The link is valid for 24 h, and only until it is used
/// or the server stops. `None` if a superuser exists.
pub async fn link_token(issuer: &Issuer) -> Result<Option<String>, FirstSuperuserError> {
    if has_superuser(issuer).await? {
        return Ok(None);
    }
    let until = issuer.clock.now() + LINK_VALID_FOR;
    let content = [&until.unix().to_be_bytes()[..], &issuer.welcome_links.start()].concat();
    Ok(Some(issuer.browser_keys.seal_link(PURPOSE, &content, &issuer.random)))
}

/// Checks whether a link can create a superuser now.
pub async fn check_link(issuer: &Issuer, token: &str) -> Result<(), FirstSuperuserError> {
    let opened = issuer.browser_keys.open_link(PURPOSE, token).ok_or(FirstSuperuserError::InvalidLink)?;
    let (until, start) = opened.expose().split_first_chunk().ok_or(FirstSuperuserError::InvalidLink)?;
    let until = i64::from_be_bytes(*until);
    if *start != issuer.welcome_links.start() {
        return Err(FirstSuperuserError::SpentLink);
    }
    if issuer.clock.now() >= Timestamp::from_unix(until) {
        return Err(FirstSuperuserError::ExpiredLink);
    }
    if has_superuser(issuer).await? {
        return Err(FirstSuperuserError::NotNeeded);
    }
    if issuer.welcome_links.is_used() { Err(FirstSuperuserError::SpentLink) } else { Ok(()) }
}

/// A request to create the first superuser, from the person who opened the link.
#[derive(Debug)]
pub struct CreateFirstSuperuser<'a> {
    /// The token of the link.
    pub token: &'a str,
    /// The account to create.
    pub account: FirstAccount,
    /// The caller.
    pub from: Caller,
}

/// The first superuser's account.
#[derive(Clone, Debug)]
pub struct FirstAccount {
    /// The name to sign in with.
    pub username: Username,
    /// The address for e-mails.
    pub email: Email,
    /// The password, not yet checked.
    pub password: Password,
}

impl CreateFirstSuperuser<'_> {
    /// Creates the superuser and opens a session in the admin zone.
    pub async fn run(self, issuer: &Issuer) -> Result<BrowserToken, FirstSuperuserError> {
        check_link(issuer, self.token).await?;
        let user = self.account.prepare(issuer).await?;
        let address = Some(self.from.address);
        let (token, session) = NewSession::of(issuer, UserId(0), self.from);
        issuer
            .store
            .write(move |tx| {
                check_none_exists(tx)?;
                let user = insert(tx, &user, address)?;
                Ok::<_, FirstSuperuserError>(session.open(tx, user.id)?)
            })
            .await?;
        issuer.welcome_links.set_used();
        Ok(token)
    }
}

impl FirstAccount {
    /// Creates the superuser from the settings, without a session.
    pub async fn run(self, issuer: &Issuer) -> Result<(), FirstSuperuserError> {
        if has_superuser(issuer).await? {
            return Err(FirstSuperuserError::NotNeeded);
        }
        let user = self.prepare(issuer).await?;
        issuer
            .store
            .write(move |tx| {
                check_none_exists(tx)?;
                insert(tx, &user, None)?;
                Ok(())
            })
            .await
    }

    async fn prepare(self, issuer: &Issuer) -> Result<NewUser, Refusal> {
        let Self { username, email, password } = self;
        Register { username, password, email: Some(email), from: None, is_superuser: true }.prepare(issuer).await
    }
}

/// Checks that no superuser exists, in the transaction that creates one. If two callers use the link at the same time,
/// only one succeeds.
fn check_none_exists(tx: &dyn Write) -> Result<(), FirstSuperuserError> {
    if tx.any_superuser()? { Err(FirstSuperuserError::NotNeeded) } else { Ok(()) }
}
