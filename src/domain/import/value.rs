//! Reads the fields of a user as other systems write them. A field that cannot be read costs only that field.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::id::{Subject, UserId};
use super::super::time::Timestamp;
use super::date;

/// The greatest accepted id. JSON parsers represent greater integers inexactly (RFC 8259 §6).
pub const ID_MAX: i64 = (1 << 53) - 1;

/// Why a field cannot be read. Never contains the value, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadProblem {
    /// The value is not a text.
    #[error("it is not a text")]
    NotText,
    /// The value is a text in another encoding.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The value is no flag.
    #[error("it is neither true nor false")]
    NotAFlag,
    /// The value is no flag, and the user is disabled, because it may have meant that.
    #[error("it is neither true nor false, so the user is disabled")]
    MaybeDisabled,
    /// The value is no date.
    #[error("it is not a date")]
    NotADate,
    /// The value is no primary key.
    #[error("it is neither an integer from 1 to {ID_MAX} nor a UUID, so the user has a new id")]
    NotAKey,
    /// The value is no JSON object.
    #[error("it is not an object")]
    NotAnObject,
}

/// A field that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableField {
    /// The name of the field.
    pub name: String,
    /// Why it cannot be read.
    pub problem: ReadProblem,
}

/// Reads the fields of one user, and collects those that cannot be read. A missing, null or empty field is `None`.
#[derive(Debug)]
pub struct FieldReader<'a> {
    fields: &'a Map<String, Value>,
    unreadable: Vec<UnreadableField>,
}

impl<'a> FieldReader<'a> {
    /// Reads from these fields. `unreadable` are the fields that the source could not decode.
    pub fn new(fields: &'a Map<String, Value>, unreadable: Vec<UnreadableField>) -> Self {
        Self { fields, unreadable }
    }

    /// Returns the fields that could not be read.
    pub fn into_unreadable(self) -> Vec<UnreadableField> {
        self.unreadable
    }

    /// Reads a text without the white space at its ends. A number is read as its text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.read(name, text)
    }

    /// Reads a flag.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, flag)
    }

    /// Reads the flag `is_active`. If it cannot be read, the user is disabled.
    pub fn is_active(&mut self, name: &str) -> Option<bool> {
        flag(self.fields.get(name).unwrap_or(&Value::Null)).unwrap_or_else(|_| {
            self.add(name, ReadProblem::MaybeDisabled);
            Some(false)
        })
    }

    /// Reads a date.
    pub fn date(&mut self, name: &str) -> Option<Timestamp> {
        self.read(name, timestamp)
    }

    /// Reads an object.
    pub fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        self.read(name, |value| match value {
            Value::Null => Ok(None),
            Value::Object(object) => Ok(Some(object.clone())),
            _ => Err(ReadProblem::NotAnObject),
        })
    }

    /// Reads a primary key: an integer or a UUID.
    pub fn key(&mut self, name: &str, value: &Value) -> (Option<UserId>, Option<Subject>) {
        key(value).unwrap_or_else(|problem| {
            self.add(name, problem);
            (None, None)
        })
    }

    /// Reads a field that contains an integer, or a UUID.
    pub fn key_field(&mut self, name: &str) -> (Option<UserId>, Option<Subject>) {
        self.key(name, self.fields.get(name).unwrap_or(&Value::Null))
    }

    fn read<T>(&mut self, name: &str, read: fn(&Value) -> Result<Option<T>, ReadProblem>) -> Option<T> {
        read(self.fields.get(name)?).unwrap_or_else(|problem| {
            self.add(name, problem);
            None
        })
    }

    fn add(&mut self, name: &str, problem: ReadProblem) {
        self.unreadable.push(UnreadableField { name: name.to_owned(), problem });
    }
}

/// Reads a text without the white space at its ends.
pub fn text(value: &Value) -> Result<Option<String>, ReadProblem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(ReadProblem::NotText),
    }
}

/// Reads a flag: a JSON flag, a number, or one of the texts that databases and spreadsheets write.
pub fn flag(value: &Value) -> Result<Option<bool>, ReadProblem> {
    match value {
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(Some(false)),
        Value::Number(number) if number.as_f64() == Some(1.0) => Ok(Some(true)),
        Value::Null => Ok(None),
        Value::String(text) => match bare(text).to_lowercase().as_str() {
            "" | "null" | "none" | "\\n" => Ok(None),
            "1" | "t" | "true" | "y" | "yes" | "on" | "1.0" | "-1" | "\u{1}" | "\\x01" | "\\1" => Ok(Some(true)),
            "0" | "f" | "false" | "n" | "no" | "off" | "0.0" | "\u{0}" | "\\x00" | "\\0" => Ok(Some(false)),
            _ => Err(ReadProblem::NotAFlag),
        },
        Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(ReadProblem::NotAFlag),
    }
}

/// Reads a date. The zero date `0000-00-00` counts as empty.
fn timestamp(value: &Value) -> Result<Option<Timestamp>, ReadProblem> {
    match value {
        Value::Null => Ok(None),
        #[expect(clippy::cast_possible_truncation, reason = "an out-of-range date saturates")]
        Value::Number(number) => {
            match number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds.floor() as i64)) {
                Some(number) => Ok(Some(date::from_number(number))),
                None => Err(ReadProblem::NotADate),
            }
        }
        Value::String(text) => match bare(text) {
            "" | "NULL" | "None" | "\\N" => Ok(None),
            zero if zero.starts_with("0000-00-00") => Ok(None),
            text => date::parse(text).map(Some).ok_or(ReadProblem::NotADate),
        },
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(ReadProblem::NotADate),
    }
}

/// Reads a primary key: an integer, a UUID, or null (`dumpdata --natural-primary` omits it). Both may be texts.
fn key(value: &Value) -> Result<(Option<UserId>, Option<Subject>), ReadProblem> {
    let id = |number: i64| match number {
        1..=ID_MAX => Ok((Some(UserId(number)), None)),
        _ => Err(ReadProblem::NotAKey),
    };
    match value {
        Value::Null => Ok((None, None)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => id(number),
            #[expect(clippy::cast_possible_truncation, reason = "the number is an integer within the bounds of an id")]
            (None, Some(number)) if number.fract() == 0.0 && number.abs() < 9e15 => id(number as i64),
            _ => Err(ReadProblem::NotAKey),
        },
        Value::String(text) => {
            let text = bare(text);
            match (text.parse(), Uuid::parse_str(text)) {
                _ if text.is_empty() => Ok((None, None)),
                // A UUID without hyphens may consist of decimal digits.
                (Ok(number), _) if text.len() != 32 => id(number),
                (_, Ok(uuid)) => Ok((None, Some(Subject(uuid)))),
                _ => Err(ReadProblem::NotAKey),
            }
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(ReadProblem::NotAKey),
    }
}

/// The text without white space at its ends, and without the marks of a byte string: `b'1'` is `1`.
pub fn bare(text: &str) -> &str {
    let text = text.trim_matches(|c: char| c.is_whitespace());
    let marked = text.strip_prefix(['b', 'B']).unwrap_or(text);
    let inner = |mark: char| marked.strip_prefix(mark)?.strip_suffix(mark);
    inner('\'').or_else(|| inner('"')).map_or(text, str::trim)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_of_many_databases_are_read() {
        for value in [json!(true), json!(1), json!(1.0)] {
            assert_eq!(flag(&value), Ok(Some(true)), "{value}");
        }
        for text in
            ["1", "t", "T", "true", "TRUE", " True ", "y", "Yes", "on", "b'1'", "B\"1\"", "b'\\x01'", "'1'", "\u{1}"]
        {
            assert_eq!(flag(&json!(text)), Ok(Some(true)), "{text:?}");
        }
        for text in ["0", "f", "False", "n", "NO", "off", "b'0'", "b'\\x00'", "\u{0}"] {
            assert_eq!(flag(&json!(text)), Ok(Some(false)), "{text:?}");
        }
        for value in [json!(null), json!(""), json!(" "), json!("b''"), json!("NULL"), json!("\\N")] {
            assert_eq!(flag(&value), Ok(None), "{value}");
        }
        for value in [json!("maybe"), json!(2), json!([true]), json!({}), json!("10")] {
            assert_eq!(flag(&value), Err(ReadProblem::NotAFlag), "{value}");
        }
    }

    #[test]
    fn keys_may_be_texts() {
        let uuid = Uuid::from_u128(0x1234);
        for (value, id) in [(json!(7), 7), (json!("7"), 7), (json!(" 7 "), 7), (json!("b'7'"), 7), (json!(7.0), 7)] {
            assert_eq!(key(&value), Ok((Some(UserId(id)), None)), "{value}");
        }
        for text in [
            uuid.to_string(),
            uuid.simple().to_string(),
            format!(" {uuid} "),
            format!("{{{uuid}}}"),
            format!("b'{uuid}'"),
        ] {
            assert_eq!(key(&json!(text)), Ok((None, Some(Subject(uuid)))), "{text}");
        }
        assert_eq!(key(&json!(ID_MAX)), Ok((Some(UserId(ID_MAX)), None)));
        for value in [json!(0), json!(-1), json!(ID_MAX + 1), json!(1.5), json!("ann"), json!(true), json!(u64::MAX)] {
            assert_eq!(key(&value), Err(ReadProblem::NotAKey), "{value}");
        }
        assert_eq!((key(&Value::Null), key(&json!(""))), (Ok((None, None)), Ok((None, None))));
    }

    #[test]
    fn an_empty_date_is_no_date() {
        for value in [json!(null), json!(""), json!(" "), json!("0000-00-00 00:00:00"), json!("NULL")] {
            assert_eq!(timestamp(&value), Ok(None), "{value}");
        }
        assert_eq!(timestamp(&json!(1_556_938_921.5)), Ok(Some(Timestamp::from_unix(1_556_938_921))));
        assert_eq!(timestamp(&json!("soon")), Err(ReadProblem::NotADate));
    }
}
