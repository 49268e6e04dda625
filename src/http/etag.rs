//! Entity tags (RFC 9110 §8.8.3): the client sends the tag of its copy, and gets a response without a body if its copy
//! is current.

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;

/// Whether the request contains this tag, or `*`, in `If-None-Match`. The comparison is weak (RFC 9110 §13.1.2). Only
/// the first header line counts. `etag` has quotation marks.
pub fn is_current(headers: &HeaderMap, etag: &[u8]) -> bool {
    let tags = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default().split(',');
    tags.map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag.as_bytes() == etag || tag == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_compared_weakly() {
        for (sent, expected) in [
            (Some("\"a\""), true),
            (Some("W/\"a\""), true),
            (Some("\"b\", \"a\""), true),
            (Some("*"), true),
            (Some("\"b\""), false),
            (Some("a"), false),
            (Some(""), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(sent.map(|sent| (IF_NONE_MATCH, sent.parse().expect("valid header value"))));
            assert_eq!(is_current(&headers, b"\"a\""), expected, "{sent:?}");
        }
    }
}
