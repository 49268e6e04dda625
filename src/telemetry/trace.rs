//! The names that callers' tracing gives a request: told in the log, and followed nowhere.

/// A `traceparent` as it may be logged (W3C Trace Context §3.2): version 00, 55 characters. None for anything else, for
/// its meaning or its length would not be known.
pub fn traceparent(header: &str) -> Option<&str> {
    let parts: Vec<&str> = header.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else { return None };
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let named = |part: &str| part.bytes().any(|byte| byte != b'0');
    let shape = version == "00" && (trace.len(), parent.len(), flags.len()) == (32, 16, 2);
    (shape && [trace, parent, flags].into_iter().all(hex) && named(trace) && named(parent)).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_is_accepted() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(good), Some(good));
        for bad in [
            "",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\n1",
        ] {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
    }
}
