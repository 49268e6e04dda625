//! The sections of the admin zone. Each entry of [`SECTIONS`] defines a link in the navigation, the routes of the
//! section, and the samples of its pages.

use axum::Router;

use super::{audit, dashboard, key_pages, keys, outbox, page_error, sessions, settings, sign_in, users, welcome};
use crate::http::context::Http;
use crate::http::pages::Pages;
use crate::template::TemplateError;

/// A section of the admin zone.
#[derive(Clone, Copy)]
pub struct Section {
    /// The title in the navigation.
    pub title: &'static str,
    /// The path of the first page. The section is the current one on this path and on every path below it. The path of
    /// the dashboard ends with a slash, so the dashboard is current only on exactly this path.
    pub path: &'static str,
    /// The routes, with complete paths.
    pub routes: fn() -> Router<Http>,
    /// Renders the pages of the section with their samples.
    pub render_samples: fn(&Pages) -> Result<(), TemplateError>,
}

/// The sections, in the order of the navigation.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Dashboard",
        path: "/admin/",
        routes: dashboard::routes,
        render_samples: Pages::render_framed_samples::<dashboard::DashboardPage>,
    },
    Section { title: "Users", path: "/admin/users", routes: users::routes, render_samples: users::render_samples },
    Section {
        title: "Sessions",
        path: "/admin/sessions",
        routes: sessions::routes,
        render_samples: Pages::render_framed_samples::<sessions::SessionsPage>,
    },
    Section {
        title: "Settings",
        path: "/admin/settings",
        routes: settings::routes,
        render_samples: Pages::render_framed_samples::<settings::SettingsPage>,
    },
    Section { title: "Keys", path: "/admin/keys", routes: keys::routes, render_samples: key_pages::render_samples },
    Section { title: "E-mails", path: "/admin/mails", routes: outbox::routes, render_samples: outbox::render_samples },
    Section {
        title: "Audit log",
        path: "/admin/audit",
        routes: audit::routes,
        render_samples: Pages::render_framed_samples::<audit::AuditLogPage>,
    },
];

/// The section to which a path belongs: the section with the longest matching path.
pub fn of(path: &str) -> Option<&'static Section> {
    let under = |section: &&Section| {
        path.strip_prefix(section.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    SECTIONS.iter().filter(under).max_by_key(|section| section.path.len())
}

/// The built-in templates, by name.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$((
            concat!("admin/", $name),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/admin/", $name)),
        )),*]
    };
}
/// The templates of the admin zone.
pub const TEMPLATES: &[(&str, &str)] = built_in![
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
];

/// Renders every page of the admin zone with its samples.
pub fn render_samples(pages: &Pages) -> Result<(), TemplateError> {
    for render_samples in [
        Pages::render_framed_samples::<sign_in::SignInPage>,
        Pages::render_framed_samples::<sign_in::StepUpPage>,
        Pages::render_framed_samples::<welcome::WelcomePage>,
        Pages::render_framed_samples::<page_error::ErrorPage>,
    ] {
        render_samples(pages)?;
    }
    SECTIONS.iter().try_for_each(|section| (section.render_samples)(pages))
}
