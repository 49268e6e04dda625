//! Cookies: those of a request are read here, and those of a response are set and removed here.

use std::time::Duration;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use cookie::{Cookie, SameSite};

use crate::http::context::HttpOptions;

/// The maximum number of cookies with one name that count. Checking a value may cost a signature verification, and an
/// attacker can send as many cookies as fit into a request head.
const MAX_VALUES: usize = 16;

/// Returns the values of the cookies with this name, in the order of the request and without repetitions. Browsers send
/// several cookies with one name if their paths or domains differ, for example one that another application has left
/// on the host. Values that are empty or not ASCII are skipped: this server sets no such cookie.
pub fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let mut values = Vec::new();
    for (found, value) in named(headers, name) {
        if values.len() < MAX_VALUES && found == name && !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// Returns the names and values of the cookies whose names begin with `prefix`, in the order of the request.
pub fn named<'h>(headers: &'h HeaderMap, prefix: &str) -> impl Iterator<Item = (&'h str, &'h str)> {
    let lines = headers.get_all(COOKIE).iter();
    // A header line consists of bytes, and other applications may put any bytes into their cookies (RFC 6265 §5.4).
    // The line is therefore split as bytes, and only the names and values of our own cookies must be text.
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        // Only ASCII white space is trimmed. Browsers trim the same when they check the prefix `__Host-`, so that a name
        // with other white space before this prefix must not become a name with the prefix.
        let name = pair[..at].trim_ascii();
        let value = pair[at + 1..].trim_ascii();
        let is_own = name.starts_with(prefix.as_bytes()) && !value.is_empty() && value.is_ascii();
        Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?)).filter(|_| is_own)
    })
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

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).expect("valid header value"));
        }
        headers
    }

    #[test]
    fn own_cookies_are_found_among_any_other_bytes() {
        let foreign: &[&[u8]] = &[
            b"",
            b";",
            b"x",
            b"=",
            b"=x",
            b"x=",
            "name=Jürgen".as_bytes(),
            b"name=J\xfcrgen",
            b"n\xff\xfe=1",
            b"a=\"quoted, text\"",
            b"a=b=c",
            b"json={\"a\":[1,2]}",
            b"\xa0own=2",
            "\u{2003}own=2".as_bytes(),
            b"Own=2",
            b"own.=2",
            b"own",
            b"own=",
            b"own=\xe4",
        ];
        for other in foreign {
            for lines in [
                vec![[*other, b"; own=1"].concat()],
                vec![[b"own=1; ", *other].concat()],
                vec![[b"a=1;", *other, b";own = 1\t; b=2"].concat()],
                vec![other.to_vec(), b"own=1".to_vec()],
                vec![b"own=1".to_vec(), other.to_vec()],
            ] {
                let headers = headers(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
                assert_eq!(values(&headers, "own"), ["1"], "{lines:?}");
            }
        }
    }

    #[test]
    fn several_cookies_with_a_name_keep_their_order() {
        let headers = headers(&[b"a=1; b=; c=x=y", b"a=2; a_3=z; d=\xe9", b"a=1;a=3"]);
        for (name, expected) in [("a", &["1", "2", "3"][..]), ("b", &[]), ("c", &["x=y"]), ("d", &[]), ("f", &[])] {
            assert_eq!(values(&headers, name), expected, "{name}");
        }
        let with_prefix: Vec<_> = named(&headers, "a_").collect();
        assert_eq!(with_prefix, [("a_3", "z")]);
    }

    #[test]
    fn the_number_of_cookies_with_a_name_is_limited() {
        let cookies: Vec<String> = (0..100).map(|number| format!("a={number}")).collect();
        assert_eq!(values(&headers(&[cookies.join("; ").as_bytes()]), "a").len(), MAX_VALUES);
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
