//! Paths within the admin zone, to which a form or a sign-in may redirect.

use axum::http::HeaderMap;
use axum::http::header::REFERER;
use url::form_urlencoded;

use crate::http::context::Http;

/// The maximum length of an accepted path in bytes.
const MAX_LENGTH: usize = 1000;

/// A path that starts with `/admin/`, with an optional query and fragment. It never leads to another site, even if a
/// link supplied it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPath(String);

impl AdminPath {
    /// Accepts a path that starts with `/admin/` and that no browser interprets as another path or host.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let ambiguous = ["//", "\\", "/.", "%2e", "%2f", "%5c"];
        let plain =
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !ambiguous.iter().any(|part| lower.contains(part));
        (plain && text.len() <= MAX_LENGTH && text.starts_with("/admin/")).then(|| Self(text.to_owned()))
    }

    /// Like [`Self::parse`], but returns the dashboard instead of `None`.
    pub fn parse_or_first(text: Option<&str>) -> Self {
        text.and_then(Self::parse).unwrap_or_else(Self::first)
    }

    /// The dashboard.
    pub fn first() -> Self {
        Self("/admin/".to_owned())
    }

    /// The page of the form, from the header `Referer`. The dashboard if the header is missing or names another site.
    pub fn of_referer(headers: &HeaderMap, http: &Http) -> Self {
        let referer = headers.get(REFERER).and_then(|referer| referer.to_str().ok());
        let path = referer.and_then(|referer| referer.strip_prefix(http.options.public_url.as_str()));
        Self::parse_or_first(path)
    }

    /// The path, without the path of the public URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `path` with this path as its query parameter `next`.
    pub fn after(&self, path: &str) -> String {
        let next: String = form_urlencoded::byte_serialize(self.0.as_bytes()).collect();
        format!("{path}?next={next}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_admin_paths_are_accepted_as_next() {
        for accepted in ["/admin/", "/admin/users", "/admin/users/7?page=2&q=a%20b", "/admin/keys#x"] {
            assert_eq!(AdminPath::parse(accepted).as_ref().map(AdminPath::as_str), Some(accepted));
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
            assert_eq!(AdminPath::parse(rejected), None, "{rejected}");
            assert_eq!(AdminPath::parse_or_first(Some(rejected)), AdminPath::first());
        }
        assert_eq!(AdminPath::parse(&format!("/admin/{}", "a".repeat(MAX_LENGTH))), None);
    }

    #[test]
    fn a_path_is_encoded_as_one_query_value() {
        let path = AdminPath::parse_or_first(Some("/admin/users?q=a&page=2"));
        assert_eq!(path.after("/admin/login"), "/admin/login?next=%2Fadmin%2Fusers%3Fq%3Da%26page%3D2");
    }
}
