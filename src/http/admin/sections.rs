//! The sections of the zone: a row here is a place in the navigation, its routes, and its templates.

use axum::Router;

use super::super::Http;
use super::super::pages::Pages;
use super::{audit, dashboard, door, key_pages, keys, mails, sessions, settings, trouble, users, welcome};
use crate::template::TemplateError;

/// A section.
#[derive(Clone, Copy)]
pub struct Section {
    /// Its name in the navigation.
    pub title: &'static str,
    /// Its first page; the section is the current one on every path below it.
    pub path: &'static str,
    /// Its routes, with their whole paths.
    pub routes: fn() -> Router<Http>,
    /// Renders its pages with samples.
    pub try_out: fn(&Pages) -> Result<(), TemplateError>,
}

/// The sections, in the order of the navigation.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Dashboard",
        path: "/admin/",
        routes: dashboard::routes,
        try_out: Pages::try_out_framed::<dashboard::DashboardPage>,
    },
    Section { title: "Users", path: "/admin/users", routes: users::routes, try_out: users::try_out },
    Section {
        title: "Sessions",
        path: "/admin/sessions",
        routes: sessions::routes,
        try_out: Pages::try_out_framed::<sessions::SessionsPage>,
    },
    Section {
        title: "Settings",
        path: "/admin/settings",
        routes: settings::routes,
        try_out: Pages::try_out_framed::<settings::SettingsPage>,
    },
    Section { title: "Keys", path: "/admin/keys", routes: keys::routes, try_out: key_pages::try_out },
    Section { title: "Mails", path: "/admin/mails", routes: mails::routes, try_out: mails::try_out },
    Section {
        title: "Audit log",
        path: "/admin/audit",
        routes: audit::routes,
        try_out: Pages::try_out_framed::<audit::AuditPage>,
    },
];

/// The section a path is in: the one whose own path it goes on from furthest.
pub fn of(path: &str) -> Option<&'static Section> {
    let under = |section: &&Section| {
        path.strip_prefix(section.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    SECTIONS.iter().filter(under).max_by_key(|section| section.path.len())
}

/// What is built in, by name.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$((
            concat!("admin/", $name),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/admin/", $name)),
        )),*]
    };
}
/// The templates of all pages here.
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
    "user_deed.html",
    "user_new.html",
    "user_password.html",
    "users.html",
    "welcome.html"
];

/// Renders every page of the zone once with samples.
pub fn try_out(pages: &Pages) -> Result<(), TemplateError> {
    for try_out in [
        Pages::try_out_framed::<door::LoginPage>,
        Pages::try_out_framed::<door::ProvePage>,
        Pages::try_out_framed::<welcome::WelcomePage>,
        Pages::try_out_framed::<trouble::TroublePage>,
    ] {
        try_out(pages)?;
    }
    SECTIONS.iter().try_for_each(|section| (section.try_out)(pages))
}
