//! The origin of a page or an app, which a browser sends in the header `Origin`.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::public_url::{PUBLIC_URL_MAX, PublicUrl};

/// The origin of a page or an app (RFC 6454 §6.2): scheme, host and port, as browsers write it. The scheme of a page is
/// `http` or `https`; hybrid and desktop apps and browser extensions have schemes of their own, such as `capacitor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// The origin as text: scheme and host in lower case, without a default port.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the value of an `Origin` header names this origin. Scheme and host are compared without regard to case,
    /// because not every app normalises the host of its own scheme.
    pub fn is(&self, header: &[u8]) -> bool {
        self.0.as_bytes().eq_ignore_ascii_case(header)
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrigin {
    /// The text contains `*`.
    #[error("a wildcard would let every site read the responses of a signed-in user; list each origin")]
    Wildcard,
    /// The text is `null`.
    #[error("\"null\" is the origin of every sandboxed page, of any site; serve the page from an origin of its own")]
    Null,
    /// The text has no scheme or host, or it has a path.
    #[error(
        "not an origin; use exactly scheme://host or scheme://host:port, such as \"https://app.example.com\" or \
         \"capacitor://localhost\""
    )]
    Malformed,
}

impl FromStr for WebOrigin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        if text.contains('*') {
            return Err(NotAnOrigin::Wildcard);
        }
        if text.eq_ignore_ascii_case("null") {
            return Err(NotAnOrigin::Null);
        }
        let (scheme, rest) = text.split_once("://").ok_or(NotAnOrigin::Malformed)?;
        if rest.contains(['/', '\\', '?', '#', '@']) || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(NotAnOrigin::Malformed);
        }
        let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
        if is_web { of_page(text) } else { of_app(text) }.ok_or(NotAnOrigin::Malformed).map(Self)
    }
}

fn of_page(text: &str) -> Option<String> {
    text.parse::<PublicUrl>().ok().map(|url| url.origin())
}

/// The `url` crate gives URLs of other schemes an opaque origin and keeps the case of their host.
fn of_app(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= PUBLIC_URL_MAX)?;
    let host = url.host_str().filter(|host| !host.is_empty())?.to_ascii_lowercase();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_of_any_scheme_is_normalised() {
        for (text, normalised) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.example.com:443", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://münchen.example", "https://xn--mnchen-3ya.example"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Capacitor://LocalHost", "capacitor://localhost"),
            ("ionic://localhost", "ionic://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("app://.", "app://."),
            ("app://bundle:8080", "app://bundle:8080"),
            ("app://[::1]", "app://[::1]"),
            (
                "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh",
                "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh",
            ),
            (
                "moz-extension://7c1b8a2e-0000-4000-8000-000000000000",
                "moz-extension://7c1b8a2e-0000-4000-8000-000000000000",
            ),
            ("safari-web-extension://7C1B8A2E-0000", "safari-web-extension://7c1b8a2e-0000"),
            ("ms-appx-web://Some.Package_1", "ms-appx-web://some.package_1"),
            ("vscode-webview://0abc", "vscode-webview://0abc"),
            ("com.example.app+x-1://host", "com.example.app+x-1://host"),
        ] {
            let parsed = text.parse::<WebOrigin>();
            assert_eq!(parsed.as_ref().map(WebOrigin::as_str), Ok(normalised), "{text}");
            let again = normalised.parse::<WebOrigin>();
            assert_eq!(again, parsed, "{text}: the normalised form is stable");
        }
    }

    #[test]
    fn a_text_without_a_host_or_with_more_is_rejected() {
        use NotAnOrigin::{Malformed, Null, Wildcard};
        let long = format!("app://{}", "a".repeat(PUBLIC_URL_MAX));
        for (text, why) in [
            ("*", Wildcard),
            ("https://*.example.com", Wildcard),
            ("capacitor://*", Wildcard),
            ("null", Null),
            ("", Malformed),
            ("app.example.com", Malformed),
            ("localhost:3000", Malformed),
            ("https://", Malformed),
            ("https:app.example.com", Malformed),
            ("https://app.example.com/", Malformed),
            ("https://app.example.com/a", Malformed),
            ("https://app.example.com?a", Malformed),
            ("https://app.example.com#a", Malformed),
            ("https://me@app.example.com", Malformed),
            ("https://app.example.com:99999", Malformed),
            ("https://app .example.com", Malformed),
            ("capacitor://", Malformed),
            ("capacitor:///", Malformed),
            ("capacitor:localhost", Malformed),
            ("capacitor://localhost/", Malformed),
            ("capacitor://localhost/x", Malformed),
            ("capacitor://local host", Malformed),
            ("capacitor://localhost:x", Malformed),
            ("capacitor://me:pw@localhost", Malformed),
            ("file:///index.html", Malformed),
            ("://localhost", Malformed),
            ("1app://localhost", Malformed),
            ("app,b://localhost", Malformed),
            ("data:text/html,x", Malformed),
            ("about:blank", Malformed),
            (&long, Malformed),
        ] {
            assert_eq!(text.parse::<WebOrigin>().map(|origin| origin.to_string()), Err(why), "{text}");
        }
    }

    #[test]
    fn only_the_same_origin_matches() -> Result<(), NotAnOrigin> {
        let origin: WebOrigin = "capacitor://localhost".parse()?;
        for (header, is_same) in [
            ("capacitor://localhost", true),
            ("capacitor://LOCALHOST", true),
            ("capacitor://localhost:1", false),
            ("ionic://localhost", false),
            ("http://localhost", false),
            ("capacitor://localhost.evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(origin.is(header.as_bytes()), is_same, "{header}");
        }
        Ok(())
    }
}
