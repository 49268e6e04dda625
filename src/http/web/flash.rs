//! The flash message: the result of a form, which the next page shows once. A cookie carries it. It is encrypted and
//! authenticated, so that another application on the same host cannot forge a message.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;

use super::cookies;
use super::redirect::see_other;
use super::return_path::ReturnPath;
use super::zone::{Zone, ZonePolicy};
use crate::http::context::Http;
use crate::http::extract::cookies::values;

/// The lifetime of a flash message.
const FLASH_LIFETIME: Duration = Duration::from_mins(1);

/// Redirects to a page, which shows `message`. This is the response to a form that changed something.
pub fn redirect<Z: Zone>(http: &Http, path: &ReturnPath<Z>, message: &str) -> Response {
    let policy = &Z::POLICY;
    let mut response = see_other(http, path.as_str());
    let sealed = http.issuer.browser_keys.seal_cookie(policy.flash_cookie, message.as_bytes(), &http.issuer.random);
    cookies::set(&mut response, http, policy, policy.flash_cookie, &sealed, FLASH_LIFETIME);
    response
}

/// The flash message in the cookie, if there is one.
pub fn read(headers: &HeaderMap, http: &Http, policy: &ZonePolicy) -> Option<String> {
    let name = policy.flash_cookie;
    let mut sealed = values(headers, name).into_iter();
    let plain = sealed.find_map(|sealed| http.issuer.browser_keys.open_cookie(name, sealed))?;
    String::from_utf8(plain.expose().to_vec()).ok()
}
