//! Converts raw values to types and formats them for display, for any setting.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::source::RawValue;
use crate::domain::duration::{self, compact};
use crate::domain::secret::SecretText;

/// The parsed value, and its text for display.
pub(super) type ParsedValue<T> = Result<(T, Option<String>), String>;

/// Reads a text. A value of the environment or the command line is trimmed.
pub(super) fn text(value: &RawValue) -> Result<&str, String> {
    match value {
        RawValue::Word(word) => Ok(word.trim()),
        RawValue::Text(text) => Ok(text),
        _ => Err("must be a string in quotes".to_owned()),
    }
}

/// Reads a secret. An empty text counts as absent. A value of the environment or the command line loses one line ending,
/// which a shell or a file added to it; otherwise a secret is not trimmed.
pub(super) fn secret(value: &RawValue) -> Result<Option<SecretText>, String> {
    let text = match value {
        RawValue::Word(text) => without_line_ending(text),
        RawValue::Text(text) => text,
        _ => return Err("must be a string in quotes".to_owned()),
    };
    Ok((!text.is_empty()).then(|| SecretText::new(text.to_owned())))
}

/// Removes one line ending.
pub(super) fn without_line_ending(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

pub(super) fn integer(value: &RawValue) -> Option<i64> {
    match value {
        RawValue::Word(word) => word.trim().parse().ok(),
        RawValue::Integer(integer) => Some(*integer),
        _ => None,
    }
}

pub(super) fn boolean(value: &RawValue) -> Option<bool> {
    match value {
        RawValue::Word(word) => match word.trim().to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
        RawValue::Boolean(truth) => Some(*truth),
        _ => None,
    }
}

/// Reads a list of texts. A value of the environment or the command line is split at commas; an empty one is an empty
/// list.
pub(super) fn string_list(value: &RawValue) -> Result<Vec<&str>, String> {
    match value {
        RawValue::Word(word) => Ok(word.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()),
        RawValue::List(items) if items.iter().all(|item| matches!(item, RawValue::Text(_))) => {
            items.iter().map(text).collect()
        }
        _ => Err("must be a list of strings, such as [\"one\", \"two\"]".to_owned()),
    }
}

/// Reads a duration. For a number without a unit, quoted or not, the error suggests the unit.
pub(super) fn whole_duration(value: &RawValue, bounds: &RangeInclusive<Duration>) -> ParsedValue<Duration> {
    let text = match value {
        RawValue::Integer(number) => &number.to_string(),
        other => text(other)?,
    };
    Ok((duration(text, bounds)?, Some(quote(text))))
}

/// Parses a duration in whole seconds, written with a unit.
pub(super) fn duration(text: &str, bounds: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("a duration needs a unit; write \"{text}s\" for seconds (other units: m, h, d)"));
    }
    let found = duration::parse(text)
        .ok_or_else(|| "not a duration; write a number and a unit, such as \"300s\", \"24h\" or \"90d\"".to_owned())?;
    if found.subsec_nanos() == 0 && bounds.contains(&found) {
        return Ok(found);
    }
    Err(format!("must be whole seconds from \"{}\" to \"{}\"", compact(*bounds.start()), compact(*bounds.end())))
}

/// Formats a value for an error message.
pub(super) fn format_value(value: &RawValue) -> String {
    match value {
        RawValue::Word(text) | RawValue::Text(text) => quote(text),
        RawValue::Integer(integer) => integer.to_string(),
        RawValue::Boolean(truth) => truth.to_string(),
        RawValue::List(items) => format!("[{}]", items.iter().map(format_value).collect::<Vec<_>>().join(", ")),
        RawValue::Other(text) => text.clone(),
    }
}

/// Formats a text as a quoted TOML string. Masks the user and password of a URL.
pub(super) fn quote(text: &str) -> String {
    let hidden = text.find("://").map(|at| at + 3).zip(text.rfind('@')).filter(|(from, to)| from < to);
    let text = hidden.map_or_else(|| text.to_owned(), |(from, to)| format!("{}…{}", &text[..from], &text[to..]));
    // TOML's basic strings accept the escapes of JSON, and in addition require DEL to be escaped.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> RawValue {
        RawValue::Word(text.to_owned().into())
    }

    fn text_value(text: &str) -> RawValue {
        RawValue::Text(text.to_owned().into())
    }

    #[test]
    fn unquoted_values_are_converted_and_quoted_ones_are_not() {
        assert_eq!((integer(&word(" 587 ")), integer(&text_value("587"))), (Some(587), None));
        assert_eq!(
            (boolean(&word("True")), boolean(&word("off")), boolean(&text_value("true"))),
            (Some(true), Some(false), None)
        );
        assert_eq!((boolean(&word("maybe")), integer(&word("1_000"))), (None, None));
        assert_eq!(string_list(&word(" a, b ,,c,")), Ok(vec!["a", "b", "c"]));
        assert_eq!(string_list(&word("")), Ok(vec![]));
        assert!(string_list(&text_value("a, b")).is_err());
        assert!(string_list(&RawValue::List(vec![text_value("a"), RawValue::Integer(1)])).is_err());
        assert!(text(&RawValue::Integer(5)).is_err());
    }

    #[test]
    fn secrets_keep_white_space_and_empty_secrets_count_as_unset() {
        let read = |value| secret(&value).map(|found| found.map(|s| s.expose().to_owned()));
        assert_eq!(read(word(" a b ")), Ok(Some(" a b ".to_owned())));
        assert_eq!(read(word("abc\n")), Ok(Some("abc".to_owned())));
        assert_eq!(read(word("abc\r\n")), Ok(Some("abc".to_owned())));
        assert_eq!(read(word("abc\n\n")), Ok(Some("abc\n".to_owned())));
        assert_eq!(read(word("abc\r")), Ok(Some("abc\r".to_owned())));
        assert_eq!((read(word("\n")), read(word(""))), (Ok(None), Ok(None)));
        assert_eq!(read(text_value("abc\n")), Ok(Some("abc\n".to_owned())));
        assert_eq!(read(text_value("")), Ok(None));
        assert_eq!(read(RawValue::Integer(1234)), Err("must be a string in quotes".to_owned()));
    }

    #[test]
    fn durations_need_a_unit_and_whole_seconds_within_bounds() {
        let read = |text| duration(text, &(Duration::from_secs(1)..=Duration::from_hours(24)));
        assert_eq!(read("301s"), Ok(Duration::from_secs(301)));
        assert_eq!(read("1h 30m"), Ok(Duration::from_mins(90)));
        for (text, expected) in [
            ("300", "a duration needs a unit; write \"300s\" for seconds (other units: m, h, d)"),
            ("", "not a duration"),
            ("soon", "not a duration"),
            ("-5s", "not a duration"),
            ("1500ms", "must be whole seconds from \"1s\" to \"1d\""),
            ("25h", "must be whole seconds from \"1s\" to \"1d\""),
            ("99999999999999999999d", "not a duration"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        assert_eq!(quote("postgres://me:p@ss@db/x"), "\"postgres://…@db/x\"");
        assert_eq!(quote("me@example.com"), "\"me@example.com\"");
        assert_eq!(quote("a\"b\\\n\u{7f}"), r#""a\"b\\\n\u007F""#);
    }
}
