//! An operator's changes to users.

use super::context::Issuer;
use super::denied::{Denied, OperatorRule};
use super::email_confirmation::new_name;
use super::end_sessions::{EndScope, end_sessions};
use super::kept_names::{check_name_free, keep_name};
use super::notices::Notices;
use super::refusal::Refusal;
use crate::domain::account_change::AccountChange;
use crate::domain::audit::{Action, Operator};
use crate::domain::claims::Claims;
use crate::domain::field::Field;
use crate::domain::id::UserId;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::reset_code::temporary_password;
use crate::domain::session::EndReason;
use crate::domain::setting::snapshot::Settings;
use crate::domain::social::ProviderName;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Login, RealName, User, Username};
use crate::store::{StoreError, Write};

/// Finds a user by user name or e-mail address.
pub async fn find(issuer: &Issuer, name: &str) -> Result<Option<User>, Refusal> {
    let login = Login::new(name);
    issuer.store.read(move |tx| tx.user_by_login(&login)).await.map_err(|error: StoreError| error.into())
}

/// An operator's change to a user.
#[derive(Debug)]
pub enum UserChange {
    /// Ends all sessions. The user cannot sign in until [`UserChange::Enable`].
    Disable,
    /// Allows the user to sign in again.
    Enable,
    /// Sets the password and ends all sessions.
    SetPassword(Password),
    /// Sets the claims that the user's next tokens carry.
    SetClaims(Claims),
    /// Sets the user name, the address and the real name, if they differ.
    Edit(Box<UserNames>),
    /// Sets the address or the superuser right, or both.
    Set(UserSet),
    /// Sets the staff and superuser flags. A user who is no longer a superuser loses all sessions of the admin zone.
    SetRights {
        /// Django's `is_staff`.
        is_staff: bool,
        /// Whether the user may enter the admin zone.
        is_superuser: bool,
    },
    /// Ends all sessions, including those of the admin zone.
    EndSessions,
    /// Unlinks the account at the provider; `None`: at every provider. A user without a password can then sign in only after
    /// a reset by e-mail.
    Unlink(Option<ProviderName>),
    /// Deletes the user and all of the user's data. The entries in the audit log stay. Their user name is removed, but
    /// their detail text is kept.
    Delete,
}

/// The new names and address of a user. Rights are separate, so that a form opened before a demotion cannot undo it.
#[derive(Clone, Debug)]
pub struct UserNames {
    /// The name to sign in with.
    pub username: Username,
    /// The address; `None` removes it. It takes effect at once.
    pub email: Option<Email>,
    /// Whether the operator states that the user owns the address, if it is a new one.
    pub email_verified: bool,
    /// The given name.
    pub first_name: RealName,
    /// The family name.
    pub last_name: RealName,
}

/// New values for some properties of a user. What is `None` stays unchanged.
#[derive(Clone, Debug, Default)]
pub struct UserSet {
    /// The address. A user name that is the former address changes with it.
    pub email: Option<Email>,
    /// Whether the user may enter the admin zone.
    pub is_superuser: Option<bool>,
}

/// The transaction of a change, with its user, operator and time.
struct ChangeContext<'a> {
    tx: &'a dyn Write,
    user: User,
    by: &'a Operator,
    settings: &'a Settings,
    notices: &'a Notices,
    now: Timestamp,
}

impl UserChange {
    /// Makes the change for the command line.
    pub async fn run(self, user: &User, issuer: &Issuer) -> Result<(), Denied> {
        self.run_as(&Operator::CommandLine, user.id, issuer).await
    }

    /// Makes the change for an operator. Refuses a password that breaks the policy. A superuser in the admin zone
    /// cannot remove the last superuser; the command line can, because it can also create another.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "a method's path accepts only one lifetime")]
    pub async fn run_as(self, by: &Operator, user: UserId, issuer: &Issuer) -> Result<(), Denied> {
        match self {
            Self::SetPassword(password) => {
                let found = issuer.store.read(move |tx| tx.user(user)).await;
                let found = found.map_err(|error: StoreError| Denied::from(error))?.ok_or(OperatorRule::NoUser)?;
                let checked = issuer.policy.passwords.check(&password, &[found.username.as_str()]);
                checked.map_err(|problem| Refusal::invalid(Field::Password, problem))?;
                let hash = issuer.hash_password(password).await?;
                apply(issuer, by, user, move |context| context.set_password(&hash, false)).await
            }
            Self::Disable => apply(issuer, by, user, |context| context.disable()).await,
            Self::Enable => apply(issuer, by, user, |context| context.enable().map(|()| 0)).await,
            Self::SetClaims(claims) => {
                apply(issuer, by, user, move |context| context.set_claims(&claims).map(|()| 0)).await
            }
            Self::Edit(edit) => apply(issuer, by, user, move |context| context.edit(&edit).map(|()| 0)).await,
            Self::Set(set) => apply(issuer, by, user, move |context| context.set(&set).map(|()| 0)).await,
            Self::SetRights { is_staff, is_superuser } => {
                apply(issuer, by, user, move |context| context.set_rights(is_staff, is_superuser).map(|()| 0)).await
            }
            Self::EndSessions => apply(issuer, by, user, |context| context.end_sessions()).await,
            Self::Unlink(provider) => {
                apply(issuer, by, user, move |context| context.unlink(provider.as_ref()).map(|()| 0)).await
            }
            Self::Delete => apply(issuer, by, user, |context| context.delete().map(|()| 0)).await,
        }
    }
}

/// An operator's request for a temporary password, which the user must change at the next sign-in.
#[derive(Debug)]
pub struct SetTemporaryPassword {
    /// The user.
    pub user: UserId,
    /// The operator.
    pub by: Operator,
}

impl SetTemporaryPassword {
    /// Sets the password and ends all sessions. Returns the password, which cannot be shown again.
    pub async fn run(self, issuer: &Issuer) -> Result<Password, Denied> {
        let password = temporary_password(issuer.random.bytes());
        let hash = issuer.hash_password(password.clone()).await?;
        apply(issuer, &self.by, self.user, move |context| context.set_password(&hash, true)).await?;
        Ok(password)
    }
}

/// Makes the change in one transaction. `act` returns the number of ended sessions, which is counted.
async fn apply(
    issuer: &Issuer,
    by: &Operator,
    user: UserId,
    act: impl Fn(&ChangeContext<'_>) -> Result<usize, Denied> + Send + 'static,
) -> Result<(), Denied> {
    let by = by.clone();
    let now = issuer.clock.now();
    let settings = issuer.settings();
    let notices = Notices::new(issuer);
    let ended: Result<usize, Denied> = issuer
        .store
        .write_for_user(user, move |tx| {
            let user = tx.user(user)?.ok_or(OperatorRule::NoUser)?;
            act(&ChangeContext { tx, user, by: &by, settings: &settings, notices: &notices, now })
        })
        .await;
    issuer.counted_ended(ended?);
    Ok(())
}

impl ChangeContext<'_> {
    fn record(&self, action: Action, detail: String) -> Result<(), Denied> {
        Ok(self.tx.record(&self.by.entry(self.now, action, Some(self.user.id), detail))?)
    }

    /// Queues the e-mail to the owner. Call it after the changes were recorded.
    fn notify(&self, changes: &[AccountChange]) -> Result<(), Denied> {
        Ok(self.notices.queue(self.tx, &self.user, changes)?)
    }

    /// Refuses if no other active superuser remains, unless the operator uses the command line.
    fn check_superuser_remains(&self) -> Result<(), Denied> {
        let is_active_superuser = self.user.is_superuser && self.user.is_active;
        let is_allowed =
            !is_active_superuser || *self.by == Operator::CommandLine || self.tx.other_superuser(self.user.id)?;
        if is_allowed { Ok(()) } else { Err(OperatorRule::LastSuperuser.into()) }
    }

    /// Ends all sessions of the user, except those of the admin zone. Returns how many.
    fn end_all(&self, reason: EndReason) -> Result<usize, StoreError> {
        end_sessions(self.tx, EndScope::OfUser { user: self.user.id, except: None }, reason, self.now)
    }

    fn disable(&self) -> Result<usize, Denied> {
        self.check_superuser_remains()?;
        self.tx.set_active(self.user.id, false)?;
        let count = self.end_all(EndReason::Disabled)?;
        self.record(Action::Disabled, ended_sessions_detail(count)).map(|()| count)
    }

    fn enable(&self) -> Result<(), Denied> {
        self.tx.set_active(self.user.id, true)?;
        self.record(Action::Enabled, String::new())
    }

    fn set_password(&self, hash: &PasswordHash, temporary: bool) -> Result<usize, Denied> {
        self.tx.set_password(self.user.id, hash, temporary.then_some(self.now))?;
        let count = self.end_all(EndReason::Operator)?;
        let kind = if temporary { "temporary password; " } else { "" };
        self.record(Action::PasswordSet, format!("{kind}{}", ended_sessions_detail(count)))?;
        self.notify(&[AccountChange::Password]).map(|()| count)
    }

    fn set_claims(&self, claims: &Claims) -> Result<(), Denied> {
        self.tx.set_claims(self.user.id, claims)?;
        self.record(Action::ClaimsSet, claims.to_json())
    }

    /// Ends the sessions of the admin zone too, because an attacker may have taken one over, and a requested change of
    /// the address, because an attacker may have requested it.
    fn end_sessions(&self) -> Result<usize, Denied> {
        let count = self.end_all(EndReason::Operator)? + self.tx.end_admin_sessions_of(self.user.id, None)?;
        self.tx.cancel_email_change(self.user.id)?;
        self.record(Action::SessionsEnded, ended_sessions_detail(count)).map(|()| count)
    }

    fn unlink(&self, provider: Option<&ProviderName>) -> Result<(), Denied> {
        let mut changes = Vec::new();
        for account in self.tx.social_accounts_of(self.user.id)? {
            if provider.is_none_or(|provider| *provider == account.provider) {
                self.tx.unlink_social_account(self.user.id, &account.provider)?;
                self.record(Action::SocialUnlinked, account.provider.to_string())?;
                changes.push(AccountChange::Unlinked(account.provider));
            }
        }
        if changes.is_empty() { Err(OperatorRule::NotLinked.into()) } else { self.notify(&changes) }
    }

    fn delete(&self) -> Result<(), Denied> {
        self.check_superuser_remains()?;
        keep_name(self.tx, &self.user, self.settings, self.now)?;
        self.tx.delete_user(self.user.id)?;
        self.record(Action::Deleted, String::new())
    }

    fn set(&self, set: &UserSet) -> Result<(), Denied> {
        if let Some(email) = &set.email {
            let username = new_name(&self.user, email).unwrap_or_else(|| self.user.username.clone());
            self.set_login_names(&username, Some(email), false)?;
        }
        set.is_superuser.map_or(Ok(()), |is_superuser| self.set_rights(self.user.is_staff, is_superuser))
    }

    fn edit(&self, edit: &UserNames) -> Result<(), Denied> {
        let checked = edit.username.check_against_email(edit.email.as_ref());
        checked.map_err(|problem| Refusal::invalid(Field::Username, problem))?;
        self.set_login_names(&edit.username, edit.email.as_ref(), edit.email_verified)?;
        let user = &self.user;
        let is_address = edit.email.as_ref().is_some_and(|email| email.key() == edit.username.key());
        if edit.username.as_str() != user.username.as_str() && !is_address {
            self.tx.set_has_username(user.id)?;
        }
        let first = edit.first_name.as_str();
        let last = edit.last_name.as_str();
        if (first, last) != (user.first_name.as_str(), user.last_name.as_str()) {
            self.tx.set_names(user.id, first, last)?;
            self.record(Action::NamesChanged, format!("{first} {last}").trim().to_owned())?;
        }
        Ok(())
    }

    /// Sets the address and the user name, if they differ.
    fn set_login_names(&self, username: &Username, email: Option<&Email>, is_verified: bool) -> Result<(), Denied> {
        let tx = self.tx;
        let user = &self.user;
        let mut changes = Vec::new();
        // Compares the written form and not the look-up key, because a change of case is a change.
        if email.map(Email::as_str) != user.email.as_ref().map(Email::as_str) {
            match email {
                Some(email) => tx.set_email(user.id, email)?,
                None => tx.remove_email(user.id)?,
            }
            self.record(Action::EmailChanged, email.map_or("none", Email::as_str).to_owned())?;
            if is_verified && tx.verify_email(user.id)? {
                self.record(Action::EmailVerified, String::new())?;
            }
            changes.push(AccountChange::Email);
        }
        if username.as_str() != user.username.as_str() {
            if *username != user.username {
                if *self.by != Operator::CommandLine {
                    check_name_free(tx, username, email, Some(user.id), self.now)?;
                }
                keep_name(tx, user, self.settings, self.now)?;
            }
            tx.set_username(user.id, username)?;
            self.record(Action::UsernameChanged, username.to_string())?;
            changes.push(AccountChange::Username);
        }
        self.notify(&changes)
    }

    fn set_rights(&self, is_staff: bool, is_superuser: bool) -> Result<(), Denied> {
        if (is_staff, is_superuser) == (self.user.is_staff, self.user.is_superuser) {
            return Ok(());
        }
        if !is_superuser {
            self.check_superuser_remains()?;
        }
        self.tx.set_rights(self.user.id, is_staff, is_superuser)?;
        let yes_or_no = |flag| if flag { "yes" } else { "no" };
        let detail = format!("superuser: {}, staff: {}", yes_or_no(is_superuser), yes_or_no(is_staff));
        self.record(Action::RightsChanged, detail)?;
        match (self.user.is_superuser, is_superuser) {
            (false, true) => self.notify(&[AccountChange::SuperuserGranted]),
            (true, false) => self.notify(&[AccountChange::SuperuserRemoved]),
            _ => Ok(()),
        }
    }
}

fn ended_sessions_detail(count: usize) -> String {
    format!("sessions ended: {count}")
}
