//! The part of a caller's text that is logged.

/// The maximum number of characters of a text from a caller in a log line.
const EXCERPT_MAX: usize = 200;

/// The first 200 characters of a text from a caller, so that callers cannot fill the log with long lines.
pub fn excerpt(text: &str) -> &str {
    if text.len() <= EXCERPT_MAX {
        return text;
    }
    text.char_indices().nth(EXCERPT_MAX).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_at_most_200_characters() {
        for (count, kept) in [(0, 0), (199, 199), (200, 200), (201, 200), (30_000, 200)] {
            for character in ["a", "\u{e9}", "\u{1f600}"] {
                assert_eq!(excerpt(&character.repeat(count)), character.repeat(kept), "{count}");
            }
        }
    }
}
