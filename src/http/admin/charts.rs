//! The charts of the dashboard, computed from the hourly counts.

use minijinja::context;
use minijinja::value::Value;

use super::chart::{Chart, ChartSeries, Tick};
use crate::domain::count::{Count, HourCount, Series, Window};
use crate::domain::time::Timestamp;

/// Computes every chart of the dashboard for `window`.
pub fn charts(window: Window, now: Timestamp, hours: &[HourCount]) -> Vec<Chart> {
    // The label of the series, the class of its bars, and which counts it contains.
    type SeriesSpec = (&'static str, &'static str, fn(Count) -> bool);
    let all: [(&str, &[SeriesSpec]); 4] = [
        (
            "Sign-ins",
            &[
                ("sign-ins", "good", |count| count == Count::SignedIn),
                ("refused", "bad", |count| count == Count::SignInFailed),
            ],
        ),
        (
            "Refreshes",
            &[
                ("refreshes", "good", |count| count == Count::Refreshed),
                ("refused", "bad", |count| count == Count::RefreshRefused),
            ],
        ),
        ("Tokens issued", &[("tokens", "one", |count| matches!(count, Count::Issued(..)))]),
        (
            "Problems",
            &[
                ("throttled requests", "one", |count| count == Count::Throttled),
                ("internal errors", "bad", |count| count == Count::Fault),
            ],
        ),
    ];
    let charts = all.into_iter().map(|(title, specs)| {
        let series: Vec<_> = specs.iter().map(|(.., is_counted)| Series::new(window, now, hours, is_counted)).collect();
        let labelled =
            specs.iter().zip(&series).map(|((label, class, _), series)| ChartSeries { label, class, series });
        Chart::bars(title, &labelled.collect::<Vec<_>>())
    });
    charts.flatten().collect()
}

/// The template context of a chart.
pub fn chart_context(chart: &Chart) -> Value {
    let Chart { title, summary, view_box, line: (left, right), .. } = chart;
    let ticks =
        |ticks: &[Tick]| ticks.iter().map(|tick| context! { at => &tick.at, text => &tick.text }).collect::<Value>();
    let texts = |texts: &[String]| texts.iter().map(String::as_str).collect::<Value>();
    let legend = chart.legend.iter().map(|each| {
        context! { label => &each.label, class => &each.class, total => &each.total }
    });
    let bars = chart.bars.iter().map(|bar| {
        let class = &bar.class;
        let x = &bar.x;
        let y = &bar.y;
        let width = &bar.width;
        let height = &bar.height;
        let title = &bar.title;
        context! { class, x, y, width, height, title }
    });
    let rows = chart.rows.iter().map(|row| context! { date => &row.date, values => texts(&row.values) });
    context! {
        title,
        summary,
        view_box,
        left,
        right,
        legend => legend.collect::<Value>(),
        scale => ticks(&chart.scale),
        dates => ticks(&chart.dates),
        bars => bars.collect::<Value>(),
        columns => texts(&chart.columns),
        rows => rows.collect::<Value>(),
    }
}
