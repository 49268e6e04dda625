//! HTML pages, rendered on the server and sent with restrictive security headers.
//!
//! Each page is a type that implements [`Page`]. Its template is built in, or the operator's own file in
//! `<templates_dir>/pages/`. Pages have no scripts. This module owns templates and headers, but not the handlers of the
//! forms.

use std::iter;
use std::path::Path;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use minijinja::context;
use minijinja::value::Value;

use super::reply;
use super::static_document::StaticDocument;
use crate::domain::public_url::PublicUrl;
use crate::issuer::Fault;
use crate::random::Random;
use crate::template::{TemplateError, TemplateSet};

pub mod api_doc;
pub mod confirm_email;
pub mod restore;
pub mod social;

/// The layout of all pages outside the zones.
const LAYOUT: (&str, &str) =
    ("layout.html", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/layout.html")));

/// Pages that are loaded together.
#[derive(Clone, Copy, Debug)]
pub struct PageSet {
    /// The built-in templates: name and source.
    pub templates: &'static [(&'static str, &'static str)],
    /// Renders every page with its samples.
    pub render_samples: fn(&Pages) -> Result<(), TemplateError>,
}

/// A page: its template, and the value of the variable `page` in it. Every template also has `site.name`. The
/// template of a page that [`Pages::framed`] renders has `frame`, and every other template has `nonce` for its style.
pub trait Page: Sized {
    /// The name of the template.
    const TEMPLATE: &'static str;

    /// The value of the variable `page`.
    fn context(&self) -> Value;

    /// Whether the page has a form that a cookie authenticates and whose response redirects to another site.
    fn has_cross_site_form(&self) -> bool {
        false
    }

    /// Samples of every variant. A template that renders all samples renders every page of this type.
    fn samples() -> Vec<Self>;
}

/// All pages, ready to be rendered. Template files are read once, so changes apply after a restart.
#[derive(Debug)]
pub struct Pages {
    set: TemplateSet,
    site: Value,
}

impl Pages {
    /// Loads the built-in templates of all sets, replaces them with the files in `<folder>/pages/`, and renders every
    /// page with its samples.
    pub fn load(folder: Option<&Path>, public_url: &PublicUrl, sets: &[PageSet]) -> Result<Self, TemplateError> {
        let templates = sets.iter().flat_map(|set| set.templates);
        let built_in: Vec<_> = iter::once(&LAYOUT).chain(templates).copied().collect();
        let set = TemplateSet::load(folder.map(|folder| folder.join("pages")).as_deref(), &built_in)?;
        let pages = Self { set, site: context! { name => public_url.host() } };
        sets.iter().try_for_each(|set| (set.render_samples)(&pages))?;
        Ok(pages)
    }

    /// Renders a page with all samples.
    pub fn render_samples<P: Page>(&self) -> Result<(), TemplateError> {
        let samples = P::samples();
        samples.iter().try_for_each(|sample| self.set.render_sample(P::TEMPLATE, self.context(sample, "sample")))
    }

    fn context(&self, page: &impl Page, nonce: &str) -> Value {
        context! { site => self.site.clone(), nonce, page => page.context() }
    }

    /// Renders a page of a zone in its frame, without security headers.
    pub fn framed<P: Page>(&self, page: &P, frame: &Value) -> Result<String, TemplateError> {
        self.set.render(P::TEMPLATE, self.in_frame(page, frame))
    }

    /// Renders a page of a zone with all samples, in every sample frame.
    pub fn render_framed_samples<P: Page>(&self, frames: &[Value]) -> Result<(), TemplateError> {
        let samples = P::samples();
        let mut all = samples.iter().flat_map(|sample| frames.iter().map(|frame| self.in_frame(sample, frame)));
        all.try_for_each(|context| self.set.render_sample(P::TEMPLATE, context))
    }

    fn in_frame(&self, page: &impl Page, frame: &Value) -> Value {
        context! { site => self.site.clone(), frame => frame.clone(), page => page.context() }
    }

    /// Renders a page that stays the same while the server runs.
    pub fn document<P: Page>(&self, page: &P, random: &Random) -> Result<StaticDocument, Fault> {
        let nonce = random.uuid().simple().to_string();
        let text = self.set.render(P::TEMPLATE, self.context(page, &nonce));
        let text = text.map_err(|error| Fault::new("rendering a page", &error))?;
        Ok(StaticDocument::new(security_headers(&nonce, page.has_cross_site_form()), text))
    }

    /// Renders a page with its security headers.
    pub fn show<P: Page>(&self, status: StatusCode, page: &P, random: &Random) -> Response {
        let nonce = random.uuid().simple().to_string();
        match self.set.render(P::TEMPLATE, self.context(page, &nonce)) {
            Ok(text) => {
                let mut response = Response::new(Body::from(text));
                *response.status_mut() = status;
                *response.headers_mut() = security_headers(&nonce, page.has_cross_site_form());
                response
            }
            Err(error) => reply::fault(Fault::new("rendering a page", &error), reply::internal_error),
        }
    }
}

/// Returns the headers of a page. A page may use its own style and send forms to this server. It cannot
/// run scripts, be framed or be cached. It sends no referrer, because its URL may contain a secret.
///
/// A form that leads to another site needs two exceptions. Browsers apply `form-action` to every redirect, and
/// providers redirect to hosts of their choice, so the directive is omitted. Without a referrer the `Origin` of the
/// form would be `null`, which the server rejects, so the referrer contains the origin only.
fn security_headers(nonce: &str, is_cross_site: bool) -> HeaderMap {
    let (forms, referrer) = if is_cross_site { ("", "strict-origin") } else { (" form-action 'self';", "no-referrer") };
    let policy =
        format!("default-src 'none'; style-src 'nonce-{nonce}';{forms} frame-ancestors 'none'; base-uri 'none'");
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
    // A nonce has 32 hexadecimal digits, so the fallback, which forbids all resources, is never used.
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    const SETS: &[PageSet] = &[restore::PAGES, confirm_email::PAGES, api_doc::PAGES, social::PAGES];

    fn load(folder: Option<&Path>) -> Result<Pages, TemplateError> {
        Pages::load(folder, &"https://auth.example.com/sign".parse().unwrap(), SETS)
    }

    fn every_sample_is_harmless<P: Page>() {
        let pages = load(None).unwrap();
        for sample in P::samples() {
            let text = pages.set.render(P::TEMPLATE, pages.context(&sample, "n0nce")).unwrap();
            assert!(text.contains("<style nonce=\"n0nce\">") && text.contains("auth.example.com</title>"), "{text}");
            for wrong in ["<script", " style=", " onclick=", "<b>", " src=", "<link", "@import", "url("] {
                assert!(!text.contains(wrong), "{wrong} in {text}");
            }
            let h1 = text.split("<h1>").nth(1).unwrap();
            assert!(!h1.starts_with("</h1>") && !h1.starts_with(char::is_whitespace), "{text}");
        }
    }

    #[test]
    fn every_page_renders_every_sample_without_scripts_or_injected_markup() {
        every_sample_is_harmless::<restore::RestorePage>();
        every_sample_is_harmless::<confirm_email::ConfirmEmailPage>();
        every_sample_is_harmless::<api_doc::ApiDocPage>();
        every_sample_is_harmless::<social::SocialPage>();
    }

    #[test]
    fn a_template_file_overrides_the_built_in_one_and_is_named_if_invalid() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pages/restore.html");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "{% if page.view == 'form' %}{{ page.token }}{% else %}{{ page.view }}{% endif %}").unwrap();
        let pages = load(Some(folder.path())).unwrap();
        let done = pages.set.render("restore.html", pages.context(&restore::RestorePage::Done, "")).unwrap();
        assert_eq!(done, "done");
        fs::write(&file, "\n{{ page.tokn }}").unwrap();
        let error = load(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains(&file.display().to_string()) && error.contains("line 2: undefined value"), "{error}");
    }
}
