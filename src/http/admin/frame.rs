//! The frame of every admin page: the signed-in user, the navigation and the flash message.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use minijinja::context;
use minijinja::value::Value;

use super::cookies::{self, FLASH};
use super::page_error::PageError;
use super::path::AdminPath;
use super::sections::{self, SECTIONS};
use crate::http::context::Http;
use crate::http::pages::Page;
use crate::http::reply;
use crate::issuer::Fault;

/// The lifetime of a flash message in seconds.
const FLASH_SECONDS: i64 = 60;

/// The variable `frame` of the admin templates.
#[derive(Clone, Debug, Default)]
pub struct PageFrame {
    /// The prefix of every link: the path of the public URL, such as `/sign` in `/sign/admin/`.
    pub base: String,
    /// The name of the signed-in user. `None` if no user is signed in.
    pub username: Option<String>,
    /// The CSRF token of every form on the page.
    pub csrf: String,
    /// The path of the page without `base`.
    pub path: String,
    /// The flash message: the result of the last form.
    pub flash: Option<String>,
}

impl PageFrame {
    /// A frame without a user, a CSRF token or a flash message.
    pub fn without_user(http: &Http) -> Self {
        Self { base: http.options.public_url.path().to_owned(), ..Self::default() }
    }

    /// Samples: a frame without a user, and one of a signed-in superuser.
    pub fn samples() -> [Self; 2] {
        let base = "/sign".to_owned();
        let username = Some("anna<b>".to_owned());
        let flash = Some("The user <b>anna</b> was disabled.".to_owned());
        let inside = Self { base: base.clone(), username, csrf: "t0ken".to_owned(), path: "/admin/".to_owned(), flash };
        [Self { base, csrf: "t0ken".to_owned(), ..Self::default() }, inside]
    }

    /// The value for templates.
    pub fn context(&self) -> Value {
        let current = sections::of(&self.path).map(|section| section.path);
        let sections = SECTIONS.iter().map(|section| {
            let is_current = current == Some(section.path);
            context! { title => section.title, path => format!("{}{}", self.base, section.path), is_current }
        });
        let Self { base, username, csrf, flash, .. } = self;
        context! { base, username, csrf, flash, sections => sections.collect::<Value>() }
    }

    /// Renders a page in this frame. If it shows a flash message, the response removes its cookie.
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

/// Redirects to a page, which shows `message`. This is the response to a form that changed something.
pub fn redirect_with_flash(http: &Http, next: &AdminPath, message: &str) -> Response {
    let mut response = PageError::Redirect(next.as_str().to_owned()).response(http);
    let sealed = http.issuer.admin.seal_cookie(FLASH, message.as_bytes(), &http.issuer.random);
    cookies::set(&mut response, http, FLASH, &sealed, FLASH_SECONDS);
    response
}

/// The flash message in the cookie, if any. It is encrypted and authenticated, so that another application on the same
/// host cannot forge a message.
pub fn flash(headers: &HeaderMap, http: &Http) -> Option<String> {
    let plain = http.issuer.admin.open_cookie(FLASH, cookies::read(headers, FLASH)?)?;
    String::from_utf8(plain.expose().to_vec()).ok()
}
