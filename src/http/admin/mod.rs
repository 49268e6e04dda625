//! The admin zone: server-rendered pages for superusers, without scripts.
//!
//! [`SECTIONS`] lists the sections. [`zone`] has the policy of the browser sessions, and [`crate::http::web`] protects
//! the pages with it: a page handler takes a [`zone::Superuser`], a form handler a
//! [`Checked`](crate::http::web::checked::Checked) one. The use cases in [`crate::issuer`] change users and keys. The
//! CORS settings do not apply: no page of another origin may read an admin page.

use axum::Router;
use axum::extract::State;
use axum::routing::{any, get};

use self::sign_in::{SignInPage, StepUpPage};
use self::welcome::WelcomePage;
use self::zone::{AdminZone, POLICY};
use super::context::Http;
use super::pages::{PageSet, Pages};
use super::web::error_page::ErrorPage;
use super::web::frame::PageFrame;
use super::web::layer::with_layer;
use super::web::page_error::PageError;
use super::web::redirect::see_other;
use super::web::section::Section;
use crate::template::TemplateError;

mod audit;
mod audit_export;
mod chart;
mod charts;
mod dashboard;
mod health_checks;
mod key_pages;
mod keys;
mod outbox;
mod samples;
mod session_row;
mod sessions;
mod settings;
mod sign_in;
mod style;
mod timeline;
mod users;
mod welcome;
mod zone;

/// The sections, in the order of the navigation.
const SECTIONS: &[Section] = &[
    dashboard::SECTION,
    users::SECTION,
    sessions::SECTION,
    settings::SECTION,
    keys::SECTION,
    outbox::SECTION,
    audit::SECTION,
];

/// The built-in templates, by name.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$((
            concat!("admin/", $name),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/admin/", $name)),
        )),*]
    };
}
/// The templates and samples of the admin zone.
pub const PAGES: PageSet = PageSet {
    templates: built_in![
        "layout.html",
        "parts.html",
        "audit.html",
        "dashboard.html",
        "keys.html",
        "keys_confirm.html",
        "login.html",
        "mail_templates.html",
        "mails.html",
        "prove.html",
        "sessions.html",
        "settings.html",
        "trouble.html",
        "user.html",
        "user_confirm.html",
        "user_new.html",
        "user_password.html",
        "users.html",
        "welcome.html"
    ],
    render_samples,
};

fn render_samples(pages: &Pages) -> Result<(), TemplateError> {
    let frames = PageFrame::samples(&POLICY, SECTIONS);
    pages.render_framed_samples::<SignInPage>(&frames)?;
    pages.render_framed_samples::<StepUpPage>(&frames)?;
    pages.render_framed_samples::<WelcomePage>(&frames)?;
    pages.render_framed_samples::<ErrorPage<AdminZone>>(&frames)?;
    SECTIONS.iter().try_for_each(|section| (section.render_samples)(pages, &frames))
}

/// The routes of every section, of the sign-in page, of the page for the first superuser, and of the style sheet.
pub fn routes(http: &Http) -> Router<Http> {
    let sections = SECTIONS.iter().fold(Router::new(), |routes, section| routes.merge((section.routes)()));
    let routes = sections
        .merge(sign_in::routes())
        .merge(welcome::routes())
        .merge(style::routes())
        .route("/admin", get(async |State(http): State<Http>| see_other(&http, POLICY.home)))
        .route("/admin/{*rest}", any(async || PageError::NOT_FOUND))
        .method_not_allowed_fallback(async || PageError::WRONG_METHOD);
    with_layer::<AdminZone>(routes, http, SECTIONS)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::http::pages::Page as _;

    /// Loading renders every template of the admin zone, in every frame and with every sample.
    #[test]
    fn admin_templates_contain_no_script_or_inline_style() {
        for (name, source) in PAGES.templates {
            // The only resource that a template loads: the preview of an e-mail, in a sandboxed frame.
            let source = source.replace(" sandbox title=\"{{ mail.name }} as HTML\" src=\"{{ frame.base }}/admin/", "");
            for wrong in ["<script", "<style", " style=", " onclick=", " src=", "@import", "url(", "|safe", "| safe"] {
                assert!(!source.contains(wrong), "{wrong} in {name}");
            }
        }
        let pages = Pages::load(None, &"https://auth.example.com/sign".parse().unwrap(), &[PAGES]).unwrap();
        for frame in PageFrame::samples(&POLICY, SECTIONS) {
            for sample in SignInPage::samples() {
                let text = pages.framed(&sample, &frame).unwrap();
                assert!(!text.contains("<b>") && text.contains("name=\"csrf\" value=\"t0ken\""), "{text}");
                let h1 = text.split("<h1>").nth(1).unwrap();
                assert!(!h1.starts_with("</h1>") && !h1.starts_with(char::is_whitespace), "{text}");
            }
        }
    }
}
