//! Paths within the zone: where a form or a sign-in may lead on to.

use axum::http::HeaderMap;
use axum::http::header::REFERER;
use url::form_urlencoded;

use crate::http::Http;

/// The longest path that is gone on to.
const LONGEST: usize = 1000;

/// A path below `/admin/`, perhaps with a query: what a link can't make lead anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPath(String);

impl AdminPath {
    /// Takes a path that begins with `/admin/` and can't be read as anything else by any browser.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let strange = ["//", "\\", "/.", "%2e", "%2f", "%5c"];
        let plain =
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !strange.iter().any(|part| lower.contains(part));
        (plain && text.len() <= LONGEST && text.starts_with("/admin/")).then(|| Self(text.to_owned()))
    }

    /// The same, or the first page.
    pub fn parse_or_first(text: Option<&str>) -> Self {
        text.and_then(Self::parse).unwrap_or_else(Self::first)
    }

    /// The first page.
    pub fn first() -> Self {
        Self("/admin/".to_owned())
    }

    /// The page a form was on, as far as the browser says so and it is one of ours.
    pub fn of_referer(headers: &HeaderMap, http: &Http) -> Self {
        let referer = headers.get(REFERER).and_then(|referer| referer.to_str().ok());
        let path = referer.and_then(|referer| referer.strip_prefix(http.options.public_url.as_str()));
        Self::parse_or_first(path)
    }

    /// The path, without what the public URL puts before it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path with this one as its `next`.
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
        for good in ["/admin/", "/admin/users", "/admin/users/7?page=2&q=a%20b", "/admin/keys#x"] {
            assert_eq!(AdminPath::parse(good).as_ref().map(AdminPath::as_str), Some(good));
        }
        for bad in [
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
            assert_eq!(AdminPath::parse(bad), None, "{bad}");
            assert_eq!(AdminPath::parse_or_first(Some(bad)), AdminPath::first());
        }
        assert_eq!(AdminPath::parse(&format!("/admin/{}", "a".repeat(LONGEST))), None);
    }

    #[test]
    fn a_path_is_encoded_as_one_query_value() {
        let path = AdminPath::parse_or_first(Some("/admin/users?q=a&page=2"));
        assert_eq!(path.after("/admin/login"), "/admin/login?next=%2Fadmin%2Fusers%3Fq%3Da%26page%3D2");
    }
}
