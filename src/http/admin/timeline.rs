//! The timeline of the keys. A pure function computes the elements of an SVG from the dates of the keys; a template
//! renders them.
//!
//! Horizontal coordinates are in percent and vertical ones in pixels, so that the text has the same size on every
//! screen. Every element has a class and no inline style, as in [`super::chart`]. A table shows the same data.

use std::time::Duration;

use minijinja::context;
use minijinja::value::Value;

use crate::domain::key::{Key, KeyState};
use crate::domain::time::Timestamp;
use crate::http::format::date_time;

/// The height of a row, with the name and the bar of a key, in pixels.
const ROW_HEIGHT: usize = 46;
/// The margins in pixels: top for the label `now`, bottom for the dates.
const TOP: usize = 20;
const BOTTOM: usize = 22;
/// The minimum period that is shown after now.
const MIN_SPAN_AFTER_NOW: Duration = Duration::from_hours(12);
/// The minimum width of a part in percent, so that a short part is still visible.
const MIN_PART_PERCENT: f64 = 0.6;
/// The number of characters of the `kid` that are shown above the bar.
const KID_CHARS: usize = 8;

/// A timeline, ready for its template.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// The height in pixels.
    pub height: usize,
    /// The `y` coordinate of the lower end of the line that marks the current time.
    pub foot: usize,
    /// The `y` coordinate of the dates.
    pub dates_at: usize,
    /// The `x` coordinate of the current time, in percent.
    pub now: String,
    /// The dates at the left and at the right edge.
    pub ends: (String, String),
    /// The rows, one per key that is visible in the shown period, the newest key at the top.
    pub rows: Vec<TimelineRow>,
    /// A description of the timeline in one sentence, for screen readers.
    pub summary: String,
}

/// The row of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineRow {
    /// The first characters of the `kid`.
    pub name: String,
    /// The name of the state.
    pub state: &'static str,
    /// The `y` coordinate of the text.
    pub text_at: usize,
    /// The upper edge of the bar.
    pub bar_at: usize,
    /// The visible parts of the key's lifecycle.
    pub parts: Vec<TimelinePart>,
}

/// A part of a key's lifecycle: a `rect` with a `title`.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelinePart {
    /// The name of the state in this part, which is also its class.
    pub class: &'static str,
    /// The left edge in percent.
    pub x: String,
    /// The width in percent.
    pub width: String,
    /// The tooltip.
    pub title: String,
}

/// The period that is shown.
#[derive(Clone, Copy)]
struct TimelineSpan {
    from: Timestamp,
    until: Timestamp,
}

impl Timeline {
    /// Computes the rows of the keys whose lifecycle overlaps the shown period. Returns `None` if `keys` is empty.
    pub fn of(keys: &[&Key], now: Timestamp) -> Option<Self> {
        let span = TimelineSpan::covering(keys, now)?;
        let visible = keys.iter().rev().filter_map(|key| Some((*key, span.parts(key)?)));
        let rows: Vec<TimelineRow> =
            visible.enumerate().map(|(index, (key, parts))| row(key, parts, index, now)).collect();
        let foot = TOP + rows.len() * ROW_HEIGHT;
        let descriptions =
            rows.iter().map(|row| format!("{} is {}", row.name, row.state)).collect::<Vec<_>>().join(", ");
        Some(Self {
            height: foot + BOTTOM,
            foot,
            dates_at: foot + BOTTOM - 5,
            now: span.position(now),
            ends: (date_time(span.from), date_time(span.until)),
            summary: format!("Keys from {} to {}: {descriptions}.", date_time(span.from), date_time(span.until)),
            rows,
        })
    }

    /// The value for templates.
    pub fn context(&self) -> Value {
        let Self { height, foot, dates_at, now, ends: (from, until), rows, summary } = self;
        let rows = rows.iter().map(TimelineRow::context).collect::<Value>();
        context! { height, foot, dates_at, now, from, until, rows, summary }
    }
}

impl TimelineRow {
    fn context(&self) -> Value {
        let Self { name, state, text_at, bar_at, parts } = self;
        let parts = parts.iter().map(|part| {
            let TimelinePart { class, x, width, title } = part;
            context! { class => *class, x, width, title }
        });
        context! { name, state => *state, text_at, bar_at, parts => parts.collect::<Value>() }
    }
}

fn row(key: &Key, parts: Vec<TimelinePart>, index: usize, now: Timestamp) -> TimelineRow {
    let top = TOP + index * ROW_HEIGHT;
    let name = key.kid.as_str().chars().take(KID_CHARS).collect();
    TimelineRow { name, state: key.state(now).name(), text_at: top + 16, bar_at: top + 22, parts }
}

impl TimelineSpan {
    /// The period from the creation of the oldest key that is neither retired nor revoked (of the oldest key, if all
    /// are retired or revoked) to the latest planned date of these keys, with a margin on both sides. The part before
    /// now is at most about three times as long as the part after now.
    fn covering(keys: &[&Key], now: Timestamp) -> Option<Self> {
        let live = keys.iter().filter(|key| !matches!(key.state(now), KeyState::Retired | KeyState::Revoked));
        let oldest = live.clone().map(|key| key.created_at).min().or(keys.iter().map(|key| key.created_at).min())?;
        let dates = live.flat_map(|key| [Some(key.signs_from), key.signs_until, key.published_until]).flatten();
        let future = dates.max().map_or(MIN_SPAN_AFTER_NOW, |last| last.since(now).max(MIN_SPAN_AFTER_NOW));
        let future = future + future / 8;
        let past = now.since(oldest).min(future * 3);
        let past = (past + past / 16).max(future / 3);
        Some(Self { from: now - past, until: now + future })
    }

    /// The distance of a date from the left edge, in percent.
    fn share(&self, at: Timestamp) -> f64 {
        let total = self.until.since(self.from).as_secs_f64().max(1.0);
        (at.since(self.from).as_secs_f64() / total * 100.0).min(100.0)
    }

    fn position(&self, at: Timestamp) -> String {
        percent(self.share(at))
    }

    /// The visible parts of a key's lifecycle. `None` if no part is in the shown period.
    fn parts(&self, key: &Key) -> Option<Vec<TimelinePart>> {
        let end = |at: Option<Timestamp>| at.unwrap_or(self.until).min(key.revoked_at.unwrap_or(self.until));
        let parts = [
            (KeyState::Next, "published, not yet signing", key.created_at, end(Some(key.signs_from))),
            (KeyState::Active, "signs", key.signs_from, end(key.signs_until)),
            (KeyState::Retiring, "published, no longer signs", end(key.signs_until), end(key.published_until)),
        ];
        let mut visible: Vec<TimelinePart> = parts
            .into_iter()
            .filter(|(_, _, from, until)| from < until && *until > self.from && *from < self.until)
            .map(|(state, description, from, until)| {
                let end = if until < self.until { date_time(until) } else { "further notice".to_owned() };
                let title = format!("{description} from {} until {end}", date_time(from));
                self.part(state, from, until, title)
            })
            .collect();
        if let Some(at) = key.revoked_at.filter(|at| *at >= self.from) {
            visible.push(self.part(KeyState::Revoked, at, at, format!("revoked {}", date_time(at))));
        }
        (!visible.is_empty()).then_some(visible)
    }

    fn part(&self, state: KeyState, from: Timestamp, until: Timestamp, title: String) -> TimelinePart {
        let left = self.share(from);
        let right = self.share(until);
        let width = (right - left).max(MIN_PART_PERCENT);
        TimelinePart {
            class: state.name(),
            x: percent(left.min(100.0 - MIN_PART_PERCENT)),
            width: percent(width),
            title,
        }
    }
}

fn percent(share: f64) -> String {
    format!("{share:.2}%")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::domain::algorithm::Algorithm;
    use crate::domain::key::Kid;

    const HOUR: i64 = 3600;
    const NOW: Timestamp = Timestamp::from_unix(1_772_717_100);

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_unix(NOW.unix() + hours * HOUR)
    }

    fn key(letter: char, created: i64, signs: i64, until: Option<(i64, i64)>) -> Key {
        Key {
            kid: Kid::parse(&letter.to_string().repeat(43)).unwrap(),
            alg: Algorithm::Es256,
            created_at: at(created),
            signs_from: at(signs),
            signs_until: until.map(|(until, _)| at(until)),
            published_until: until.map(|(_, until)| at(until)),
            revoked_at: None,
        }
    }

    fn states(row: &TimelineRow) -> Vec<&'static str> {
        row.parts.iter().map(|part| part.class).collect()
    }

    fn number(percent: &str) -> f64 {
        percent.trim_end_matches('%').parse().unwrap()
    }

    #[test]
    fn a_pending_rotation_is_visible_with_its_future_states() {
        let old = key('a', -500, -476, Some((24, 48)));
        let new = key('b', 0, 24, None);
        let line = Timeline::of(&[&old, &new], NOW).unwrap();
        let [upper, lower] = &line.rows[..] else { panic!("{line:#?}") };
        assert_eq!((upper.name.as_str(), upper.state, states(upper)), ("bbbbbbbb", "next", vec!["next", "active"]));
        assert_eq!(
            (lower.name.as_str(), lower.state, states(lower)),
            ("aaaaaaaa", "active", vec!["active", "retiring"])
        );
        let [next, active] = &upper.parts[..] else { panic!("{upper:#?}") };
        assert_eq!(next.x, line.now);
        assert!((number(&next.x) + number(&next.width) - number(&active.x)).abs() < 0.02);
        let right = number(&active.x) + number(&active.width);
        assert!((right - 100.0).abs() < 0.02, "a part without an end reaches the right edge");
        let retiring = &lower.parts[1];
        assert!(
            number(&retiring.x) + number(&retiring.width) < 100.0,
            "a part with an end stops before the right edge"
        );
        assert_eq!(lower.parts[0].x, "0.00%", "a part that began before the period starts at the left edge");
        assert!(line.summary.contains("bbbbbbbb is next, aaaaaaaa is active"), "{}", line.summary);
    }

    #[test]
    fn long_ended_keys_are_omitted_and_recently_revoked_keys_are_visible() {
        let retired = key('a', -5000, -4976, Some((-4000, -3900)));
        let revoked = Key { revoked_at: Some(at(-1)), ..key('b', -3, -3, Some((-1, 23))) };
        let active = key('c', -1, -1, None);
        let line = Timeline::of(&[&retired, &revoked, &active], NOW).unwrap();
        assert_eq!(line.rows.iter().map(|row| row.state).collect::<Vec<_>>(), ["active", "revoked"]);
        assert_eq!(states(&line.rows[1]), ["active", "revoked"]);
        assert_eq!(Timeline::of(&[], NOW), None);
    }

    #[test]
    fn nothing_is_visible_beyond_the_edges() {
        for hours in [0, 1, 24, 10_000] {
            let old = key('a', -hours, -hours, Some((hours, 2 * hours)));
            let new = key('b', 0, hours, None);
            for part in Timeline::of(&[&old, &new], NOW).unwrap().rows.iter().flat_map(|row| &row.parts) {
                let x = number(&part.x);
                let width = number(&part.width);
                assert!(x >= 0.0 && width > 0.0 && x + width < 100.02, "{hours}: {part:?}");
            }
        }
    }
}
