//! Dates, sizes and sentences as the pages show them.

use crate::domain::time::Timestamp;

/// A date and time without seconds, as in `2026-01-31 09:30`. All pages show times in UTC.
pub fn date_time(at: Timestamp) -> String {
    at.to_string().replacen('T', " ", 1).get(..16).unwrap_or_default().to_owned()
}

/// A number of bytes in its largest unit, as in `1.5 MiB`.
pub fn byte_size(count: u64) -> String {
    let (unit, name) = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| count >= *unit)
        .unwrap_or((1, "bytes"));
    if unit == 1 {
        return format!("{count} {name}");
    }
    let tenths = u128::from(count) * 10 / u128::from(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// Turns a message into a sentence, with a capital letter and a full stop.
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_formatted_for_reading() {
        for (count, expected) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB")] {
            assert_eq!(byte_size(count), expected);
        }
        assert_eq!(date_time(Timestamp::from_unix(1_700_000_000)), "2023-11-14 22:13");
        assert_eq!(sentence("the name is taken"), "The name is taken.");
    }
}
