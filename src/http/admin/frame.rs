//! What stands around every page here: who is signed in, the navigation, and a word on what was just done.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use minijinja::context;
use minijinja::value::Value;

use super::cookies::{self, FLASH};
use super::page_error::PageError;
use super::path::AdminPath;
use super::sections::{self, SECTIONS};
use crate::http::pages::Page;
use crate::http::{Http, reply};
use crate::issuer::Fault;

/// How long a word may wait for its page.
const FLASH_SECONDS: i64 = 60;

/// What a template is told as `frame`.
#[derive(Clone, Debug, Default)]
pub struct PageFrame {
    /// What comes before the path of every link, as `/sign` in `/sign/admin/`.
    pub base: String,
    /// Who is signed in; None at the door.
    pub who: Option<String>,
    /// What every form carries.
    pub csrf: String,
    /// The path the page is at, without `base`.
    pub path: String,
    /// What was just done.
    pub flash: Option<String>,
}

impl PageFrame {
    /// One for a page that nobody needs to have signed in for and that has no form.
    pub fn bare(http: &Http) -> Self {
        Self { base: http.options.public_url.path().to_owned(), ..Self::default() }
    }

    /// One of a signed-in superuser, as a sample.
    pub fn samples() -> [Self; 2] {
        let base = "/sign".to_owned();
        let who = Some("anna<b>".to_owned());
        let flash = Some("The user <b>anna</b> is disabled.".to_owned());
        let inside = Self { base: base.clone(), who, csrf: "t0ken".to_owned(), path: "/admin/".to_owned(), flash };
        [Self { base, csrf: "t0ken".to_owned(), ..Self::default() }, inside]
    }

    /// The value for templates.
    pub fn context(&self) -> Value {
        let current = sections::of(&self.path).map(|section| section.path);
        let sections = SECTIONS.iter().map(|section| {
            let is_current = current == Some(section.path);
            context! { title => section.title, path => format!("{}{}", self.base, section.path), is_current }
        });
        let Self { base, who, csrf, flash, .. } = self;
        context! { base, who, csrf, flash, sections => sections.collect::<Value>() }
    }

    /// Renders a page in this frame. A word that it tells is taken from the browser.
    pub fn show<P: Page>(&self, http: &Http, status: StatusCode, page: &P) -> Response {
        match http.pages.framed(page, &self.context()) {
            Ok(text) => {
                let mut response = (status, [("content-type", "text/html; charset=utf-8")], text).into_response();
                if self.flash.is_some() {
                    cookies::remove(&mut response, http, FLASH);
                }
                response
            }
            Err(error) => reply::fault(Fault::new("rendering a page", &error), reply::internal_error),
        }
    }
}

/// Goes on to a page, which says what was done: the answer to every form that did something.
pub fn redirect_with_flash(http: &Http, next: &AdminPath, word: &str) -> Response {
    let mut response = PageError::Redirect(next.as_str().to_owned()).response(http);
    let sealed = http.issuer.admin.seal_cookie(FLASH, word.as_bytes(), &http.issuer.random);
    cookies::set(&mut response, http, FLASH, &sealed, FLASH_SECONDS);
    response
}

/// The word that waits for a page, if any: sealed, so that no other page of the site can put words in our mouth.
pub fn flash(headers: &HeaderMap, http: &Http) -> Option<String> {
    let plain = http.issuer.admin.open_cookie(FLASH, cookies::read(headers, FLASH)?)?;
    String::from_utf8(plain.expose().to_vec()).ok()
}
