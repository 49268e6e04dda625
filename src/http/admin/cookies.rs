//! The cookies of the admin zone. Browsers send them only to `/admin` and paths below it, and only with requests from
//! the same site. Scripts cannot read them.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use cookie::{Cookie, SameSite};

use crate::http::context::Http;

/// The cookie with the token of an admin session.
pub const SESSION: &str = "admin_session";
/// The cookie that identifies a browser in which no user is signed in. The CSRF tokens of its forms are bound to it.
pub const ANONYMOUS: &str = "admin_visit";
/// The cookie with the flash message: the result of a form, which the next page shows.
pub const FLASH: &str = "admin_flash";

/// The value of a cookie. `None` if the cookie is missing or empty.
pub fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(cookie_name, _)| *cookie_name == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Sets a cookie that expires after `seconds`.
pub fn set(response: &mut Response, http: &Http, name: &str, value: &str, seconds: i64) {
    let cookie = Cookie::build((name, value))
        .http_only(true)
        .same_site(SameSite::Strict)
        .path(format!("{}/admin", http.options.public_url.path()))
        .max_age(cookie::time::Duration::seconds(seconds))
        .secure(http.options.public_url.is_https());
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Removes a cookie.
pub fn remove(response: &mut Response, http: &Http, name: &str) {
    set(response, http, name, "", 0);
}
