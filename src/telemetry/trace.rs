//! Trace contexts that callers send. They are logged only if they have the standard form.

/// Returns a `traceparent` that may be logged (W3C Trace Context §3.2): version 00, 55 characters. Returns `None` for
/// every other value, because its meaning and length are unknown.
pub fn traceparent(header: &str) -> Option<&str> {
    let parts: Vec<&str> = header.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else { return None };
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
    let has_standard_form = version == "00" && (trace.len(), parent.len(), flags.len()) == (32, 16, 2);
    (has_standard_form && [trace, parent, flags].into_iter().all(hex) && nonzero(trace) && nonzero(parent))
        .then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_is_accepted() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(valid), Some(valid));
        for invalid in [
            "",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\n1",
        ] {
            assert_eq!(traceparent(invalid), None, "{invalid}");
        }
    }
}
