//! The cookie with the token of a session.

use axum::http::HeaderMap;
use axum::response::Response;

use super::cookies;
use super::zone::{Zone, ZonePolicy};
use crate::domain::secret::SecretText;
use crate::http::context::Http;
use crate::http::extract::cookies::value;
use crate::issuer::Refusal;

/// The token in the cookie. `None` if there is none.
pub fn token(headers: &HeaderMap, policy: &ZonePolicy) -> Option<String> {
    value(headers, policy.session_cookie)
}

/// The live session of the browser, if there is one.
pub async fn session<Z: Zone>(headers: &HeaderMap, http: &Http) -> Result<Option<Z::Session>, Refusal> {
    match token(headers, &Z::POLICY) {
        Some(token) => Z::resume(&token, &http.issuer).await,
        None => Ok(None),
    }
}

/// Sets the session cookie, and removes the cookie that identified the browser before the sign-in.
pub fn set(response: &mut Response, http: &Http, policy: &ZonePolicy, token: &SecretText) {
    cookies::set(response, http, policy, policy.session_cookie, token.expose(), policy.lifetime.max_lifetime);
    cookies::remove(response, http, policy, policy.anonymous_cookie);
}

/// Removes the session cookie.
pub fn remove(response: &mut Response, http: &Http, policy: &ZonePolicy) {
    cookies::remove(response, http, policy, policy.session_cookie);
}
