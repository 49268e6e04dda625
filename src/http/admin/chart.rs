//! Bar charts without scripts. A pure function computes the elements of an SVG from counts; a template renders them.
//!
//! Every element has a class and no inline style, so the content security policy needs no exception. The style sheet
//! defines the colours for the light and the dark mode. The page also shows the same data as a table.

use serde::Serialize;

use crate::domain::count::{Series, Window};
use crate::domain::time::Timestamp;

/// The size of the drawing in its own units. The page scales it to the available width.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
/// The margins: left for the numbers, bottom for the dates, top for the upper half of the uppermost number.
const LEFT: f64 = 48.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 10.0;
/// The share of a bucket's width that its bars fill.
const FILL_RATIO: f64 = 0.72;
/// The minimum height of a bar, so that a count of one is visible next to thousands.
const BAR_MIN: f64 = 1.5;
/// The maximum number of steps on the scale.
const MAX_STEPS: u64 = 4;

/// One series of a chart: its label and its numbers.
#[derive(Clone, Copy, Debug)]
pub struct ChartSeries<'a> {
    /// The label in the legend.
    pub label: &'a str,
    /// The class of its bars in the style sheet: `good`, `bad` or `one`.
    pub class: &'a str,
    /// The numbers. All series of a chart have the same window.
    pub series: &'a Series,
}

/// A chart, ready for its template. Coordinates have one decimal place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// The title of the chart.
    pub title: String,
    /// A description of the data in one sentence, for screen readers.
    pub summary: String,
    /// The attribute `viewBox` of the SVG.
    pub view_box: String,
    /// One entry per series: what the colour of its bars means.
    pub legend: Vec<Legend>,
    /// The marks of the scale at the left, from the bottom.
    pub scale: Vec<Tick>,
    /// The marks of the dates at the bottom.
    pub dates: Vec<Tick>,
    /// The left and the right end of the grid lines.
    pub line: (String, String),
    /// A bar for every count above zero.
    pub bars: Vec<ChartBar>,
    /// The column headings of the table: the date, then each series.
    pub columns: Vec<String>,
    /// The rows of the table, one per bucket, the newest first.
    pub rows: Vec<ChartRow>,
}

/// An entry of the legend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Legend {
    /// The label of the series.
    pub label: String,
    /// The class of the bars.
    pub class: String,
    /// The sum of the series.
    pub total: String,
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tick {
    /// The coordinate: `y` on the scale, `x` for a date.
    pub at: String,
    /// The text at the mark.
    pub text: String,
}

/// A bar: a `rect` with a `title`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChartBar {
    /// The class of the series.
    pub class: String,
    /// The left edge.
    pub x: String,
    /// The upper edge.
    pub y: String,
    /// The width.
    pub width: String,
    /// The height.
    pub height: String,
    /// The tooltip.
    pub title: String,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChartRow {
    /// The date of the bucket.
    pub date: String,
    /// The number of each series.
    pub values: Vec<String>,
}

impl Chart {
    /// Computes a chart with the bars of all series next to each other. The series must have the same window and start.
    /// Returns `None` if `all_series` is empty.
    pub fn bars(title: &str, all_series: &[ChartSeries<'_>]) -> Option<Self> {
        let first = all_series.first()?.series;
        let scale = Scale::up_to(all_series.iter().map(|each| each.series.peak()).max().unwrap_or(0));
        let dates: Vec<String> = first.buckets().map(|(at, _)| date(first.window, at)).collect();
        let grid = Grid::new(first.values.len(), all_series.len());
        let bars = all_series.iter().enumerate().flat_map(|(index, each)| {
            let numbers = each.series.values.iter().enumerate().zip(&dates);
            numbers.filter(|((_, n), _)| **n > 0).map(move |((bucket, n), date)| {
                let title = format!("{date}: {} {}", grouped(*n), each.label);
                grid.bar(each.class, bucket, index, scale.share(*n), title)
            })
        });
        let rows = dates.iter().enumerate().rev().map(|(bucket, date)| {
            let number = |each: &ChartSeries<'_>| grouped(each.series.values.get(bucket).copied().unwrap_or(0));
            ChartRow { date: date.clone(), values: all_series.iter().map(number).collect() }
        });
        let legend = |each: &ChartSeries<'_>| Legend {
            label: each.label.to_owned(),
            class: each.class.to_owned(),
            total: grouped(each.series.total()),
        };
        let labels = all_series.iter().map(|each| each.label.to_owned());
        Some(Self {
            title: title.to_owned(),
            summary: summary(title, first.window, all_series),
            view_box: format!("0 0 {WIDTH} {HEIGHT}"),
            legend: all_series.iter().map(legend).collect(),
            scale: scale.ticks().map(|n| Tick { at: rounded(Grid::y(scale.share(n))), text: short(n) }).collect(),
            dates: grid.dates(first.window, first),
            line: (rounded(LEFT), rounded(WIDTH)),
            bars: bars.collect(),
            columns: std::iter::once(bucket_heading(first.window).to_owned()).chain(labels).collect(),
            rows: rows.collect(),
        })
    }
}

/// The widths of a bucket and of a bar.
#[derive(Clone, Copy)]
struct Grid {
    bucket: f64,
    bar: f64,
}

impl Grid {
    fn new(buckets: usize, series: usize) -> Self {
        let bucket = (WIDTH - LEFT) / usize_to_f64(buckets.max(1));
        Self { bucket, bar: bucket * FILL_RATIO / usize_to_f64(series.max(1)) }
    }

    /// The middle of a bucket.
    fn middle(&self, bucket: usize) -> f64 {
        LEFT + self.bucket * (usize_to_f64(bucket) + 0.5)
    }

    /// The `y` coordinate of a share of the scale.
    fn y(share: f64) -> f64 {
        TOP + (HEIGHT - BOTTOM - TOP) * (1.0 - share)
    }

    fn bar(&self, class: &str, bucket: usize, index: usize, share: f64, title: String) -> ChartBar {
        let base = Self::y(0.0);
        let height = (base - Self::y(share)).max(BAR_MIN);
        let left = self.middle(bucket) - self.bucket * FILL_RATIO / 2.0 + self.bar * usize_to_f64(index);
        let x = rounded(left);
        let y = rounded(base - height);
        ChartBar { class: class.to_owned(), x, y, width: rounded(self.bar), height: rounded(height), title }
    }

    /// Labels every sixth hour or fifth day, counted back from the newest, so that the labels fit on a phone.
    fn dates(&self, window: Window, series: &Series) -> Vec<Tick> {
        let step = match window {
            Window::Day => 6,
            Window::Month => 5,
        };
        let marked =
            series.buckets().enumerate().filter(|(bucket, _)| (series.values.len() - 1 - bucket).is_multiple_of(step));
        marked.map(|(bucket, (at, _))| Tick { at: rounded(self.middle(bucket)), text: label(window, at) }).collect()
    }
}

/// A scale from zero to a round number.
#[derive(Clone, Copy)]
struct Scale {
    step: u64,
    steps: u64,
}

impl Scale {
    /// The scale with the smallest step (1, 2 or 5 times a power of ten) that reaches `peak` in at most 4 steps.
    fn up_to(peak: u64) -> Self {
        let mut power_of_ten = 1_u64;
        loop {
            for step in [1, 2, 5].map(|digit: u64| digit.saturating_mul(power_of_ten)) {
                let steps = peak.div_ceil(step).max(1);
                if steps <= MAX_STEPS {
                    return Self { step, steps };
                }
            }
            power_of_ten = power_of_ten.saturating_mul(10);
        }
    }

    fn ticks(self) -> impl Iterator<Item = u64> {
        (0..=self.steps).map(move |number| self.step.saturating_mul(number))
    }

    fn share(self, n: u64) -> f64 {
        (u64_to_f64(n) / (u64_to_f64(self.step) * u64_to_f64(self.steps))).min(1.0)
    }
}

fn summary(title: &str, window: Window, all_series: &[ChartSeries<'_>]) -> String {
    let period = match window {
        Window::Day => "the last 24 hours",
        Window::Month => "the last 30 days",
    };
    let texts = all_series.iter().map(|each| {
        let total = each.series.total();
        format!("{} {}, at most {} in {}", grouped(total), each.label, grouped(each.series.peak()), per_bucket(window))
    });
    format!("{title} over {period}: {}.", texts.collect::<Vec<_>>().join("; "))
}

const fn per_bucket(window: Window) -> &'static str {
    match window {
        Window::Day => "an hour",
        Window::Month => "a day",
    }
}

const fn bucket_heading(window: Window) -> &'static str {
    match window {
        Window::Day => "Hour (UTC)",
        Window::Month => "Day (UTC)",
    }
}

/// The date of a bucket: `2026-03-05 13:00` for an hour, `2026-03-05` for a day.
fn date(window: Window, at: Timestamp) -> String {
    let text = at.to_string();
    match window {
        Window::Day => text.get(..16).unwrap_or(&text).replace('T', " "),
        Window::Month => text.get(..10).unwrap_or(&text).to_owned(),
    }
}

/// The short date of a bucket: `13:00` for an hour, `03-05` for a day.
fn label(window: Window, at: Timestamp) -> String {
    let text = at.to_string();
    let part = match window {
        Window::Day => text.get(11..16),
        Window::Month => text.get(5..10),
    };
    part.unwrap_or(&text).to_owned()
}

/// A number with narrow spaces between groups of three digits.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A round number of the scale in short form: `2k`, `50M`.
fn short(n: u64) -> String {
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")];
    let unit = units.into_iter().find(|(unit, _)| n >= *unit && n.is_multiple_of(*unit));
    unit.map_or_else(|| grouped(n), |(unit, letter)| format!("{}{letter}", n / unit))
}

fn rounded(at: f64) -> String {
    format!("{at:.1}")
}

#[expect(clippy::cast_precision_loss, reason = "a share of a drawing's height needs no 53 bits")]
fn u64_to_f64(n: u64) -> f64 {
    n as f64
}

fn usize_to_f64(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-05T13:25:00Z.
    const NOW: Timestamp = Timestamp::from_unix(1_772_717_100);

    fn series(window: Window, at: &[(usize, u64)]) -> Series {
        let mut values = vec![0; window.buckets()];
        for (bucket, n) in at {
            values[*bucket] = *n;
        }
        Series { window, from: window.from(NOW), values }
    }

    fn chart(window: Window, at: &[(usize, u64)]) -> Chart {
        let series = series(window, at);
        Chart::bars("Sign-ins", &[ChartSeries { label: "sign-ins", class: "good", series: &series }])
            .expect("the chart has one series")
    }

    #[test]
    fn a_chart_scale_is_round_and_contains_the_peak() {
        let ticks = |peak| Scale::up_to(peak).ticks().collect::<Vec<_>>();
        assert_eq!(ticks(0), [0, 1]);
        assert_eq!(ticks(1), [0, 1]);
        assert_eq!(ticks(5), [0, 2, 4, 6]);
        assert_eq!(ticks(8), [0, 2, 4, 6, 8]);
        assert_eq!(ticks(9), [0, 5, 10]);
        assert_eq!(ticks(1234), [0, 500, 1000, 1500]);
        for peak in [u64::MAX, u64::MAX / 3, 999_999] {
            let scale = Scale::up_to(peak);
            assert!((0.0..=1.0).contains(&scale.share(peak)) && scale.share(peak) > 0.4, "{peak}");
        }
    }

    #[test]
    fn a_bar_starts_at_the_baseline_of_its_bucket() {
        let chart = chart(Window::Day, &[(0, 5), (23, 10)]);
        let [oldest, newest] = &chart.bars[..] else { panic!("{:#?}", chart.bars) };
        let base = HEIGHT - BOTTOM;
        for (bar, share) in [(oldest, 0.5), (newest, 1.0)] {
            let y: f64 = bar.y.parse().expect("a number");
            let height: f64 = bar.height.parse().expect("a number");
            assert!((y + height - base).abs() < 0.11 && (height - (base - TOP) * share).abs() < 0.11, "{bar:?}");
        }
        assert_eq!(oldest.title, "2026-03-04 14:00: 5 sign-ins");
        assert_eq!(newest.title, "2026-03-05 13:00: 10 sign-ins");
        let right: f64 = newest.x.parse::<f64>().expect("a number") + newest.width.parse::<f64>().expect("a number");
        assert!(oldest.x.parse::<f64>().expect("a number") > LEFT && right < WIDTH);
        assert_eq!(chart.scale.iter().map(|tick| tick.text.as_str()).collect::<Vec<_>>(), ["0", "5", "10"]);
    }

    #[test]
    fn a_small_value_is_visible_and_zero_is_not_drawn() {
        assert_eq!(chart(Window::Month, &[(3, 1), (4, 100_000)]).bars[0].height, "1.5");
        let none = chart(Window::Month, &[]);
        assert_eq!((none.bars.len(), none.scale.len(), none.rows.len()), (0, 2, 30));
        assert_eq!(Chart::bars("Nothing", &[]), None);
    }

    #[test]
    fn the_newest_bucket_is_labelled_and_labels_do_not_overlap() {
        let marks = |window| chart(window, &[]).dates.into_iter().map(|tick| tick.text).collect::<Vec<_>>();
        assert_eq!(marks(Window::Day), ["19:00", "01:00", "07:00", "13:00"]);
        assert_eq!(marks(Window::Month), ["02-08", "02-13", "02-18", "02-23", "02-28", "03-05"]);
    }

    #[test]
    fn a_chart_has_a_summary_and_a_table() {
        let good = series(Window::Day, &[(22, 1200), (23, 34)]);
        let bad = series(Window::Day, &[(23, 2)]);
        let all_series = [
            ChartSeries { label: "sign-ins", class: "good", series: &good },
            ChartSeries { label: "failed", class: "bad", series: &bad },
        ];
        let chart = Chart::bars("Sign-ins", &all_series).expect("the chart has two series");
        assert_eq!(
            chart.summary,
            "Sign-ins over the last 24 hours: 1\u{202f}234 sign-ins, at most 1\u{202f}200 in an hour; 2 failed, at most 2 in an hour."
        );
        assert_eq!(chart.columns, ["Hour (UTC)", "sign-ins", "failed"]);
        assert_eq!(
            chart.rows[0],
            ChartRow { date: "2026-03-05 13:00".to_owned(), values: vec!["34".to_owned(), "2".to_owned()] }
        );
        assert_eq!(chart.rows[1].values, ["1\u{202f}200", "0"]);
        assert_eq!(
            chart.legend[1],
            Legend { label: "failed".to_owned(), class: "bad".to_owned(), total: "2".to_owned() }
        );
        let at = |class: &str| chart.bars.iter().rfind(|bar| bar.class == class).map(|bar| bar.x.clone());
        assert!(at("good") < at("bad"), "the bars of two series must not overlap");
    }

    #[test]
    fn round_numbers_are_abbreviated() {
        let texts = [0, 5, 1500, 2000, 50_000, 3_000_000, 2_000_000_000].map(short);
        assert_eq!(texts, ["0", "5", "1\u{202f}500", "2k", "50k", "3M", "2G"]);
    }
}
