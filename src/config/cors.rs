//! CORS: `[cors]`, the origins whose scripts may call the server, and the request headers that they may send.

use super::reader::Reader;
use crate::domain::web_origin::WebOrigin;

/// The request headers that scripts may send by default: those that `django-cors-headers` allows, and those that
/// libraries for CSRF protection, caching, request ids and tracing add by themselves.
const ALLOWED_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "content-type",
    "dnt",
    "origin",
    "user-agent",
    "x-csrftoken",
    "x-requested-with",
    "x-csrf-token",
    "x-xsrf-token",
    "cache-control",
    "pragma",
    "expires",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "idempotency-key",
    "request-id",
    "x-request-id",
    "x-correlation-id",
    "x-client-request-id",
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "sentry-trace",
    "newrelic",
    "request-context",
    "uber-trace-id",
    "elastic-apm-traceparent",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-origin",
    "x-datadog-sampling-priority",
];
/// The maximum length of a header name in bytes.
const HEADER_NAME_MAX: usize = 100;

/// `[cors]`
#[derive(Clone, Debug)]
pub struct CorsConfig {
    /// The origins whose scripts may call the server and read responses.
    pub allowed_origins: Vec<WebOrigin>,
    /// The names of the request headers that these scripts may send, in lower case. The server also allows
    /// `Authorization` and `Content-Type`, which its API needs.
    pub allowed_headers: Vec<String>,
}

impl CorsConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            allowed_origins: r.list("cors.allowed_origins", &[], str::parse::<WebOrigin>),
            allowed_headers: r.list("cors.allowed_headers", ALLOWED_HEADERS, header_name),
        }
    }
}

/// Parses the name of a header (a token, RFC 9110 §5.6.2).
fn header_name(text: &str) -> Result<String, &'static str> {
    if text == "*" {
        return Err("with cookies, browsers take \"*\" as the name of a header; list each header");
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || text.len() > HEADER_NAME_MAX || !text.bytes().all(is_token) {
        return Err("not the name of a header; use for example \"x-requested-with\"");
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::config::Config;

    fn problem(toml: &str) -> String {
        Config::from_toml(toml).unwrap_err().to_string()
    }

    #[test]
    fn origins_are_shown_in_the_form_that_is_compared() {
        let config =
            Config::from_toml("cors.allowed_origins = ['HTTPS://App.example.com:443', 'Capacitor://localhost']")
                .unwrap();
        let shown = config.settings.iter().find(|setting| setting.key == "cors.allowed_origins").unwrap();
        assert_eq!(shown.value.as_deref(), Some(r#"["https://app.example.com", "capacitor://localhost"]"#));
    }

    #[test]
    fn invalid_origins_are_rejected_with_the_reason() {
        assert!(problem("cors.allowed_origins = ['*']").contains("would let every site read"));
        assert!(problem("cors.allowed_origins = ['null']").contains("origin of every sandboxed page"));
        let error = problem("cors.allowed_origins = ['https://app.example.com', 'https://app.example.com/']");
        assert!(error.contains("\"https://app.example.com/\": not an origin; use exactly scheme://host"), "{error}");
    }

    #[test]
    fn header_names_are_tokens_in_any_case() {
        let read = |toml| Config::from_toml(toml).unwrap().cors.allowed_headers;
        assert_eq!(read(""), ALLOWED_HEADERS);
        assert_eq!(read("cors.allowed_headers = ['X-Shop', 'x_y.z']"), ["x-shop", "x_y.z"]);
        assert_eq!(read("cors.allowed_headers = []"), [""; 0]);
        assert!(problem("cors.allowed_headers = ['*']").contains("list each header"));
        let long = "a".repeat(HEADER_NAME_MAX + 1);
        for invalid in ["", "a b", "a:b", "a,b", "ä", "a\\u0007", &long] {
            let error = problem(&format!("cors.allowed_headers = [\"{invalid}\"]"));
            assert!(error.contains("not the name of a header"), "{invalid}: {error}");
        }
    }

    #[test]
    fn every_default_header_is_listed_once() {
        for (index, name) in ALLOWED_HEADERS.iter().enumerate() {
            assert_eq!(header_name(name).as_deref(), Ok(*name));
            assert!(!ALLOWED_HEADERS[..index].contains(name), "{name}");
        }
    }
}
