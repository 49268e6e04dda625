//! HTML pages, rendered on the server and sent with restrictive security headers.
//!
//! Each page is a type that implements [`Page`]. Its template is built in, or the operator's own file in
//! `<templates_dir>/pages/`. Pages have no scripts. This module owns templates and headers, but not the handlers of the
//! forms.

use std::path::Path;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use minijinja::context;
use minijinja::value::Value;

use super::admin::frame::PageFrame;
use super::admin::sections;
use super::reply;
use crate::domain::public_url::PublicUrl;
use crate::issuer::Fault;
use crate::random::Random;
use crate::template::{TemplateError, TemplateSet};

pub mod api_doc;
pub mod restore;
pub mod social;

/// The built-in templates, by name.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/", $name)))),*]
    };
}
const BUILT_IN: &[(&str, &str)] = &built_in!["layout.html", "restore.html", "api_doc.html", "social.html"];

/// A page: its template, and the value of the variable `page` in it. Every template also has `site.name`. Templates
/// outside the admin zone have `nonce` for their style, and templates of the admin zone have `frame`.
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
    /// Loads the built-in templates, replaces them with the files in `<folder>/pages/`, and renders every page with its
    /// samples.
    pub fn load(folder: Option<&Path>, public_url: &PublicUrl) -> Result<Self, TemplateError> {
        let built_in = [BUILT_IN, sections::TEMPLATES].concat();
        let set = TemplateSet::load(folder.map(|folder| folder.join("pages")).as_deref(), &built_in)?;
        let pages = Self { set, site: context! { name => public_url.host() } };
        pages.render_samples::<restore::RestorePage>()?;
        pages.render_samples::<api_doc::ApiDocPage>()?;
        pages.render_samples::<social::SocialPage>()?;
        sections::render_samples(&pages)?;
        Ok(pages)
    }

    fn render_samples<P: Page>(&self) -> Result<(), TemplateError> {
        let samples = P::samples();
        samples.iter().try_for_each(|sample| self.set.render_sample(P::TEMPLATE, self.context(sample, "sample")))
    }

    fn context(&self, page: &impl Page, nonce: &str) -> Value {
        context! { site => self.site.clone(), nonce, page => page.context() }
    }

    /// Renders a page of the admin zone in its frame, without security headers.
    pub fn framed<P: Page>(&self, page: &P, frame: &Value) -> Result<String, TemplateError> {
        self.set.render(P::TEMPLATE, self.in_frame(page, frame))
    }

    /// Renders a page of the admin zone with all samples, in every sample frame.
    pub fn render_framed_samples<P: Page>(&self) -> Result<(), TemplateError> {
        let frames = PageFrame::samples().map(|frame| frame.context());
        let samples = P::samples();
        let mut all = samples.iter().flat_map(|sample| frames.iter().map(|frame| self.in_frame(sample, frame)));
        all.try_for_each(|context| self.set.render_sample(P::TEMPLATE, context))
    }

    fn in_frame(&self, page: &impl Page, frame: &Value) -> Value {
        context! { site => self.site.clone(), frame => frame.clone(), page => page.context() }
    }

    /// Renders a page with its security headers.
    pub fn show<P: Page>(&self, status: StatusCode, page: &P, random: &Random) -> Response {
        let nonce = random.uuid().simple().to_string();
        match self.set.render(P::TEMPLATE, self.context(page, &nonce)) {
            Ok(text) => with_security_headers(status, text, &nonce, page.has_cross_site_form()),
            Err(error) => reply::fault(Fault::new("rendering a page", &error), reply::internal_error),
        }
    }
}

/// Builds the response with the security headers. A page may use its own style and send forms to this server. It cannot
/// run scripts, be framed or be cached. It sends no referrer, because its URL may contain a secret.
///
/// A form that leads to another site needs two exceptions. Browsers apply `form-action` to every redirect, and
/// providers redirect to hosts of their choice, so the directive is omitted. Without a referrer the `Origin` of the
/// form would be `null`, which the server rejects, so the referrer contains the origin only.
fn with_security_headers(status: StatusCode, text: String, nonce: &str, is_cross_site: bool) -> Response {
    let (forms, referrer) = if is_cross_site { ("", "strict-origin") } else { (" form-action 'self';", "no-referrer") };
    let policy =
        format!("default-src 'none'; style-src 'nonce-{nonce}';{forms} frame-ancestors 'none'; base-uri 'none'");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
    // A nonce has 32 hexadecimal digits, so the fallback, which forbids all resources, is never used.
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// Turns a message into a sentence, with a capital letter and a full stop.
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;
    use crate::http::admin::sign_in::SignInPage;

    fn load(folder: Option<&Path>) -> Result<Pages, TemplateError> {
        Pages::load(folder, &"https://auth.example.com/sign".parse().unwrap())
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
        every_sample_is_harmless::<api_doc::ApiDocPage>();
        every_sample_is_harmless::<social::SocialPage>();
    }

    /// [`sections::render_samples`] renders every template of the admin zone, in every frame and with every sample.
    #[test]
    fn admin_templates_contain_no_script_or_inline_style() {
        for (name, source) in sections::TEMPLATES {
            // The only resource that a template loads: the preview of an e-mail, in a sandboxed frame.
            let source = source.replace(" sandbox title=\"{{ mail.name }} as HTML\" src=\"{{ frame.base }}/admin/", "");
            for wrong in ["<script", "<style", " style=", " onclick=", " src=", "@import", "url(", "|safe", "| safe"] {
                assert!(!source.contains(wrong), "{wrong} in {name}");
            }
        }
        let pages = load(None).unwrap();
        for frame in PageFrame::samples().map(|frame| frame.context()) {
            for sample in SignInPage::samples() {
                let text = pages.framed(&sample, &frame).unwrap();
                assert!(!text.contains("<b>") && text.contains("name=\"csrf\" value=\"t0ken\""), "{text}");
                let h1 = text.split("<h1>").nth(1).unwrap();
                assert!(!h1.starts_with("</h1>") && !h1.starts_with(char::is_whitespace), "{text}");
            }
        }
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
