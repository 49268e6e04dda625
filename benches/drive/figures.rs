//! The measured figures: exact percentiles, CPU time and memory of the server, and medians over the rounds.

use std::fs;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::floor;
use super::scenario::{Refusal, Scenario};

/// The unit of CPU time in `/proc`: 10 ms with every Linux kernel configuration (`man 5 proc`, `CLK_TCK`).
const TICK: Duration = Duration::from_millis(10);

/// A request that is sent later than this after its due time counts as late.
pub const LATE: Duration = Duration::from_millis(10);

/// The results of all clients in one round.
#[derive(Default)]
pub struct Tally {
    pub latencies: Vec<Duration>,
    /// The latencies of busy responses (503 or 429 with `Retry-After`).
    pub busy: Vec<Duration>,
    /// The number of requests that were sent more than [`LATE`] after their due time because no client was free. This
    /// is a limit of the driver.
    pub late: usize,
    pub errors: usize,
    pub first_error: Option<String>,
}

impl Tally {
    pub fn count(&mut self, refusal: Refusal, latency: Duration) {
        match refusal {
            Refusal::Busy => self.busy.push(latency),
            Refusal::Wrong(what) => {
                self.errors += 1;
                self.first_error.get_or_insert(what);
            }
        }
    }

    pub fn with(mut self, other: Self) -> Self {
        self.latencies.extend(other.latencies);
        self.busy.extend(other.busy);
        self.late += other.late;
        self.errors += other.errors;
        self.first_error = self.first_error.or(other.first_error);
        self
    }
}

/// The CPU time of a process and its child processes since their start, and their memory.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    pub cpu: Duration,
    pub resident_kib: u64,
    pub peak_kib: u64,
}

/// The figures of one round.
pub struct Round {
    pub tally: Tally,
    pub span: Duration,
    pub cpu: Option<Duration>,
    pub usage: Option<Usage>,
    /// The CPU time of the driver, which shares the cores with the server.
    pub driver: Duration,
}

impl Round {
    pub fn new(mut tally: Tally, span: Duration, usage: Option<(Usage, Usage)>, driver: Duration) -> Self {
        tally.latencies.sort_unstable();
        tally.busy.sort_unstable();
        let cpu = usage.map(|(before, after)| after.cpu.saturating_sub(before.cpu));
        Self { tally, span, cpu, usage: usage.map(|(_, after)| after), driver }
    }

    /// Returns each figure with its name; the name contains the unit.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        let done = float(self.tally.latencies.len());
        let mut figures = vec![
            ("requests", done),
            ("per_second", done / self.span.as_secs_f64()),
            ("p50_ms", percentile(&self.tally.latencies, 50)),
            ("p90_ms", percentile(&self.tally.latencies, 90)),
            ("p99_ms", percentile(&self.tally.latencies, 99)),
            ("max_ms", percentile(&self.tally.latencies, 100)),
            ("busy", float(self.tally.busy.len())),
            ("busy_p99_ms", percentile(&self.tally.busy, 99)),
            ("busy_max_ms", percentile(&self.tally.busy, 100)),
            ("late", float(self.tally.late)),
            ("errors", float(self.tally.errors)),
        ];
        if let (Some(cpu), Some(usage)) = (self.cpu, self.usage) {
            let responses = done + float(self.tally.busy.len());
            figures
                .push(("cpu_us_per_request", if responses > 0.0 { cpu.as_secs_f64() * 1e6 / responses } else { 0.0 }));
            figures.push(("server_cores", cpu.as_secs_f64() / self.span.as_secs_f64()));
            figures.push(("driver_cores", self.driver.as_secs_f64() / self.span.as_secs_f64()));
            figures.push(("rss_mib", kib_to_mib(usage.resident_kib)));
            figures.push(("peak_mib", kib_to_mib(usage.peak_kib)));
        }
        figures
    }
}

/// Returns the percentile of sorted latencies, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
}

/// Returns the median of each figure over the rounds, and the first error.
pub fn medians(rounds: &[Round]) -> Map<String, Value> {
    let all: Vec<_> = rounds.iter().map(Round::figures).collect();
    let mut report = Map::new();
    for (at, (name, _)) in all.first().into_iter().flatten().enumerate() {
        let mut values: Vec<f64> = all.iter().map(|figures| figures[at].1).collect();
        values.sort_unstable_by(f64::total_cmp);
        report.insert((*name).to_owned(), json!(rounded(values[values.len() / 2])));
    }
    if let Some(error) = rounds.iter().find_map(|round| round.tally.first_error.as_ref()) {
        report.insert("first_error".to_owned(), error.as_str().into());
    }
    report
}

/// Adds the ratio of the measured value to its target, for scenarios whose target a single run can check.
pub fn compare(scenario: Scenario, report: &mut Map<String, Value>) {
    let of = |name: &str| report.get(name).and_then(Value::as_f64);
    let ratio = match scenario {
        // At least 95 % of the raw hash rate.
        Scenario::SignIn => of("per_second")
            .zip(of(floor::HASHES))
            .map(|(done, floor)| json!({"per_second_at_least_1": rounded(done / (0.95 * floor))})),
        // At most 12 µs.
        Scenario::Jwks => of("cpu_us_per_request").map(|cpu| json!({"cpu_at_most_1": rounded(cpu / 12.0)})),
        Scenario::JwksUnchanged | Scenario::Floor | Scenario::Refresh | Scenario::Storm => None,
    };
    if let Some(ratio) = ratio {
        eprintln!("ratio to target: {ratio}");
        report.insert("to_target".to_owned(), ratio);
    }
}

/// Rounds to three decimals. Repeated runs differ by more than that.
pub fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Prints the rounds as a table on standard error.
pub fn table(label: &str, rounds: &[Round]) {
    let row = |first: &str, cells: Vec<String>| eprintln!("{first:<12}{}", cells.concat());
    for (number, round) in rounds.iter().enumerate() {
        let figures = round.figures();
        if number == 0 {
            row(label, figures.iter().map(|(name, _)| format!("  {name:>9}")).collect());
        }
        row(
            &format!("round {}", number + 1),
            figures.iter().map(|(name, value)| format!("  {value:>width$.2}", width = name.len().max(9))).collect(),
        );
    }
}

/// Returns the resource use of a process and its child processes. Processes that cannot be read count as zero.
pub fn usage(pid: u32) -> Usage {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let process_tree = processes.filter(|found| *found == pid || parent(*found) == Some(pid));
    process_tree.map(usage_of_one).fold(Usage::default(), |sum, one| Usage {
        cpu: sum.cpu + one.cpu,
        resident_kib: sum.resident_kib + one.resident_kib,
        peak_kib: sum.peak_kib + one.peak_kib,
    })
}

fn usage_of_one(pid: u32) -> Usage {
    let fields = stat(pid);
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok()).unwrap_or(0);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    // Fields 14 and 15 of `/proc/PID/stat` (`man 5 proc`); the first element of `fields` is field 3.
    Usage {
        cpu: TICK * (ticks(11) + ticks(12)),
        resident_kib: kib("VmRSS:").unwrap_or(0),
        peak_kib: kib("VmHWM:").unwrap_or(0),
    }
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid).get(1)?.parse().ok()
}

/// Returns the fields after the process name. The name is in parentheses and can contain any character.
fn stat(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().map(str::to_owned).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
fn kib_to_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
