//! The extractors that protect the handlers. A page handler takes a [`Superuser`]; a form handler takes a [`Checked`]
//! form. The extraction of a [`Checked`] verifies the sender, the CSRF token and the origin of the form, so a form
//! handler cannot omit these checks.

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
use crate::http::context::Http;
use crate::http::extract::body::{JsonBody, SubmittedBody};
use crate::http::pages::Page;
use crate::http::rejection::Rejection;
use crate::issuer::admin::sign_in::{AdminSignedIn, ResumeAdminSession};
use crate::issuer::{Caller, first_superuser};

/// The form field with the CSRF token.
const CSRF_FIELD: &str = "csrf";
/// The lifetime of the value of the cookie [`ANONYMOUS`] in seconds. It is the maximum lifetime of a form for users who
/// are not signed in.
const ANONYMOUS_SECONDS: i64 = 1800;

/// A sender of forms, and the value to which the CSRF token is bound.
pub trait FormSender: Sized {
    /// Finds the sender of the request. The error is a redirect, for example to the sign-in page, or an error page.
    fn find(parts: &Parts, http: &Http) -> impl Future<Output = Result<Self, PageError>> + Send;
    /// The value to which the CSRF tokens of this sender are bound.
    fn csrf_binding(&self) -> Vec<u8>;
}

/// A superuser who is signed in to the admin zone.
#[derive(Clone, Debug)]
pub struct Superuser {
    session: AdminSignedIn,
    path: String,
    flash: Option<String>,
}

impl Superuser {
    /// The user and the session.
    pub fn signed_in(&self) -> &AdminSignedIn {
        &self.session
    }

    /// The operator for the audit log.
    pub fn operator(&self, from: Caller) -> Operator {
        let user = self.session.user();
        Operator::Superuser { id: user.id, username: user.username.clone(), address: from.address }
    }

    /// Renders a page for this superuser.
    pub fn show<P: Page>(&self, http: &Http, status: StatusCode, page: &P) -> Response {
        let frame = PageFrame {
            username: Some(self.session.user().username.to_string()),
            csrf: http.issuer.admin.csrf_token(&self.csrf_binding()),
            path: self.path.clone(),
            flash: self.flash.clone(),
            ..PageFrame::without_user(http)
        };
        frame.show(http, status, page)
    }
}

impl FormSender for Superuser {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, PageError> {
        let token = cookies::read(&parts.headers, SESSION).and_then(AdminToken::parse);
        let session = match token {
            Some(token) => ResumeAdminSession { token }.run(&http.issuer).await?,
            None => None,
        };
        let Some(session) = session else { return Err(redirect_to_sign_in(parts, http).await?) };
        let path = parts.uri.path().to_owned();
        let flash = frame::flash(&parts.headers, http);
        Ok(Self { session, path, flash })
    }

    fn csrf_binding(&self) -> Vec<u8> {
        [b"session ".as_slice(), &self.session.hash().0].concat()
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

/// A superuser who entered the password within the last 5 minutes, for forms that an attacker with the session must not
/// be able to send. If the password was entered earlier than that, the superuser is redirected to a page that asks for
/// it, and from there back to the page with the form.
#[derive(Clone, Debug)]
pub struct SteppedUp(Superuser);

impl SteppedUp {
    /// The same superuser, if the password was entered recently enough.
    pub fn of(superuser: &Superuser, http: &Http) -> Option<Self> {
        superuser.session.session().is_stepped_up(http.issuer.clock.now()).then(|| Self(superuser.clone()))
    }

    /// The superuser.
    pub fn superuser(&self) -> &Superuser {
        &self.0
    }
}

impl FormSender for SteppedUp {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, PageError> {
        let superuser = Superuser::find(parts, http).await?;
        let redirect = || PageError::Redirect(AdminPath::of_referer(&parts.headers, http).after("/admin/prove"));
        Self::of(&superuser, http).ok_or_else(redirect)
    }

    fn csrf_binding(&self) -> Vec<u8> {
        self.0.csrf_binding()
    }
}

/// A browser in which no user is signed in. An encrypted cookie, valid for 30 minutes, identifies the browser.
#[derive(Clone, Debug)]
pub struct AnonymousBrowser {
    sealed: String,
}

impl AnonymousBrowser {
    /// Reads the cookie if it is valid for more than another 15 minutes, and otherwise creates a new one.
    pub fn begin(headers: &HeaderMap, http: &Http) -> Self {
        Self::read_cookie(headers, http, ANONYMOUS_SECONDS / 2).unwrap_or_else(|| {
            let until = http.issuer.clock.now().unix() + ANONYMOUS_SECONDS;
            let sealed = http.issuer.admin.seal_cookie(ANONYMOUS, &until.to_be_bytes(), &http.issuer.random);
            Self { sealed }
        })
    }

    /// Reads the cookie. `None` if it is missing, not authentic, or expires within `seconds`.
    fn read_cookie(headers: &HeaderMap, http: &Http, seconds: i64) -> Option<Self> {
        let sealed = cookies::read(headers, ANONYMOUS)?.to_owned();
        let until =
            http.issuer.admin.open_cookie(ANONYMOUS, &sealed)?.expose().try_into().map(i64::from_be_bytes).ok()?;
        let needed = Timestamp::from_unix(http.issuer.clock.now().unix() + seconds);
        (needed < Timestamp::from_unix(until)).then_some(Self { sealed })
    }

    /// Renders a page and sets the cookie.
    pub fn show<P: Page>(&self, http: &Http, status: StatusCode, page: &P) -> Response {
        let csrf = http.issuer.admin.csrf_token(&self.csrf_binding());
        let mut response = PageFrame { csrf, ..PageFrame::without_user(http) }.show(http, status, page);
        cookies::set(&mut response, http, ANONYMOUS, &self.sealed, ANONYMOUS_SECONDS);
        response
    }
}

impl FormSender for AnonymousBrowser {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, PageError> {
        Self::read_cookie(&parts.headers, http, 0).ok_or_else(PageError::forged)
    }

    fn csrf_binding(&self) -> Vec<u8> {
        [b"visit ".as_slice(), self.sealed.as_bytes()].concat()
    }
}

/// A form with a valid CSRF token, sent by an authorised sender and not from a page of another origin.
#[derive(Debug)]
pub struct Checked<S> {
    /// The sender.
    pub sender: S,
    /// The fields.
    pub form: JsonBody,
}

impl<S: FormSender + Send> FromRequest<Http> for Checked<S> {
    type Rejection = PageError;

    async fn from_request(request: Request, http: &Http) -> Result<Self, PageError> {
        if is_cross_origin(request.headers(), http) {
            return Err(PageError::forged());
        }
        let (parts, body) = request.into_parts();
        let sender = S::find(&parts, http).await?;
        let mut form = match SubmittedBody::from_request(Request::from_parts(parts, body), http).await? {
            SubmittedBody::Form(form) => form,
            SubmittedBody::Json(_) => {
                return Err(Rejection::WrongContentType("a form as application/x-www-form-urlencoded, in UTF-8").into());
            }
        };
        let csrf = form.text_named(CSRF_FIELD).ok().flatten().unwrap_or_default();
        if !http.issuer.admin.is_csrf_token(&sender.csrf_binding(), &csrf) {
            return Err(PageError::forged());
        }
        Ok(Self { sender, form })
    }
}

/// Whether a page of another origin sent the form. Old browsers that send neither `Origin` nor `Sec-Fetch-Site` are
/// accepted, because the cookies are `SameSite=Strict`.
fn is_cross_origin(headers: &HeaderMap, http: &Http) -> bool {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = http.options.public_url.origin();
    value(ORIGIN.as_str()).is_some_and(|from| from != origin)
        || value("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// Redirects to the sign-in page. After the sign-in, the user returns to the requested page, or to the page in
/// `Referer` if the request was not a GET. If no superuser exists, the result is an error page that explains how to
/// create one.
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
    let message = "Restart the server to print a link that creates the first superuser. Or run: countersign users \
                   create NAME --email ADDRESS --superuser";
    PageError::page(StatusCode::FORBIDDEN, "No superuser exists yet", message)
}
