//! The frame of every page of a zone: the signed-in user, the navigation and the flash message.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use minijinja::context;
use minijinja::value::Value;

use super::cookies;
use super::section::{Section, section_of};
use super::zone::ZonePolicy;
use crate::http::context::Http;
use crate::http::pages::Page;
use crate::http::reply;
use crate::issuer::Fault;

/// The variable `frame` of the templates.
#[derive(Clone, Debug)]
pub struct PageFrame {
    /// The policy of the zone.
    pub policy: &'static ZonePolicy,
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
    /// The entries of the navigation. Empty if no user is signed in.
    pub sections: &'static [Section],
}

impl PageFrame {
    /// A frame without a user, a CSRF token or a flash message.
    pub fn without_user(policy: &'static ZonePolicy, http: &Http) -> Self {
        Self::bare(policy, http.options.public_url.path())
    }

    fn bare(policy: &'static ZonePolicy, base: &str) -> Self {
        let base = base.to_owned();
        Self { policy, base, username: None, csrf: String::new(), path: String::new(), flash: None, sections: &[] }
    }

    /// The values of the sample frames: without a user, and with a signed-in user.
    pub fn samples(policy: &'static ZonePolicy, sections: &'static [Section]) -> [Value; 2] {
        let outside = Self { csrf: "t0ken".to_owned(), ..Self::bare(policy, "/sign") };
        let inside = Self {
            username: Some("anna<b>".to_owned()),
            path: policy.home.to_owned(),
            flash: Some("The user <b>anna</b> was disabled.".to_owned()),
            sections,
            ..outside.clone()
        };
        [outside.context(), inside.context()]
    }

    /// The value for templates.
    pub fn context(&self) -> Value {
        let current = section_of(&self.path, self.sections).map(|section| section.path);
        let sections = self.sections.iter().map(|section| {
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
                    cookies::remove(&mut response, http, self.policy, self.policy.flash_cookie);
                }
                response
            }
            Err(error) => reply::fault(Fault::new("rendering a page", &error), reply::internal_error),
        }
    }
}
