//! The periods in which the process ran, and the availability computed from them.

use std::time::Duration;

use super::time::Timestamp;

/// One run of the process, from its start to its last heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRun {
    /// When the process started.
    pub started_at: Timestamp,
    /// The time of the last heartbeat.
    pub seen_at: Timestamp,
}

/// The windows for which availability is reported, with their names on the wire. `None` is the time since the first
/// start.
pub const WINDOWS: [(&str, Option<Duration>); 4] = [
    ("1d", Some(Duration::from_hours(24))),
    ("7d", Some(Duration::from_hours(7 * 24))),
    ("30d", Some(Duration::from_hours(30 * 24))),
    ("all", None),
];

/// The periods in which the process ran, as ordered spans that neither touch nor overlap. Time in which two processes
/// ran is counted once.
#[derive(Clone, Debug, Default)]
pub struct RunHistory {
    spans: Vec<ProcessRun>,
    starts: usize,
}

impl RunHistory {
    /// A history of these runs.
    #[cfg(test)]
    fn new(runs: Vec<ProcessRun>) -> Self {
        Self::default().with(runs)
    }

    /// This history with further runs.
    #[must_use]
    pub fn with(&self, further: Vec<ProcessRun>) -> Self {
        let starts = self.starts + further.len();
        let mut runs = further;
        runs.extend(&self.spans);
        runs.sort_by_key(|run| run.started_at);
        let mut spans: Vec<ProcessRun> = Vec::with_capacity(runs.len());
        for run in runs {
            match spans.last_mut() {
                Some(last) if run.started_at <= last.seen_at => last.seen_at = last.seen_at.max(run.seen_at),
                _ => spans.push(run),
            }
        }
        Self { spans, starts }
    }

    /// How often the process was started.
    pub fn starts(&self) -> usize {
        self.starts
    }

    /// The share (0 to 1) of the window before `now` in which the process ran. The window is cut to the time since the
    /// first start. The result is 1 if that time is zero. The current run counts up to `now`.
    pub fn availability(&self, window: Option<Duration>, current_start: Timestamp, now: Timestamp) -> f64 {
        let first = self.spans.first().map_or(current_start, |span| span.started_at.min(current_start));
        let from = window.map_or(first, |window| first.max(now - window));
        let length = now.since(from);
        if length.is_zero() {
            return 1.0;
        }
        // The stored row of the current run ends at its last heartbeat. The current run is therefore not read from its
        // row: it counts from its start to `now`, and stored spans count only up to its start.
        let earlier = self.spans.iter().map(|span| span.seen_at.min(current_start).since(span.started_at.max(from)));
        let ran: Duration = earlier.sum::<Duration>() + now.since(current_start.max(from));
        (ran.as_secs_f64() / length.as_secs_f64()).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(started_at: i64, seen_at: i64) -> ProcessRun {
        ProcessRun { started_at: Timestamp::from_unix(started_at), seen_at: Timestamp::from_unix(seen_at) }
    }

    fn share(history: &RunHistory, window: Option<u64>, start: i64, now: i64) -> f64 {
        history.availability(window.map(Duration::from_secs), Timestamp::from_unix(start), Timestamp::from_unix(now))
    }

    #[test]
    fn a_first_run_has_full_availability() {
        let history = RunHistory::new(vec![run(100, 100)]);
        assert!((share(&history, None, 100, 100) - 1.0).abs() < 1e-9);
        assert!((share(&history, Some(86_400), 100, 500) - 1.0).abs() < 1e-9);
        assert_eq!(history.starts(), 1);
    }

    #[test]
    fn a_gap_lowers_every_window_that_contains_it() {
        let history = RunHistory::new(vec![run(0, 100), run(200, 200)]);
        assert!((share(&history, None, 200, 400) - 0.75).abs() < 1e-9);
        assert!((share(&history, Some(100), 200, 400) - 1.0).abs() < 1e-9);
        assert!((share(&history, Some(300), 200, 400) - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn overlapping_runs_count_once() {
        let history = RunHistory::new(vec![run(0, 100), run(50, 150), run(300, 300)]);
        assert!((share(&history, None, 300, 300) - 0.5).abs() < 1e-9);
        assert_eq!(history.starts(), 3);
    }

    #[test]
    fn runs_added_later_give_the_same_result() {
        let all = [run(0, 100), run(50, 150), run(300, 400), run(120, 310)];
        let bit_by_bit = all.iter().fold(RunHistory::default(), |history, run| history.with(vec![*run]));
        let at_once = RunHistory::new(all.to_vec());
        assert_eq!((&bit_by_bit.spans, bit_by_bit.starts()), (&at_once.spans, 4));
        assert_eq!(at_once.spans, [run(0, 400)]);
    }

    #[test]
    fn availability_stays_within_bounds_when_the_clock_is_set_back() {
        let history = RunHistory::new(vec![run(1000, 2000)]);
        for now in [0, 500, 1500, 2500] {
            let share = share(&history, Some(100), 1000, now);
            assert!((0.0..=1.0).contains(&share), "{share}");
        }
    }
}
