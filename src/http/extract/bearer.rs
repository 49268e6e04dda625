//! The access token of a request: in the `Authorization` header (RFC 6750 §2.1) or in the cookies `jwt_token` and
//! `__Host-jwt_token`, which a response sets and deletes.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;

use super::cookies::{self, CookieAttributes};
use crate::http::context::{Http, HttpOptions};
use crate::http::rejection::Rejection;
use crate::issuer::choose_token::ChooseToken;
use crate::issuer::issue::AccessToken;

/// The name of the cookie that carries an access token.
pub const COOKIE_NAME: &str = "jwt_token";
/// The name of the second cookie with the token, if the public URL is an https URL. Browsers accept a cookie with this
/// prefix only from this host, so no other host of the domain can set it (RFC 6265bis §4.1.3.2).
const HOST_COOKIE_NAME: &str = "__Host-jwt_token";

/// The maximum length of the name and the value of a cookie together, in bytes. Browsers ignore a longer cookie
/// (RFC 6265bis §5.6), so that the user would not be signed in, without any error.
const COOKIE_MAX: usize = 4096;

/// Returns the names of the cookies that carry the access token, in the order in which they are read.
fn cookie_names(options: &HttpOptions) -> &'static [&'static str] {
    if options.public_url.is_https() { &[HOST_COOKIE_NAME, COOKIE_NAME] } else { &[COOKIE_NAME] }
}

/// Returns the tokens in the cookies, by the name of the cookie.
fn from_cookies<'h>(headers: &'h HeaderMap, options: &HttpOptions) -> Vec<Vec<&'h str>> {
    cookie_names(options).iter().map(|name| cookies::values(headers, name)).collect()
}

/// Whether the request carries a cookie with an access token, valid or not.
pub fn has_cookie(headers: &HeaderMap, options: &HttpOptions) -> bool {
    from_cookies(headers, options).iter().any(|tokens| !tokens.is_empty())
}

/// The access token from the header. It has no `Debug`, so that no log contains the token.
pub struct BearerHeader {
    /// The token. `None` if the header contains none.
    pub token: Option<String>,
}

impl FromRequestParts<Http> for BearerHeader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self, Infallible> {
        Ok(Self { token: from_header(&parts.headers) })
    }
}

/// The access token from the header or the cookie, or the rejection, which the handler converts into its error body.
pub type BearerResult = Result<HeaderOrCookie, Rejection>;

/// The access token from the header, or else from the cookie. It has no `Debug`, so that no log contains the token.
#[derive(Default)]
pub struct HeaderOrCookie {
    /// The token. `None` if the request contains none.
    pub token: Option<String>,
}

impl FromRequestParts<Http> for HeaderOrCookie {
    type Rejection = Rejection;

    /// Rejects a request other than GET that is authenticated only by the cookie and comes from a page of an origin
    /// that is not allowed. A browser may send the cookie even with a form on an attacker's page (CSRF).
    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Rejection> {
        if let Some(token) = from_header(&parts.headers) {
            return Ok(Self { token: Some(token) });
        }
        let cookies = from_cookies(&parts.headers, &http.options);
        if cookies.iter().all(Vec::is_empty) {
            return Ok(Self::default());
        }
        if parts.method != Method::GET && is_foreign(&parts.headers, &http.options) {
            return Err(Rejection::ForeignOrigin);
        }
        let token = ChooseToken { cookies: &cookies }.run(&http.issuer).await;
        Ok(Self { token: token.map(str::to_owned) })
    }
}

/// The access token from the header, with or without the scheme `Bearer`. It has no `Debug`, so that no log contains
/// the token.
#[derive(Default)]
pub struct BareOrBearer {
    /// The token. `None` if the header contains none.
    pub token: Option<String>,
}

impl FromRequestParts<Http> for BareOrBearer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _http: &Http) -> Result<Self, Infallible> {
        let bare = || Some(authorization(&parts.headers)?.trim().to_owned());
        let bare = || bare().filter(|token| !token.is_empty() && !token.contains(' '));
        Ok(Self { token: from_header(&parts.headers).or_else(bare) })
    }
}

/// Returns the value of the `Authorization` header. `None` if there are two, because a proxy in front may have checked
/// the other one.
fn authorization(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(one), None) => one.to_str().ok(),
        _ => None,
    }
}

fn from_header(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = authorization(headers)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned()).filter(|token| !token.is_empty())
}

/// Whether browsers accept the cookies with this access token. Logs a token that is too large.
pub fn fits_cookie(token: &AccessToken, options: &HttpOptions) -> bool {
    let longest_name = cookie_names(options).iter().map(|name| name.len()).max().unwrap_or_default();
    let bytes = token.text.expose().len() + longest_name;
    if bytes > COOKIE_MAX {
        tracing::warn!(user = %token.user, bytes, "access token is too large for a cookie; no cookie is set");
    }
    bytes <= COOKIE_MAX
}

/// Adds the cookies that carry an access token. They expire when the token does. If the token is too large for one of
/// them, adds none: the other one would not replace an earlier token that this one carries.
pub fn with_cookie(mut response: Response, token: &AccessToken, options: &HttpOptions) -> Response {
    if !fits_cookie(token, options) {
        return response;
    }
    for name in cookie_names(options) {
        CookieAttributes::of_site(options).set(&mut response, name, token.text.expose(), token.lifetime);
    }
    response
}

/// Deletes the cookies that carry an access token.
pub fn without_cookie(mut response: Response, options: &HttpOptions) -> Response {
    for name in cookie_names(options) {
        CookieAttributes::of_site(options).remove(&mut response, name);
    }
    response
}

/// Whether the request comes from a page of an origin that is not allowed. A request without `Origin` counts as
/// allowed, because current browsers send the header with every cross-origin request other than GET and HEAD.
fn is_foreign(headers: &HeaderMap, options: &HttpOptions) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    origin != options.public_url.origin().as_str() && !options.allows_origin(origin.as_bytes())
}
