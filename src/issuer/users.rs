//! What an operator does with users.

use super::{Issuer, Refusal};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::claims::Claims;
use crate::domain::field::Field;
use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::domain::session::EndReason;
use crate::domain::user::{Login, User};
use crate::store::{StoreError, Write};

/// Finds a user by name or address.
pub async fn find(issuer: &Issuer, name: &str) -> Result<Option<User>, Refusal> {
    let login = Login::new(name);
    issuer.store.read(move |tx| tx.user_by_login(&login)).await.map_err(|error: StoreError| error.into())
}

/// An operator's change to a user.
#[derive(Debug)]
pub enum Change {
    /// Ends all sessions and lets nobody in until [`Change::Enable`].
    Disable,
    /// Lets the user in again.
    Enable,
    /// Sets the password and ends all sessions.
    SetPassword(Password),
    /// Sets the claims that the user's next tokens carry.
    SetClaims(Claims),
    /// Deletes the user and all that is known of them but the audit log's lines.
    Delete,
}

impl Change {
    /// Carries the change out. Refuses a password the policy refuses.
    pub async fn run(self, user: &User, issuer: &Issuer) -> Result<(), Refusal> {
        let (id, now) = (user.id, issuer.clock.now());
        let record = move |tx: &dyn Write, action, detail: String| {
            tx.record(&AuditEntry { at: now, action, user: Some(id), actor: None, address: None, detail })
        };
        let ended = |count: usize| format!("{count} sessions ended");
        let done = match self {
            Self::Disable => {
                let disabled: Result<usize, StoreError> = issuer
                    .store
                    .write(move |tx| {
                        tx.set_active(id, false)?;
                        let count = tx.end_sessions_of(id, None, now, EndReason::Disabled)?;
                        record(tx, Action::Disabled, ended(count)).map(|()| count)
                    })
                    .await;
                disabled.map(|count| issuer.counted_ended(count))
            }
            Self::Enable => {
                let change = move |tx: &dyn Write| {
                    tx.set_active(id, true)?;
                    record(tx, Action::Enabled, String::new())
                };
                issuer.store.write(change).await
            }
            Self::SetPassword(password) => return set_password(issuer, user, password).await,
            Self::SetClaims(claims) => {
                let change = move |tx: &dyn Write| {
                    tx.set_claims(id, &claims)?;
                    record(tx, Action::ClaimsSet, claims.to_json())
                };
                issuer.store.write(change).await
            }
            Self::Delete => {
                let change = move |tx: &dyn Write| {
                    tx.delete_user(id)?;
                    record(tx, Action::Deleted, String::new())
                };
                issuer.store.write(change).await
            }
        };
        done.map_err(|error: StoreError| error.into())
    }
}

async fn set_password(issuer: &Issuer, user: &User, password: Password) -> Result<(), Refusal> {
    let checked = issuer.policy.passwords.check(&password, &[user.username.as_str()]);
    checked.map_err(|problem| Refusal::invalid(Field::Password, problem))?;
    let hash = issuer.hash_password(password).await?;
    let (id, at): (UserId, _) = (user.id, issuer.clock.now());
    let change = move |tx: &dyn Write| {
        tx.set_password(id, &hash, false)?;
        let count = tx.end_sessions_of(id, None, at, EndReason::Operator)?;
        let detail = format!("{count} sessions ended");
        tx.record(&AuditEntry { at, action: Action::PasswordSet, user: Some(id), actor: None, address: None, detail })?;
        Ok(count)
    };
    let ended: Result<usize, StoreError> = issuer.store.write(change).await;
    issuer.counted_ended(ended?);
    Ok(())
}
