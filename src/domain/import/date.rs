//! Reads dates as Django projects and other databases write them.

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

use super::super::time::Timestamp;

/// The greatest number that counts as seconds, milliseconds and microseconds since 1970. A greater number counts as
/// nanoseconds.
const UNITS: [(u64, i64); 3] =
    [(100_000_000_000, 1), (100_000_000_000_000, 1000), (100_000_000_000_000_000, 1_000_000)];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Reads a number of seconds, milliseconds, microseconds or nanoseconds since 1970. Its size determines the unit.
pub fn from_number(number: i64) -> Timestamp {
    let divisor =
        UNITS.iter().find(|(limit, _)| number.unsigned_abs() < *limit).map_or(1_000_000_000, |(_, unit)| *unit);
    Timestamp::from_unix(number.div_euclid(divisor))
}

/// Reads a date. The order is year, month, day; or day, name of the month, year; or name of the month, day, year. A
/// missing time is midnight, and missing seconds are 0. Without a time zone, UTC is assumed. `None` if the text is not
/// a date, or if the order of day and month is unknown.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(timestamp) = Timestamp::parse(text) {
        return Some(timestamp);
    }
    if is_number(text) {
        return parse_number(text);
    }
    let text = text.to_ascii_lowercase();
    let tokens = tokens(&text);
    let (date, used) = date(&tokens)?;
    let (time, offset) = time_and_offset(tokens.get(used..)?)?;
    Some(Timestamp::from_unix(PrimitiveDateTime::new(date, time).assume_offset(offset).unix_timestamp()))
}

/// Whether the text is a number, perhaps with a fraction.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(fraction)
}

/// Reads `20190504`, `20190504030201`, or a number since 1970, whose fraction is dropped. A year alone is no date.
fn parse_number(text: &str) -> Option<Timestamp> {
    let whole = text.split('.').next().unwrap_or_default();
    let part = |range: std::ops::Range<usize>| whole.get(range).unwrap_or("0");
    let dated = match whole.len() {
        0..=4 => return None,
        8 | 14 => {
            let date = format!("{}-{}-{}", part(0..4), part(4..6), part(6..8));
            parse(&format!("{date} {}:{}:{}", part(8..10), part(10..12), part(12..14)))
        }
        _ => None,
    };
    dated.or_else(|| whole.parse().ok().map(from_number))
}

/// A part of a date: a number, a word, or a sign before a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Number(&'a str),
    Word(&'a str),
    /// A character between two parts. A run of white space is one space.
    Separator(char),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let of_kind = |is: fn(char) -> bool| rest.find(|c: char| !is(c)).unwrap_or(rest.len());
        let (token, length) = if first.is_ascii_digit() {
            let end = of_kind(|c| c.is_ascii_digit());
            (Token::Number(&rest[..end]), end)
        } else if first.is_alphabetic() {
            let end = of_kind(char::is_alphabetic);
            (Token::Word(&rest[..end]), end)
        } else if first.is_whitespace() {
            (Token::Separator(' '), of_kind(char::is_whitespace))
        } else {
            (Token::Separator(first), first.len_utf8())
        };
        found.push(token);
        rest = &rest[length..];
    }
    found
}

/// Reads the date at the start. Returns how many tokens it has.
fn date(tokens: &[Token<'_>]) -> Option<(Date, usize)> {
    use Token::{Number, Separator, Word};
    // The name of the day, as in `Sat, 04 May 2019`.
    let skipped = match tokens {
        [Word(_), Separator(','), Separator(' '), ..] => 3,
        [Word(_), Separator(' '), Word(_), ..] => 2,
        _ => 0,
    };
    let is_separator = |c: char| matches!(c, '-' | '/' | '.' | ' ');
    let (year, month, day, used) = match tokens.get(skipped..)? {
        [Number(year), Separator(a), Number(month), Separator(b), Number(day), ..]
            if year.len() == 4 && a == b && is_separator(*a) =>
        {
            (*year, month.parse().ok()?, *day, 5)
        }
        [Number(day), Separator(a), Word(month), Separator(b), Number(year), ..]
            if is_separator(*a) && is_separator(*b) =>
        {
            (*year, month_number(month)?, *day, 5)
        }
        [Word(month), Separator(' '), Number(day), Separator(','), Separator(' '), Number(year), ..] => {
            (*year, month_number(month)?, *day, 6)
        }
        [Word(month), Separator(' '), Number(day), Separator(' '), Number(year), ..] if year.len() == 4 => {
            (*year, month_number(month)?, *day, 5)
        }
        _ => return None,
    };
    let year = match (year.len(), year.parse::<i32>().ok()?) {
        (4, year) => year,
        // As Oracle's format RR.
        (2, year) => year + if year < 50 { 2000 } else { 1900 },
        _ => return None,
    };
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day.parse().ok()?).ok()?;
    Some((date, skipped + used))
}

fn month_number(name: &str) -> Option<u8> {
    let at = MONTHS.iter().position(|month| name.starts_with(month))?;
    u8::try_from(at + 1).ok()
}

/// Reads what follows the date: nothing, or a time, perhaps with a time zone.
fn time_and_offset(tokens: &[Token<'_>]) -> Option<(Time, UtcOffset)> {
    use Token::{Number, Separator, Word};
    let rest = match tokens {
        [] => return Some((Time::MIDNIGHT, UtcOffset::UTC)),
        [Separator(' ' | '_' | ':') | Word("t"), rest @ ..] | [Separator(','), Separator(' '), rest @ ..] => rest,
        // `2019-05-04Z` and `2019-05-04+02:00`.
        rest => return offset(rest).map(|offset| (Time::MIDNIGHT, offset)),
    };
    let (mut numbers, mut rest) = match rest {
        [Number(hour), rest @ ..] => (vec![*hour], rest),
        rest => return offset(rest).map(|offset| (Time::MIDNIGHT, offset)),
    };
    while let [Separator(':' | '.' | ','), Number(number), after @ ..] = rest {
        numbers.push(number);
        rest = after;
    }
    let (half, rest) = match rest {
        [Separator(' '), Word(half @ ("am" | "pm")), rest @ ..] | [Word(half @ ("am" | "pm")), rest @ ..] => {
            (Some(*half), rest)
        }
        rest => (None, rest),
    };
    let number = |at: usize| numbers.get(at).map_or(Some(0), |text| text.parse::<u8>().ok());
    let hour = match (half, number(0)?) {
        (Some(_), 0 | 13..) => return None,
        (Some("am"), 12) => 0,
        (Some("pm"), hour) if hour != 12 => hour + 12,
        (_, hour) => hour,
    };
    if numbers.len() < 2 && half.is_none() || numbers.len() > 4 {
        return None;
    }
    // A leap second counts as the second before.
    let time = Time::from_hms(hour, number(1)?, number(2)?.min(59)).ok()?;
    Some((time, offset(rest)?))
}

/// Reads a time zone: nothing, `Z`, `UTC`, `GMT`, `+02`, `+0200`, `+02:00` or `+02:00:00`.
fn offset(tokens: &[Token<'_>]) -> Option<UtcOffset> {
    use Token::{Number, Separator, Word};
    let tokens = if let [Separator(' '), rest @ ..] = tokens { rest } else { tokens };
    let tokens = if let [Word("z" | "utc" | "gmt"), rest @ ..] = tokens { rest } else { tokens };
    let (sign, numbers) = match tokens {
        [] => return Some(UtcOffset::UTC),
        [Separator('+'), rest @ ..] => (1, rest),
        [Separator('-' | '\u{2212}'), rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match numbers {
        [Number(hours)] if hours.len() <= 2 => (hours.parse().ok()?, 0),
        [Number(both)] if both.len() == 4 => (both[..2].parse().ok()?, both[2..].parse().ok()?),
        [Number(hours), Separator(':'), Number(minutes)] | [Number(hours), Separator(':'), Number(minutes), ..] => {
            (hours.parse::<i8>().ok()?, minutes.parse::<i8>().ok()?)
        }
        _ => return None,
    };
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_many_databases_are_read() {
        let expected = Timestamp::from_unix(1_556_938_921);
        for text in [
            "2019-05-04T03:02:01.987Z",
            "2019-05-04 03:02:01.987654+00:00",
            "2019-05-04 03:02:01.987654+00",
            "2019-05-04T05:02:01+0200",
            "2019-05-04 05:02:01 +02:00",
            "2019-05-03T22:02:01.5-05:00",
            "2019-05-04 03:02:01",
            "2019-05-04T03:02:01",
            "2019-05-04 03:02:01,987",
            "2019-05-04 03:02:01 UTC",
            "2019-05-04 03:02:01.000 GMT",
            "2019/05/04 03:02:01",
            " 2019-05-04  03:02:01 ",
            "20190504030201",
            "1556938921",
            "1556938921.987",
            "1556938921987",
            "1556938921987654",
            "04-MAY-19 03.02.01.987654 AM",
            "04-MAY-2019 03:02:01",
            "04-MAY-19 03.02.01.987654 AM +00:00",
            "May  4 2019  3:02:01AM",
            "May 4, 2019, 03:02:01",
            "Sat, 04 May 2019 03:02:01 GMT",
            "Sat May  4 2019 03:02:01",
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        assert_eq!(from_number(1_556_938_921), expected);
        assert_eq!(from_number(1_556_938_921_987), expected);
    }

    #[test]
    fn an_incomplete_date_is_read_if_the_day_is_known() {
        for (text, unix) in [
            ("2019-05-04", 1_556_928_000),
            ("20190504", 1_556_928_000),
            ("2019-05-04Z", 1_556_928_000),
            ("2019-05-04T", 1_556_928_000),
            ("2019-05-04 03:02", 1_556_938_920),
            ("4 May 2019", 1_556_928_000),
            ("May 4 2019 3PM", 1_556_982_000),
            ("2019-05-04 12:00 AM", 1_556_928_000),
            ("2016-12-31 23:59:60", 1_483_228_799),
            ("-86400", -86400),
        ] {
            assert_eq!(parse(text), Some(Timestamp::from_unix(unix)), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2019",
            "2019-05",
            "2019-00-00",
            "0000-00-00 00:00:00",
            "2019-02-30",
            "04/05/2019",
            "4.5.2019",
            "2019-05-04 25:00:00",
            "2019-05-04 3",
            "infinity",
            "-infinity",
            "2019-05-04 03:02:01 CEST",
            "2019-05-04 03:02:01 x",
            "ünïcode",
            "2019-05-04 13:00 AM",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
