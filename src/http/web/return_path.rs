//! Paths within a zone, to which a form or a sign-in may redirect.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::http::HeaderMap;
use axum::http::header::REFERER;

use super::zone::Zone;
use crate::http::context::Http;
use crate::http::extract::query::link;

/// The maximum length of an accepted path in bytes.
const MAX_LENGTH: usize = 1000;

/// A path below the path of the zone, with an optional query and fragment. It never leads to another site, even if a
/// link supplied it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath<Z>(Cow<'static, str>, PhantomData<Z>);

impl<Z: Zone> ReturnPath<Z> {
    /// A path that is fixed in the code. In a constant, a path outside the zone is an error of the compiler.
    pub const fn fixed(path: &'static str) -> Self {
        assert!(begins_with_folder(path.as_bytes(), Z::POLICY.path.as_bytes()), "the path is not below the zone's");
        Self(Cow::Borrowed(path), PhantomData)
    }

    /// Accepts a path below the path of the zone that no browser interprets as another path or host.
    pub fn parse(text: &str) -> Option<Self> {
        is_below(Z::POLICY.path, text).then(|| Self(Cow::Owned(text.to_owned()), PhantomData))
    }

    /// Like [`Self::parse`], but returns the first page of the zone instead of `None`.
    pub fn parse_or_home(text: Option<&str>) -> Self {
        text.and_then(Self::parse).unwrap_or_else(Self::home)
    }

    /// The first page of the zone.
    pub fn home() -> Self {
        Self::fixed(Z::POLICY.home)
    }

    /// The page of the form, from the header `Referer`. The first page if the header is missing or names another site.
    pub fn of_referer(headers: &HeaderMap, http: &Http) -> Self {
        let referer = headers.get(REFERER).and_then(|referer| referer.to_str().ok());
        let path = referer.and_then(|referer| referer.strip_prefix(http.options.public_url.as_str()));
        Self::parse_or_home(path)
    }

    /// The path, without the path of the public URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `page` with this path as its query parameter `next`. The page redirects to it.
    pub fn via(&self, page: &str) -> String {
        link(page, &[("next", self.as_str())])
    }
}

/// Whether `path` is `folder`, a slash, and any rest. Written as a loop, because it runs in constants.
const fn begins_with_folder(path: &[u8], folder: &[u8]) -> bool {
    let mut at = 0;
    while at < folder.len() {
        if at >= path.len() || path[at] != folder[at] {
            return false;
        }
        at += 1;
    }
    at < path.len() && path[at] == b'/'
}

fn is_below(zone: &str, text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let ambiguous = ["//", "\\", "/.", "%2e", "%2f", "%5c"];
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_graphic()) && !ambiguous.iter().any(|part| lower.contains(part));
    let is_below = text.strip_prefix(zone).is_some_and(|rest| rest.starts_with('/'));
    is_plain && is_below && text.len() <= MAX_LENGTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_path_is_below_the_folder() {
        for (path, is_below) in
            [("/admin/", true), ("/admin/keys", true), ("/admin", false), ("/administer", false), ("/adm", false)]
        {
            assert_eq!(begins_with_folder(path.as_bytes(), b"/admin"), is_below, "{path}");
        }
    }

    #[test]
    fn only_paths_of_the_zone_are_accepted_as_next() {
        for accepted in ["/admin/", "/admin/users", "/admin/users/7?page=2&q=a%20b", "/admin/keys#x"] {
            assert!(is_below("/admin", accepted), "{accepted}");
        }
        for rejected in [
            "",
            "/",
            "/admin",
            "/administer",
            "/auth",
            "//evil.example/admin/",
            "/admin//evil.example",
            "/admin/\\evil.example",
            "https://evil.example/admin/",
            "/admin/../auth",
            "/admin/%2e%2E/auth",
            "/admin/%2fevil",
            "/admin/%5Cevil",
            "/admin/a b",
            "/admin/\r\nSet-Cookie: x=y",
            "/admin/ü",
            " /admin/",
            "javascript:/admin/",
        ] {
            assert!(!is_below("/admin", rejected), "{rejected}");
        }
        assert!(!is_below("/admin", &format!("/admin/{}", "a".repeat(MAX_LENGTH))));
    }
}
