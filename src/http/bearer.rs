//! The access token a request carries: in the `Authorization` header (RFC 6750 §2.1) or in the `jwt_token` cookie.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use cookie::Cookie;

use super::rejection::Rejection;
use super::{Http, HttpOptions};

/// The name of the cookie that carries an access token.
pub const COOKIE_NAME: &str = "jwt_token";

/// A token from the header alone. `Debug` does not show it.
pub struct BearerHeader {
    /// The token; None where none was sent.
    pub token: Option<String>,
}

impl FromRequestParts<Http> for BearerHeader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self, Infallible> {
        Ok(Self { token: from_header(&parts.headers) })
    }
}

/// The access token of the header or cookie, or why it was rejected, for handlers that reject in the words of their API.
pub type BearerResult = Result<HeaderOrCookie, Rejection>;

/// A token from the header, or else from the cookie. `Debug` does not show it.
#[derive(Default)]
pub struct HeaderOrCookie {
    /// The token; None where none was sent.
    pub token: Option<String>,
}

impl FromRequestParts<Http> for HeaderOrCookie {
    type Rejection = Rejection;

    /// A browser sends cookies wherever a page sends its forms: a POST that only a cookie speaks for must come from a
    /// page of ours or of an allowed origin.
    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Rejection> {
        if let Some(token) = from_header(&parts.headers) {
            return Ok(Self { token: Some(token) });
        }
        let Some(token) = cookie(&parts.headers, COOKIE_NAME) else { return Ok(Self::default()) };
        if parts.method != Method::GET && is_foreign(&parts.headers, &http.options) {
            return Err(Rejection::ForeignOrigin);
        }
        Ok(Self { token: Some(token) })
    }
}

/// A token from the header alone, with or without `Bearer` before it. `Debug` does not show it.
#[derive(Default)]
pub struct BareOrBearer {
    /// The token; None where none was sent.
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

/// The one `Authorization` header. Of two, whoever stands before us may have judged the other: they are none.
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

/// The value of a cookie; None where there is none, or an empty one.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = cookies(headers).find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned());
    value.filter(|token| !token.is_empty())
}

/// All cookies that came.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(Cookie::split_parse).flatten()
}

/// A request without `Origin` comes from no page of a present browser.
fn is_foreign(headers: &HeaderMap, options: &HttpOptions) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let own = options.public_url.origin();
    !origin
        .to_str()
        .is_ok_and(|origin| origin == own || options.allowed_origins.iter().any(|allowed| allowed == origin))
}
