//! Cookies: those of a request are read here, and those of a response are set and removed here.

use std::time::Duration;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use cookie::{Cookie, SameSite};

use crate::http::context::HttpOptions;

/// Returns all cookies of the request.
pub fn all(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(Cookie::split_parse).flatten()
}

/// Returns the value of a cookie. `None` if the cookie is missing or empty. If there are two cookies with this name,
/// the first one counts: browsers send the cookie with the longer path first (RFC 6265 §5.4).
pub fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = all(headers).find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned());
    value.filter(|value| !value.is_empty())
}

/// The attributes that the cookies with one purpose share. In addition, all cookies are `HttpOnly`: scripts cannot read
/// them.
#[derive(Clone, Copy, Debug)]
pub struct CookieAttributes<'a> {
    /// The path: browsers send the cookie with requests for this path and the paths below it.
    pub path: &'a str,
    /// Whether browsers send the cookie with requests that another site causes.
    pub same_site: SameSite,
    /// Whether browsers send the cookie over https only.
    pub secure: bool,
}

impl CookieAttributes<'static> {
    /// Returns the attributes of a cookie for all paths of this server. It is `Lax`, so that browsers also send it when
    /// the user follows a link from another site or returns from a provider.
    pub fn of_site(options: &HttpOptions) -> Self {
        Self { path: "/", same_site: SameSite::Lax, secure: options.public_url.is_https() }
    }
}

impl CookieAttributes<'_> {
    /// Adds a cookie to the response. The browser deletes it after `lifetime`, in whole seconds.
    pub fn set(&self, response: &mut Response, name: &str, value: &str, lifetime: Duration) {
        let seconds = lifetime.as_secs().try_into().unwrap_or(i64::MAX);
        let cookie = Cookie::build((name, value))
            .http_only(true)
            .same_site(self.same_site)
            .path(self.path)
            .max_age(cookie::time::Duration::seconds(seconds))
            .secure(self.secure);
        // Names and values contain no control character, so that this does not fail.
        if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }

    /// Lets the browser delete a cookie that was set with the same attributes.
    pub fn remove(&self, response: &mut Response, name: &str) {
        self.set(response, name, "", Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn the_first_cookie_with_a_name_counts() {
        let mut headers = HeaderMap::new();
        for line in ["a=1; b=; c=x=y", "a=2; d=\u{e9}", "e=3"] {
            headers.append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).expect("valid header value"));
        }
        for (name, expected) in
            [("a", Some("1")), ("b", None), ("c", Some("x=y")), ("d", None), ("e", Some("3")), ("f", None)]
        {
            assert_eq!(value(&headers, name).as_deref(), expected, "{name}");
        }
        assert_eq!(all(&headers).count(), 4);
    }

    #[test]
    fn a_cookie_is_set_and_removed_with_the_same_attributes() {
        let mut response = ().into_response();
        let attributes = CookieAttributes { path: "/", same_site: SameSite::Lax, secure: true };
        attributes.set(&mut response, "a", "1", Duration::from_millis(60_999));
        CookieAttributes { secure: false, ..attributes }.remove(&mut response, "a");
        let set: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
        assert_eq!(
            set,
            [
                "a=1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60",
                "a=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
            ]
        );
    }
}
