//! The extractors that protect the handlers. A page handler takes a [`Superuser`], a form handler a [`Checked`] sender.
//! A [`Checked`] value exists only after the CSRF token and the `Origin` of the form were verified, so no handler can
//! omit these checks.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use super::cookies::{self, ANONYMOUS, SESSION};
use super::frame::{self, PageFrame};
use super::page_error::PageError;
use super::path::AdminPath;
use crate::domain::admin_session::AdminToken;
use crate::domain::audit::Operator;
use crate::domain::time::Timestamp;
use crate::http::Http;
use crate::http::body::{JsonBody, SubmittedBody};
use crate::http::pages::Page;
use crate::http::rejection::Rejection;
use crate::issuer::admin::sign_in::{AdminSignedIn, ResumeAdminSession};
use crate::issuer::{Caller, first_superuser};

/// The form field with the CSRF token.
const FIELD: &str = "csrf";
/// The lifetime of a form for users who are not signed in, in seconds.
const ANONYMOUS_SECONDS: i64 = 1800;

/// A sender of forms, and the value to which the CSRF token is bound.
pub trait FormSender: Sized {
    /// Finds the sender of the request. The error is a redirect or an error page.
    fn find(parts: &Parts, http: &Http) -> impl Future<Output = Result<Self, PageError>> + Send;
    /// The value to which the CSRF tokens of this sender are bound.
    fn bound_to(&self) -> Vec<u8>;
}

/// A superuser who is signed in to the admin zone.
#[derive(Clone, Debug)]
pub struct Superuser {
    entered: AdminSignedIn,
    path: String,
    flash: Option<String>,
}

impl Superuser {
    /// The user and the session.
    pub fn signed_in(&self) -> &AdminSignedIn {
        &self.entered
    }

    /// The operator for the audit log.
    pub fn operator(&self, from: Caller) -> Operator {
        let user = self.entered.user();
        Operator::Superuser { id: user.id, username: user.username.clone(), address: from.address }
    }

    /// Renders a page for this superuser.
    pub fn show<P: Page>(&self, http: &Http, status: StatusCode, page: &P) -> Response {
        let frame = PageFrame {
            who: Some(self.entered.user().username.to_string()),
            csrf: http.issuer.admin.csrf_token(&self.bound_to()),
            path: self.path.clone(),
            flash: self.flash.clone(),
            ..PageFrame::bare(http)
        };
        frame.show(http, status, page)
    }
}

impl FormSender for Superuser {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, PageError> {
        let token = cookies::read(&parts.headers, SESSION).and_then(AdminToken::parse);
        let entered = match token {
            Some(token) => ResumeAdminSession { token }.run(&http.issuer).await?,
            None => None,
        };
        let Some(entered) = entered else { return Err(redirect_to_sign_in(parts, http).await?) };
        let path = parts.uri.path().to_owned();
        let flash = frame::flash(&parts.headers, http);
        Ok(Self { entered, path, flash })
    }

    fn bound_to(&self) -> Vec<u8> {
        [b"session ".as_slice(), &self.entered.hash().0].concat()
    }
}

/// For pages only. It rejects methods other than GET and HEAD, so a form handler must take a [`Checked`].
impl FromRequestParts<Http> for Superuser {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, PageError> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return Err(PageError::forged());
        }
        Self::find(parts, http).await
    }
}

/// A superuser who entered the password within the last 5 minutes, for forms whose effect cannot be undone. Other
/// superusers are redirected to enter it, and then back to the page with the form.
#[derive(Clone, Debug)]
pub struct SteppedUp(Superuser);

impl SteppedUp {
    /// The same superuser, if the password was entered recently enough.
    pub fn of(who: &Superuser, http: &Http) -> Option<Self> {
        who.entered.session().is_stepped_up(http.issuer.clock.now()).then(|| Self(who.clone()))
    }

    /// The superuser.
    pub fn superuser(&self) -> &Superuser {
        &self.0
    }
}

impl FormSender for SteppedUp {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, PageError> {
        let who = Superuser::find(parts, http).await?;
        let prove = || PageError::Redirect(AdminPath::of_referer(&parts.headers, http).after("/admin/prove"));
        Self::of(&who, http).ok_or_else(prove)
    }

    fn bound_to(&self) -> Vec<u8> {
        self.0.bound_to()
    }
}

/// A browser in which no user is signed in. A sealed cookie, valid for 30 minutes, identifies it.
#[derive(Clone, Debug)]
pub struct AnonymousBrowser {
    sealed: String,
}

impl AnonymousBrowser {
    /// Reads the cookie if it is valid for at least 15 more minutes, and otherwise creates a new one.
    pub fn begin(headers: &HeaderMap, http: &Http) -> Self {
        Self::known(headers, http, ANONYMOUS_SECONDS / 2).unwrap_or_else(|| {
            let until = http.issuer.clock.now().unix() + ANONYMOUS_SECONDS;
            let sealed = http.issuer.admin.seal_cookie(ANONYMOUS, &until.to_be_bytes(), &http.issuer.random);
            Self { sealed }
        })
    }

    /// Reads the cookie if it is valid for at least `seconds` more.
    fn known(headers: &HeaderMap, http: &Http, seconds: i64) -> Option<Self> {
        let sealed = cookies::read(headers, ANONYMOUS)?.to_owned();
        let until =
            http.issuer.admin.open_cookie(ANONYMOUS, &sealed)?.expose().try_into().map(i64::from_be_bytes).ok()?;
        let needed = Timestamp::from_unix(http.issuer.clock.now().unix() + seconds);
        (needed < Timestamp::from_unix(until)).then_some(Self { sealed })
    }

    /// Renders a page and sets the cookie.
    pub fn show<P: Page>(&self, http: &Http, status: StatusCode, page: &P) -> Response {
        let csrf = http.issuer.admin.csrf_token(&self.bound_to());
        let mut response = PageFrame { csrf, ..PageFrame::bare(http) }.show(http, status, page);
        cookies::set(&mut response, http, ANONYMOUS, &self.sealed, ANONYMOUS_SECONDS);
        response
    }
}

impl FormSender for AnonymousBrowser {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, PageError> {
        Self::known(&parts.headers, http, 0).ok_or_else(PageError::forged)
    }

    fn bound_to(&self) -> Vec<u8> {
        [b"visit ".as_slice(), self.sealed.as_bytes()].concat()
    }
}

/// A form with a valid CSRF token and `Origin`, sent by an authorised sender.
#[derive(Debug)]
pub struct Checked<S> {
    /// The sender.
    pub who: S,
    /// The fields.
    pub form: JsonBody,
}

impl<S: FormSender + Send> FromRequest<Http> for Checked<S> {
    type Rejection = PageError;

    async fn from_request(request: Request, http: &Http) -> Result<Self, PageError> {
        if is_foreign(request.headers(), http) {
            return Err(PageError::forged());
        }
        let (parts, body) = request.into_parts();
        let who = S::find(&parts, http).await?;
        let mut form = match SubmittedBody::from_request(Request::from_parts(parts, body), http).await? {
            SubmittedBody::Form(form) => form,
            SubmittedBody::Json(_) => return Err(Rejection::WrongContentType("a form of the admin zone").into()),
        };
        let shown = form.text_named(FIELD).ok().flatten().unwrap_or_default();
        if !http.issuer.admin.is_csrf_token(&who.bound_to(), &shown) {
            return Err(PageError::forged());
        }
        Ok(Self { who, form })
    }
}

/// Whether a page of another origin sent the form. Old browsers that send neither header are accepted, because the
/// cookies are `SameSite=Strict`.
fn is_foreign(headers: &HeaderMap, http: &Http) -> bool {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = http.options.public_url.origin();
    value(ORIGIN.as_str()).is_some_and(|from| from != origin)
        || value("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// Redirects to the sign-in page, and from there back to this page. If no superuser exists, the result is an error page
/// that explains how to create one.
async fn redirect_to_sign_in(parts: &Parts, http: &Http) -> Result<PageError, PageError> {
    if !first_superuser::has_superuser(&http.issuer).await? {
        return Ok(no_superuser_yet());
    }
    let next = if parts.method == Method::GET {
        AdminPath::parse_or_first(parts.uri.path_and_query().map(axum::http::uri::PathAndQuery::as_str))
    } else {
        AdminPath::of_referer(&parts.headers, http)
    };
    Ok(PageError::Redirect(next.after("/admin/login")))
}

/// The page that explains how to create the first superuser.
pub fn no_superuser_yet() -> PageError {
    let message = "There is no superuser. Restart the server: it prints a link to create the first one. Or create one \
                   on the command line: countersign users create NAME --email ADDRESS --superuser";
    PageError::page(StatusCode::FORBIDDEN, "No superuser exists yet", message)
}
