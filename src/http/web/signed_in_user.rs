//! A user who is signed in to a zone.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::form_sender::FormSender;
use super::frame::PageFrame;
use super::not_admitted::NotAdmitted;
use super::page_error::PageError;
use super::redirect::see_other;
use super::return_path::ReturnPath;
use super::section::Sections;
use super::zone::{Zone, ZoneSession as _};
use super::{flash, session_cookie};
use crate::http::context::Http;
use crate::http::pages::Page;

/// A user who is signed in to a zone.
#[derive(Clone, Debug)]
pub struct SignedInUser<Z: Zone> {
    session: Z::Session,
    path: String,
    flash: Option<String>,
    sections: Sections,
}

impl<Z: Zone> SignedInUser<Z> {
    /// The user and the session.
    pub fn session(&self) -> &Z::Session {
        &self.session
    }

    /// Renders a page for this user.
    pub fn show<P: Page>(&self, http: &Http, status: StatusCode, page: &P) -> Response {
        let frame = PageFrame {
            username: Some(self.session.user().username.to_string()),
            csrf: http.issuer.browser_keys.csrf_token(&self.csrf_binding()),
            path: self.path.clone(),
            flash: self.flash.clone(),
            sections: self.sections.0,
            ..PageFrame::without_user(&Z::POLICY, http)
        };
        frame.show(http, status, page)
    }

    /// Redirects to a page of the zone, which shows `message`. This is the response to a form that changed something.
    #[expect(clippy::unused_self, reason = "the value proves that the user is signed in")]
    pub fn redirect_with_flash(&self, http: &Http, path: &ReturnPath<Z>, message: &str) -> Response {
        flash::redirect(http, path, message)
    }

    /// Whether the user entered the password recently enough for dangerous actions.
    pub fn is_stepped_up(&self, http: &Http) -> bool {
        self.session.is_stepped_up(http.issuer.clock.now())
    }

    /// Redirects to the page that asks for the password again, and from there to `next`.
    #[expect(clippy::unused_self, reason = "the value proves that the user is signed in")]
    pub fn redirect_to_step_up(&self, http: &Http, next: &ReturnPath<Z>) -> Response {
        see_other(http, &next.via(Z::POLICY.step_up))
    }
}

impl<Z: Zone> FormSender for SignedInUser<Z> {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, NotAdmitted> {
        let Some(session) = session_cookie::session::<Z>(&parts.headers, http).await? else {
            return Err(redirect_to_sign_in::<Z>(parts, http).await?);
        };
        let path = parts.uri.path().to_owned();
        let flash = flash::read(&parts.headers, http, &Z::POLICY);
        Ok(Self { session, path, flash, sections: Sections::of(parts) })
    }

    fn csrf_binding(&self) -> Vec<u8> {
        [b"session ".as_slice(), self.session.token_hash()].concat()
    }
}

/// For pages only. It rejects methods other than GET and HEAD, so a form handler must take a
/// [`Checked`](super::checked::Checked).
impl<Z: Zone> FromRequestParts<Http> for SignedInUser<Z> {
    type Rejection = NotAdmitted;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, NotAdmitted> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return Err(PageError::forged().into());
        }
        Self::find(parts, http).await
    }
}

/// Redirects to the sign-in page. After the sign-in, the user returns to the requested page, or to the page in
/// `Referer` if the request was not a GET. The error page explains why no user can sign in.
async fn redirect_to_sign_in<Z: Zone>(parts: &Parts, http: &Http) -> Result<NotAdmitted, PageError> {
    Z::check_sign_in(&http.issuer).await?;
    let next = if parts.method == Method::GET {
        ReturnPath::<Z>::parse_or_home(parts.uri.path_and_query().map(PathAndQuery::as_str))
    } else {
        ReturnPath::of_referer(&parts.headers, http)
    };
    Ok(NotAdmitted::redirect(http, &next.via(Z::POLICY.sign_in)))
}
