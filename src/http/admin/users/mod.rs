//! Users: finding them, and what a superuser may do with one. What can't be undone has a page of its own ([`deed`]) that
//! says what follows from it, and is done by whoever gave the password just now.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::routing::{get, post};

use super::super::Http;
use super::super::pages::Pages;
use super::trouble::Trouble;
use crate::domain::id::UserId;
use crate::domain::user::{Email, User};
use crate::issuer::admin::users::{UserDetails, details};
use crate::template::TemplateError;

mod deed;
mod forms;
mod list;
mod new;
mod one;

/// The section's table of contents.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/admin/users", get(list::page))
        .route("/admin/users/new", get(new::page).post(new::make))
        .route("/admin/users/{id}", get(one::page).post(one::edit))
        .route("/admin/users/{id}/claims", post(one::set_claims))
        .route("/admin/users/{id}/reset", post(one::send_reset))
        .route("/admin/users/{id}/enable", post(one::enable))
        .route("/admin/users/{id}/disable", get(deed::page).post(deed::act))
        .route("/admin/users/{id}/end-sessions", get(deed::page).post(deed::act))
        .route("/admin/users/{id}/password", get(deed::page).post(deed::act))
        .route("/admin/users/{id}/rights", get(deed::page).post(deed::act))
        .route("/admin/users/{id}/delete", get(deed::page).post(deed::act))
}

/// Renders every page of the section with samples.
pub fn try_out(pages: &Pages) -> Result<(), TemplateError> {
    pages.try_out_framed::<list::UsersPage>()?;
    pages.try_out_framed::<new::NewPage>()?;
    pages.try_out_framed::<new::PasswordPage>()?;
    pages.try_out_framed::<one::UserPage>()?;
    pages.try_out_framed::<deed::DeedPage>()
}

/// The user whose id is in the path.
struct Whom(UserId);

impl FromRequestParts<Http> for Whom {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Trouble> {
        let found = Path::<HashMap<String, String>>::from_request_parts(parts, http).await;
        let id = found.ok().and_then(|Path(found)| found.get("id")?.parse().ok());
        id.map(|id| Self(UserId(id))).ok_or(Trouble::NOT_FOUND)
    }
}

impl Whom {
    /// All there is to know of them.
    async fn details(&self, http: &Http) -> Result<UserDetails, Trouble> {
        details(&http.issuer, self.0).await?.ok_or(Trouble::NOT_FOUND)
    }

    /// Their page.
    fn path(&self) -> String {
        format!("/admin/users/{}", self.0)
    }
}

/// An address as a page shows it; empty where there is none.
fn email(user: &User) -> String {
    user.email.as_ref().map(Email::to_string).unwrap_or_default()
}

/// First and last name; empty where there is neither.
fn real_name(user: &User) -> String {
    format!("{} {}", user.first_name, user.last_name).trim().to_owned()
}

/// A user with markup in every field that can hold any.
pub fn sample() -> User {
    use crate::domain::claims::Claims;
    use crate::domain::id::Subject;
    use crate::domain::time::Timestamp;
    use crate::domain::user::Username;
    User {
        id: UserId(7),
        sub: Subject(uuid::Uuid::nil()),
        username: Username::from_stored("<b>anna</b>".to_owned()),
        email: Some(Email::from_stored("\"<b>\"@example.com".to_owned())),
        email_verified: true,
        first_name: "<b>Anna".to_owned(),
        last_name: "</b>".to_owned(),
        password: None,
        must_change_password: true,
        is_active: true,
        is_staff: true,
        is_superuser: true,
        claims: Claims::default(),
        date_joined: Timestamp::from_unix(1_700_000_000),
        last_login: None,
    }
}
