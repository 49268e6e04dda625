//! Durations as operators and callers write and read them.

use std::time::Duration;

/// Seconds in a minute.
pub const MINUTE: u64 = 60;
/// Seconds in an hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Seconds in a day.
pub const DAY: u64 = 24 * HOUR;

/// Parses a number and a unit, or several of them: `300s`, `24h`, `1h 30m`. Returns `None` if the text is no duration.
pub fn parse(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// Whole seconds, rounded up, at least 1. For `Retry-After` (RFC 9110 §10.2.3) and the texts that state the same time.
pub fn seconds_rounded_up(span: Duration) -> u64 {
    (span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(1)
}

/// A duration in the largest unit that divides it: `90d`, `24h`, `5m`, `90s`. Fractions of a second are dropped.
pub fn compact(span: Duration) -> String {
    let seconds = span.as_secs();
    let (unit, name) = [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')]
        .into_iter()
        .find(|(unit, _)| seconds != 0 && seconds.is_multiple_of(*unit))
        .unwrap_or((1, 's'));
    format!("{}{name}", seconds / unit)
}

/// A duration in hours, minutes or seconds, whichever is the largest unit that divides it: `15 minutes`, `1 hour`,
/// `90 seconds`. Fractions of a second are dropped.
pub fn in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    let (unit, name) = [(HOUR, "hour"), (MINUTE, "minute")]
        .into_iter()
        .find(|(unit, _)| seconds != 0 && seconds.is_multiple_of(*unit))
        .unwrap_or((1, "second"));
    count_of(seconds / unit, name)
}

/// A duration in its largest unit, rounded down: `3 days`, `1 year`.
pub fn rounded_down(span: Duration) -> String {
    let seconds = span.as_secs();
    let (unit, name) = [(365 * DAY, "year"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")]
        .into_iter()
        .find(|(unit, _)| seconds >= *unit)
        .unwrap_or((1, "second"));
    count_of(seconds / unit, name)
}

/// A duration in the largest unit of which it has at least 2, rounded up: `24 hours`, `2 days`, `90 seconds`.
pub fn rounded_up(span: Duration) -> String {
    let seconds = span.as_secs();
    let (unit, name) = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")]
        .into_iter()
        .find(|(unit, _)| seconds >= 2 * unit)
        .unwrap_or((1, "second"));
    count_of(seconds.div_ceil(unit), name)
}

/// A number of seconds in larger units: `24 h`, `30 days`, `1 h 30 min`.
pub fn in_short_units(seconds: u64) -> String {
    if seconds < MINUTE {
        return format!("{seconds} s");
    }
    let days = if seconds > DAY { seconds / DAY } else { 0 };
    let below = seconds - days * DAY;
    let day = if days == 1 { "day" } else { "days" };
    let parts = [(days, day), (below / HOUR, "h"), (below / MINUTE % 60, "min"), (below % MINUTE, "s")];
    let present: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    present.join(" ")
}

/// A duration in all its units, without fractions of a second: `2days 3h 5m 1s`.
pub fn in_all_units(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs())).to_string()
}

fn count_of(count: u64, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_durations_have_one_whole_unit() {
        let shown = [0, 59, 90, 300, 7200, 86_400, 90_000].map(|seconds| compact(Duration::from_secs(seconds)));
        assert_eq!(shown, ["0s", "59s", "90s", "5m", "2h", "1d", "25h"]);
    }

    #[test]
    fn durations_in_words_have_one_whole_unit() {
        let shown = [900, 3600, 90, 5400, 0, 172_800].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(shown, ["15 minutes", "1 hour", "90 seconds", "90 minutes", "0 seconds", "48 hours"]);
    }

    #[test]
    fn rounded_durations_have_one_unit() {
        let down =
            [0, 1, 59, 119, 7199, 90_000, 2 * 365 * DAY].map(|seconds| rounded_down(Duration::from_secs(seconds)));
        assert_eq!(down, ["0 seconds", "1 second", "59 seconds", "1 minute", "1 hour", "1 day", "2 years"]);
        let up = [90, 120, 121, 7200, 86_400, 172_801].map(|seconds| rounded_up(Duration::from_secs(seconds)));
        assert_eq!(up, ["90 seconds", "2 minutes", "3 minutes", "2 hours", "24 hours", "3 days"]);
    }

    #[test]
    fn seconds_are_displayed_in_short_units() {
        let texts = [0, 59, 90, 300, 5400, 86_400, 129_600, 2_592_000].map(in_short_units);
        assert_eq!(texts, ["0 s", "59 s", "1 min 30 s", "5 min", "1 h 30 min", "24 h", "1 day 12 h", "30 days"]);
    }

    #[test]
    fn seconds_are_rounded_up_and_never_zero() {
        let millis = [0, 1, 999, 1000, 1001].map(|millis| seconds_rounded_up(Duration::from_millis(millis)));
        assert_eq!(millis, [1, 1, 1, 1, 2]);
    }
}
