//! Creates an account.

use std::net::IpAddr;

use super::context::{Caller, Issuer};
use super::email_confirmation::RegistrationConfirmation;
use super::kept_names::check_name_free;
use super::refusal::Refusal;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::count::Count;
use crate::domain::field::{Field, FieldProblem};
use crate::domain::id::Subject;
use crate::domain::limit::Limit;
use crate::domain::password::Password;
use crate::domain::user::{Email, NewUser, User, Username};
use crate::store::{StoreError, Write};
use crate::throttle::AttemptKey;

/// A request to create an account.
#[derive(Debug)]
pub struct Register {
    /// The name to sign in with.
    pub username: Username,
    /// The password, not yet checked.
    pub password: Password,
    /// The address for e-mails.
    pub email: Option<Email>,
    /// The caller; `None` for an operator. Operators may always create users, without a rate limit.
    pub from: Option<Caller>,
    /// Whether the account may enter the admin zone.
    pub is_superuser: bool,
}

impl Register {
    /// Creates the account.
    pub async fn run(self, issuer: &Issuer) -> Result<User, Refusal> {
        self.create(issuer, true).await
    }

    /// Creates the account of a user who has chosen no user name. `username` must be the address.
    pub async fn run_without_username(self, issuer: &Issuer) -> Result<User, Refusal> {
        self.create(issuer, false).await
    }

    async fn create(self, issuer: &Issuer, has_username: bool) -> Result<User, Refusal> {
        issuer.check_queue(issuer.hasher.check_capacity())?;
        if let Some(caller) = &self.from {
            check_rate_limit(issuer, *caller).await?;
        }
        let from = self.from;
        let address = from.map(|caller| caller.address);
        let user = NewUser { has_username, ..self.prepare(issuer).await? };
        // An operator who creates a user may verify the address, and blocks no sign-in.
        let confirmation = match from {
            Some(caller) => RegistrationConfirmation::prepare(issuer, &user, caller).await?,
            None => None,
        };
        let registered = issuer.store.write(move |tx| {
            // The command line may use a released name again.
            if address.is_some() {
                check_name_free(tx, &user.username, user.email.as_ref(), None, user.date_joined)?;
            }
            let inserted = insert(tx, &user, address)?;
            if let Some(confirmation) = &confirmation {
                confirmation.store(tx, inserted.id, user.date_joined)?;
            }
            Ok(inserted)
        });
        let registered = registered.await;
        registered.inspect(|_| issuer.counters.add(Count::Registered))
    }

    /// Checks the fields, hashes the password, and returns the user to insert.
    pub(super) async fn prepare(self, issuer: &Issuer) -> Result<NewUser, Refusal> {
        let checked = self.username.check_against_email(self.email.as_ref());
        checked.map_err(|problem| Refusal::invalid(Field::Username, problem))?;
        self.check_password(issuer)?;
        let sub = Subject(issuer.random.uuid());
        let user = NewUser {
            email: self.email,
            is_superuser: self.is_superuser,
            ..NewUser::new(sub, self.username, issuer.clock.now())
        };
        let hash = issuer.hash_password(self.password).await?;
        Ok(NewUser { password: Some(hash), ..user })
    }

    fn check_password(&self, issuer: &Issuer) -> Result<(), Refusal> {
        let personal: Vec<&str> =
            std::iter::once(self.username.as_str()).chain(self.email.as_ref().map(Email::as_str)).collect();
        let checked: Result<(), FieldProblem> = issuer.policy.passwords.check(&self.password, &personal);
        checked.map_err(|problem| Refusal::invalid(Field::Password, problem))
    }
}

/// Checks that registration is open and that the caller is within the rate limit. Counts the attempt.
pub(super) async fn check_rate_limit(issuer: &Issuer, caller: Caller) -> Result<(), Refusal> {
    if !issuer.settings().is_registration_open() {
        return Err(Refusal::RegistrationClosed);
    }
    issuer.throttle.admit(Limit::RegisterCaller, AttemptKey::caller(caller.address)).await?.count();
    Ok(())
}

/// Inserts the user and an entry in the audit log.
pub(super) fn insert(tx: &dyn Write, user: &NewUser, address: Option<IpAddr>) -> Result<User, Refusal> {
    let id = tx.insert_user(user)?;
    tx.record(&AuditEntry::by_user(user.date_joined, Action::Registered, id, address, user.username.as_str()))?;
    let user = tx.user(id)?;
    user.ok_or_else(|| StoreError::Fault("the inserted user is missing".to_owned()).into())
}
