//! The section on users: the list, and the actions on one user. An action with serious consequences has a confirmation
//! page ([`confirm`]) that shows them, and needs a step-up.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::routing::{get, post};

use super::page_error::PageError;
use crate::domain::id::UserId;
use crate::domain::user::{Email, User};
use crate::http::context::Http;
use crate::http::pages::Pages;
use crate::issuer::admin::users::{UserDetails, details};
use crate::template::TemplateError;

mod confirm;
mod details_page;
mod forms;
mod list;
mod new;

/// The routes of the section.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/admin/users", get(list::page))
        .route("/admin/users/new", get(new::page).post(new::create))
        .route("/admin/users/{id}", get(details_page::page).post(details_page::edit))
        .route("/admin/users/{id}/claims", post(details_page::set_claims))
        .route("/admin/users/{id}/reset", post(details_page::send_reset))
        .route("/admin/users/{id}/enable", post(details_page::enable))
        .route("/admin/users/{id}/disable", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/end-sessions", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/password", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/rights", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/delete", get(confirm::page).post(confirm::perform))
}

/// Renders every page of the section with its samples.
pub fn render_samples(pages: &Pages) -> Result<(), TemplateError> {
    pages.render_framed_samples::<list::UsersPage>()?;
    pages.render_framed_samples::<new::NewUserPage>()?;
    pages.render_framed_samples::<new::TemporaryPasswordPage>()?;
    pages.render_framed_samples::<details_page::UserDetailsPage>()?;
    pages.render_framed_samples::<confirm::ConfirmUserActionPage>()
}

/// The user whose id is in the path.
struct UserPath(UserId);

impl FromRequestParts<Http> for UserPath {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, PageError> {
        let segments = Path::<HashMap<String, String>>::from_request_parts(parts, http).await;
        let id = segments.ok().and_then(|Path(segments)| segments.get("id")?.parse().ok());
        id.map(|id| Self(UserId(id))).ok_or(PageError::NOT_FOUND)
    }
}

impl UserPath {
    /// All details of the user.
    async fn details(&self, http: &Http) -> Result<UserDetails, PageError> {
        details(&http.issuer, self.0).await?.ok_or(PageError::NOT_FOUND)
    }

    /// The path of the user's page.
    fn path(&self) -> String {
        format!("/admin/users/{}", self.0)
    }
}

/// The e-mail address of a user. Empty if there is none.
fn email(user: &User) -> String {
    user.email.as_ref().map(Email::to_string).unwrap_or_default()
}

/// First and last name of a user. Empty if there is neither.
fn real_name(user: &User) -> String {
    format!("{} {}", user.first_name, user.last_name).trim().to_owned()
}

/// A sample user with markup in every field that may contain it.
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
