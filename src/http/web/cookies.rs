//! Sets and removes the cookies of a zone. Browsers send them only to the path of the zone.

use std::time::Duration;

use axum::response::Response;

use super::zone::ZonePolicy;
use crate::http::context::Http;
use crate::http::extract::cookies::CookieAttributes;

/// Sets a cookie, which the browser deletes after `lifetime`.
pub fn set(response: &mut Response, http: &Http, policy: &ZonePolicy, name: &str, value: &str, lifetime: Duration) {
    let public_url = &http.options.public_url;
    let path = format!("{}{}", public_url.path(), policy.path);
    let attributes = CookieAttributes { path: &path, same_site: policy.same_site, secure: public_url.is_https() };
    attributes.set(response, name, value, lifetime);
}

/// Removes a cookie.
pub fn remove(response: &mut Response, http: &Http, policy: &ZonePolicy, name: &str) {
    set(response, http, policy, name, "", Duration::ZERO);
}
