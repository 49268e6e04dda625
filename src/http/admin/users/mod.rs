//! The section on users: the list, and the actions on one user. An action with serious consequences has a confirmation
//! page ([`confirm`]) that shows them, and needs a step-up.

use axum::Router;
use axum::routing::{get, post};
use minijinja::value::Value;

use crate::http::context::Http;
use crate::http::pages::Pages;
use crate::http::web::section::Section;
use crate::template::TemplateError;

mod confirm;
mod details_page;
mod display;
mod email;
mod forms;
mod list;
mod new;
mod temporary_password;
mod user_path;

/// The section.
pub const SECTION: Section = Section { title: "Users", path: "/admin/users", routes, render_samples };

/// The routes of the section.
fn routes() -> Router<Http> {
    Router::new()
        .route("/admin/users", get(list::page))
        .route("/admin/users/new", get(new::page).post(new::create))
        .route("/admin/users/{id}", get(details_page::page).post(details_page::edit))
        .route("/admin/users/{id}/claims", post(details_page::set_claims))
        .route("/admin/users/{id}/reset", post(details_page::send_reset))
        .route("/admin/users/{id}/send-confirmation", post(email::send_confirmation))
        .route("/admin/users/{id}/confirm-email", post(email::confirm))
        .route("/admin/users/{id}/enable", post(details_page::enable))
        .route("/admin/users/{id}/disable", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/end-sessions", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/password", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/rights", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/unlink", get(confirm::page).post(confirm::perform))
        .route("/admin/users/{id}/delete", get(confirm::page).post(confirm::perform))
}

/// Renders every page of the section with its samples.
fn render_samples(pages: &Pages, frames: &[Value]) -> Result<(), TemplateError> {
    pages.render_framed_samples::<list::UsersPage>(frames)?;
    pages.render_framed_samples::<new::NewUserPage>(frames)?;
    pages.render_framed_samples::<temporary_password::TemporaryPasswordPage>(frames)?;
    pages.render_framed_samples::<details_page::UserDetailsPage>(frames)?;
    pages.render_framed_samples::<confirm::ConfirmUserActionPage>(frames)
}
