//! The first superuser: by a link that is good while there is none, or by the settings.

use std::time::Duration;

use super::admin::sign_in::NewSession;
use super::register::{Register, insert};
use super::{Caller, Issuer, Refusal};
use crate::domain::admin_session::AdminToken;
use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, NewUser, Username};
use crate::store::{StoreError, Write};

/// How long a link is good for.
const GOOD_FOR: Duration = Duration::from_hours(24);
/// What the links are sealed for.
const PURPOSE: &str = "admin/welcome";

/// Why there is no first superuser now.
#[derive(Debug, thiserror::Error)]
pub enum FirstSuperuserError {
    /// The link was changed on its way, or made by another issuer.
    #[error("the link is not whole")]
    WrongLink,
    /// The link is over a day old.
    #[error("the link is over a day old")]
    OldLink,
    /// There is a superuser: this way in is closed.
    #[error("there is a superuser")]
    NotNeeded,
    /// As for any account.
    #[error("{}", refusal_message(.0))]
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for FirstSuperuserError {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// A refusal in an operator's words.
fn refusal_message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid(problems) => {
            let told: Vec<_> =
                problems.iter().map(|(field, problem)| format!("the {} {problem}", field.name())).collect();
            told.join(", and ")
        }
        Refusal::Taken(field) => {
            format!("another user has that {}: choose another, or make that user the superuser", field.name())
        }
        Refusal::Fault(fault) => fault.to_string(),
        Refusal::Busy { .. } => "the database or the hashing pool is busy: start once more".to_owned(),
        // Nothing else can come of making an account by an operator's word.
        other => format!("{other:?}"),
    }
}

/// Whether there is any superuser.
pub async fn has_superuser(issuer: &Issuer) -> Result<bool, StoreError> {
    issuer.store.read(|tx| tx.any_superuser()).await
}

/// What a link carries by which the first superuser is made, within a day; None where there is a superuser.
pub async fn link_token(issuer: &Issuer) -> Result<Option<String>, StoreError> {
    if has_superuser(issuer).await? {
        return Ok(None);
    }
    let until = issuer.clock.now() + GOOD_FOR;
    Ok(Some(issuer.admin.seal_link(PURPOSE, &until.unix().to_be_bytes(), &issuer.random)))
}

/// Whether the link would make a superuser now.
pub async fn check_link(issuer: &Issuer, token: &str) -> Result<(), FirstSuperuserError> {
    let opened = issuer.admin.open_link(PURPOSE, token).ok_or(FirstSuperuserError::WrongLink)?;
    let until = opened.expose().try_into().map(i64::from_be_bytes).map_err(|_| FirstSuperuserError::WrongLink)?;
    if issuer.clock.now() >= Timestamp::from_unix(until) {
        return Err(FirstSuperuserError::OldLink);
    }
    if has_superuser(issuer).await? { Err(FirstSuperuserError::NotNeeded) } else { Ok(()) }
}

/// Somebody followed the link.
#[derive(Debug)]
pub struct CreateFirstSuperuser<'a> {
    /// What it carried.
    pub token: &'a str,
    /// Who they are to be.
    pub account: FirstAccount,
    /// From where.
    pub from: Caller,
}

/// The first superuser's account.
#[derive(Clone, Debug)]
pub struct FirstAccount {
    /// The name to sign in with.
    pub username: Username,
    /// Where mails go.
    pub email: Email,
    /// The password, not yet checked.
    pub password: Password,
}

impl CreateFirstSuperuser<'_> {
    /// Makes the superuser and opens a session in the admin zone.
    pub async fn run(self, issuer: &Issuer) -> Result<AdminToken, FirstSuperuserError> {
        check_link(issuer, self.token).await?;
        let user = self.account.prepare(issuer).await?;
        let address = Some(self.from.address);
        let session = NewSession::of(issuer, UserId(0), self.from);
        issuer
            .store
            .write(move |tx| {
                free(tx)?;
                let user = insert(tx, &user, address)?;
                Ok(session.open(tx, user.id)?)
            })
            .await
    }
}

impl FirstAccount {
    /// Makes the superuser by the word of the settings, without a session.
    pub async fn run(self, issuer: &Issuer) -> Result<(), FirstSuperuserError> {
        if has_superuser(issuer).await? {
            return Err(FirstSuperuserError::NotNeeded);
        }
        let user = self.prepare(issuer).await?;
        issuer
            .store
            .write(move |tx| {
                free(tx)?;
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

/// In the transaction that makes a superuser: of two who follow the link at once, one is the first.
fn free(tx: &dyn Write) -> Result<(), FirstSuperuserError> {
    if tx.any_superuser()? { Err(FirstSuperuserError::NotNeeded) } else { Ok(()) }
}
