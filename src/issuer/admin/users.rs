//! Finds and creates users.

use uuid::Uuid;

use crate::domain::audit::{Action, AuditLine, Operator};
use crate::domain::count::Count;
use crate::domain::email_confirmation::EmailConfirmation;
use crate::domain::field::Field;
use crate::domain::id::{Subject, UserId};
use crate::domain::password::Password;
use crate::domain::reset_code::temporary_password;
use crate::domain::session::Session;
use crate::domain::social::ProviderName;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Login, NewUser, User, Username};
use crate::issuer::context::Issuer;
use crate::issuer::kept_names::check_name_free;
use crate::issuer::refusal::Refusal;
use crate::store::{PagePosition, UserPage, UserSearch};

use std::net::IpAddr;

/// How many audit entries a user's page shows.
const LINES: u32 = 20;

/// Finds a user by user name, e-mail address or id. A user name that is a number comes before an id.
pub async fn find_by_name_or_id(issuer: &Issuer, text: &str) -> Result<Option<User>, Refusal> {
    let login = Login::new(text);
    let id = text.parse().ok().map(UserId);
    let found = issuer.store.read(move |tx| {
        Ok(match (tx.user_by_login(&login)?, id) {
            (None, Some(id)) => tx.user(id)?,
            (user, _) => user,
        })
    });
    found.await
}

/// A search for users by any part of a name or address, or by a complete `id` or `sub`.
#[derive(Clone, Debug)]
pub struct FindUsers {
    /// The search text, the page and the filters.
    pub search: UserSearch,
}

/// The result of a search.
#[derive(Clone, Debug)]
pub struct FoundUsers {
    /// The user whose `id` or `sub` is the search text. Only on the first page, and independent of the filters.
    pub exact: Option<User>,
    /// The users whose names or address contain the search text.
    pub page: UserPage,
}

impl FindUsers {
    /// Searches for users.
    pub async fn run(self, issuer: &Issuer) -> Result<FoundUsers, Refusal> {
        let Self { mut search } = self;
        search.text = search.text.trim().to_owned();
        let first = search.position == PagePosition::Start;
        let id = search.text.parse().ok().filter(|_| first).map(UserId);
        let sub = Uuid::try_parse(&search.text).ok().filter(|_| first).map(Subject);
        let found = issuer.store.read(move |tx| {
            let by_id = id.map(|id| tx.user(id)).transpose()?.flatten();
            let by_sub = sub.map(|sub| tx.user_by_sub(sub)).transpose()?.flatten();
            Ok(FoundUsers { exact: by_id.or(by_sub), page: tx.user_page(&search)? })
        });
        found.await
    }
}

/// A user with sessions, addresses and audit entries.
#[derive(Clone, Debug)]
pub struct UserDetails {
    /// The user.
    pub user: User,
    /// The live sessions, newest first, at most 1000.
    pub sessions: Vec<Session>,
    /// The last addresses of sign-ins and password resets, newest first, with the last date of each.
    pub addresses: Vec<(IpAddr, Timestamp)>,
    /// The providers at which the user has linked accounts.
    pub linked: Vec<ProviderName>,
    /// The newest audit entries about the user.
    pub lines: Vec<AuditLine>,
    /// The requested confirmation of an address, if its link is valid.
    pub confirmation: Option<EmailConfirmation>,
    /// Whether the user is the last active superuser, who cannot be disabled, demoted or deleted in the admin zone.
    pub is_last_superuser: bool,
}

/// Reads the details of a user; `None` if there is no such user.
pub async fn details(issuer: &Issuer, id: UserId) -> Result<Option<UserDetails>, Refusal> {
    let now = issuer.clock.now();
    let settings = issuer.settings();
    let read = issuer.store.read(move |tx| {
        let Some(user) = tx.user(id)? else { return Ok(None) };
        let mut sessions = tx.sessions_of(id, now)?;
        sessions.retain(|session| session.is_live(now, settings.policy_of(session)));
        Ok(Some(UserDetails {
            sessions,
            addresses: tx.known_addresses(id)?,
            linked: tx.social_accounts_of(id)?.into_iter().map(|account| account.provider).collect(),
            lines: tx.audit_lines(Some(id), LINES)?,
            confirmation: tx.email_confirmation_of(id, now)?,
            is_last_superuser: user.is_superuser && user.is_active && !tx.other_superuser(id)?,
            user,
        }))
    });
    read.await
}

/// A superuser's request to create an account with a temporary password. The account has no rights.
#[derive(Debug)]
pub struct CreateUser {
    /// The name to sign in with.
    pub username: Username,
    /// The address for e-mails.
    pub email: Option<Email>,
    /// The superuser.
    pub by: Operator,
}

impl CreateUser {
    /// Creates the account. Returns the temporary password, which cannot be shown again.
    pub async fn run(self, issuer: &Issuer) -> Result<(UserId, Password), Refusal> {
        let Self { username, email, by } = self;
        username.check_against_email(email.as_ref()).map_err(|problem| Refusal::invalid(Field::Username, problem))?;
        let password = temporary_password(issuer.random.bytes());
        let hash = issuer.hash_password(password.clone()).await?;
        let now = issuer.clock.now();
        let user = NewUser {
            email,
            password: Some(hash),
            temporary_since: Some(now),
            ..NewUser::new(Subject(issuer.random.uuid()), username, now)
        };
        let created: Result<UserId, Refusal> = issuer
            .store
            .write(move |tx| {
                check_name_free(tx, &user.username, user.email.as_ref(), None, user.date_joined)?;
                let id = tx.insert_user(&user)?;
                tx.record(&by.entry(user.date_joined, Action::Registered, Some(id), user.username.to_string()))?;
                Ok(id)
            })
            .await;
        created.inspect(|_| issuer.counters.add(Count::Registered)).map(|id| (id, password))
    }
}
