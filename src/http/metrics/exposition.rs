//! Writer for the Prometheus text exposition format, version 0.0.4. It performs no I/O and defines no metric.
//!
//! The crate `prometheus-client` writes the format `OpenMetrics` instead, which ends with `# EOF` and names counters
//! without `_total` in `# HELP` and `# TYPE`. With it the response would differ for existing scrapers.

use std::fmt::{self, Display, Write as _};

/// The type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A value that only grows. It starts at zero when the process starts.
    Counter,
    /// A value that can rise and fall.
    Gauge,
    /// Counts in buckets with upper bounds.
    Histogram,
}

impl MetricKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The names and values of labels.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// The exposition text. Callers add one metric family after another.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Starts a family. Its samples must follow. `help` must be a single line.
    pub fn family(&mut self, name: &str, kind: MetricKind, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name()));
    }

    /// Adds a sample to the current family, whose name is `name`.
    pub fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.put(format_args!("{name}{} {value}\n", LabelSet(labels, None)));
    }

    /// Adds a family with one sample and no labels.
    pub fn single(&mut self, name: &str, kind: MetricKind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Adds a family with one sample if the value is known.
    pub fn optional(&mut self, name: &str, kind: MetricKind, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.single(name, kind, help, value);
        }
    }

    /// Adds the samples of a histogram. `buckets` has one count for each upper bound, not cumulative, and a last count
    /// for the values above all bounds.
    pub fn histogram(&mut self, name: &str, labels: Labels<'_>, bounds: &[f64], buckets: &[u64], sum: f64) {
        let mut count = 0_u64;
        for (index, bucket) in buckets.iter().enumerate() {
            count = count.saturating_add(*bucket);
            let bound = bounds.get(index).map_or("+Inf".to_owned(), f64::to_string);
            self.put(format_args!("{name}_bucket{} {count}\n", LabelSet(labels, Some(&bound))));
        }
        self.put(format_args!("{name}_sum{} {sum}\n", LabelSet(labels, None)));
        self.put(format_args!("{name}_count{} {count}\n", LabelSet(labels, None)));
    }

    /// Returns the complete text.
    pub fn finish(self) -> String {
        self.0
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a `String` never fails.
        let _ = self.0.write_fmt(text);
    }
}

/// Formats labels as `{name="value",…}`, or as nothing if there are none. The second field is the upper bound of a
/// bucket, written last.
struct LabelSet<'a>(Labels<'a>, Option<&'a str>);

impl Display for LabelSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = self.1.map(|bound| ("le", bound));
        let mut open = '{';
        for (name, value) in self.0.iter().copied().chain(bound) {
            write!(f, "{open}{name}=\"")?;
            for c in value.chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    c => f.write_char(c)?,
                }
            }
            f.write_char('"')?;
            open = ',';
        }
        if open == ',' { f.write_char('}') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exposition_follows_the_prometheus_format() {
        let mut text = Exposition::default();
        text.family("things_total", MetricKind::Counter, "Things.");
        text.sample("things_total", &[("kind", "a \"b\" \\ \n"), ("other", "")], 7);
        text.single("level", MetricKind::Gauge, "How high.", 0.25);
        text.optional("nothing", MetricKind::Gauge, "Not known.", None::<u64>);
        text.family("took_seconds", MetricKind::Histogram, "How long.");
        text.histogram("took_seconds", &[("route", "/")], &[0.001, 1.0], &[2, 0, 3], 9.5);
        insta::assert_snapshot!(text.finish(), @r#"
        # HELP things_total Things.
        # TYPE things_total counter
        things_total{kind="a \"b\" \\ \n",other=""} 7
        # HELP level How high.
        # TYPE level gauge
        level 0.25
        # HELP took_seconds How long.
        # TYPE took_seconds histogram
        took_seconds_bucket{route="/",le="0.001"} 2
        took_seconds_bucket{route="/",le="1"} 2
        took_seconds_bucket{route="/",le="+Inf"} 5
        took_seconds_sum{route="/"} 9.5
        took_seconds_count{route="/"} 5
        "#);
    }
}
