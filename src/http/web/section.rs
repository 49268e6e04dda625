//! A section of a zone: a link in the navigation, the routes, and the samples of the pages.

use axum::Router;
use axum::http::request::Parts;
use minijinja::value::Value;

use crate::http::context::Http;
use crate::http::pages::Pages;
use crate::template::TemplateError;

/// A section of a zone.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The title in the navigation.
    pub title: &'static str,
    /// The path of the first page. The section is the current one on this path and on every path below it. A path that
    /// ends with a slash has no path below it: the section is current only on exactly this path.
    pub path: &'static str,
    /// The routes, with complete paths.
    pub routes: fn() -> Router<Http>,
    /// Renders the pages of the section with their samples, in every sample frame.
    pub render_samples: fn(&Pages, &[Value]) -> Result<(), TemplateError>,
}

/// A request extension with the sections of the zone, for the navigation.
#[derive(Clone, Copy, Debug)]
pub struct Sections(pub &'static [Section]);

impl Sections {
    /// The sections of the zone to which the request was sent.
    pub fn of(parts: &Parts) -> Self {
        parts.extensions.get().copied().unwrap_or(Self(&[]))
    }
}

/// The section to which a path belongs: the section with the longest matching path.
pub fn section_of<'s>(path: &str, sections: &'s [Section]) -> Option<&'s Section> {
    let under = |section: &&Section| {
        path.strip_prefix(section.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    sections.iter().filter(under).max_by_key(|section| section.path.len())
}
