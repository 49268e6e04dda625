//! The cookie with the token of a session.

use axum::http::HeaderMap;
use axum::response::Response;

use super::cookies;
use super::zone::{Zone, ZonePolicy, ZoneSession as _};
use crate::domain::secret::SecretText;
use crate::http::context::Http;
use crate::http::extract::cookies::values;
use crate::issuer::Refusal;

/// The tokens in the cookie. A browser may send several, of which some are no longer valid.
pub fn tokens<'h>(headers: &'h HeaderMap, policy: &ZonePolicy) -> Vec<&'h str> {
    values(headers, policy.session_cookie)
}

/// The first live session of the browser. `None` if there is none, or if the browser sends live sessions of two users:
/// another host of the same domain may have set one of the cookies.
pub async fn session<Z: Zone>(headers: &HeaderMap, http: &Http) -> Result<Option<Z::Session>, Refusal> {
    let mut first: Option<Z::Session> = None;
    for token in tokens(headers, &Z::POLICY) {
        let Some(session) = Z::resume(token, &http.issuer).await? else { continue };
        match &first {
            Some(first) if first.user().id != session.user().id => return Ok(None),
            Some(_) => {}
            None => first = Some(session),
        }
    }
    Ok(first)
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
