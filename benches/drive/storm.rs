//! The overload test: many more sign-ins than the server can serve, with JWKS requests and renewals at a low fixed
//! rate.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::figures::{self, Round};
use super::scenario::Scenario;
use super::{Args, Group, floor, loopback, rounds};

/// The rate of sign-ins as a multiple of the hash rate of the machine.
const OVERLOAD: f64 = 10.0;
const JWKS_RATE: f64 = 200.0;
const REFRESH_RATE: f64 = 100.0;
/// The number of users who sign in, and of sessions that are renewed.
const USERS: u16 = 16;
/// The number of sign-in clients: enough for all queued sign-ins (3 s of the hash rate of two cores) and for those that
/// are being rejected.
const CLIENTS: u16 = 512;

/// The targets, in four constants: the maximum p99 latencies in milliseconds, and the minimum rate of successful
/// sign-ins as a share of the hash rate that the driver leaves to the server.
const JWKS_P99_MS: f64 = 4.0;
const REFRESH_P99_MS: f64 = 20.0;
const SURPLUS_P99_MS: f64 = 100.0;
const ADMITTED_SHARE: f64 = 0.95;

/// The names of the groups in the report, in the order of `groups`.
const NAMES: [&str; 3] = ["jwks", "refresh", "sign_in"];

/// Runs all three groups at the same time. Returns whether every response was as expected.
pub fn run(args: &Args, mut report: Map<String, Value>) -> Result<bool, String> {
    if !args.floor {
        report.extend(floor::measure(Duration::from_secs(args.duration.min(5))));
    }
    let hashes = |report: &Map<String, Value>| report.get(floor::HASHES).and_then(Value::as_f64).unwrap_or(0.0);
    let offered = args.rate.unwrap_or(OVERLOAD * hashes(&report));
    let server = loopback(&args.base)?;
    let group = |scenario: Scenario, path: Option<&str>, clients, rate| {
        Group::prepare(server, scenario, path.unwrap_or(scenario.path()), clients, USERS, Some(rate))
    };
    let mut groups = [
        group(Scenario::Jwks, None, 4, JWKS_RATE)?,
        group(Scenario::Refresh, Some("/api/refresh/"), USERS, REFRESH_RATE)?,
        group(Scenario::SignIn, args.path.as_deref(), CLIENTS, offered)?,
    ];
    let rounds = rounds(args, &mut groups, &mut report);
    let mut by_group: [Vec<Round>; 3] = Default::default();
    for groups in rounds {
        for (all, round) in by_group.iter_mut().zip(groups) {
            all.push(round);
        }
    }
    report.insert("scenario".to_owned(), Scenario::Storm.name().into());
    report.insert("offered_per_second".to_owned(), offered.round().into());
    let mut group_medians = Vec::new();
    for (name, rounds) in NAMES.into_iter().zip(&by_group) {
        figures::table(name, rounds);
        let medians = figures::medians(rounds);
        group_medians.push(medians.clone());
        report.insert(name.to_owned(), medians.into());
    }
    let of = |group: usize, name: &str| group_medians[group].get(name).and_then(Value::as_f64).unwrap_or(0.0);
    // The clients run on the same cores as the server, so their CPU time is subtracted.
    let cores = report.get("cores").and_then(Value::as_f64).unwrap_or(1.0);
    let remaining = hashes(&report) * (1.0 - of(2, "driver_cores") / cores);
    eprintln!(
        "the driver left {remaining:.1} hashes/s; {:.1} sign-ins/s were accepted and served",
        of(2, "per_second")
    );
    report.insert("hashes_left_by_driver".to_owned(), figures::rounded(remaining).into());
    let targets = json!({
        "jwks_p99_at_most_1": figures::rounded(of(0, "p99_ms") / JWKS_P99_MS),
        "refresh_p99_at_most_1": figures::rounded(of(1, "p99_ms") / REFRESH_P99_MS),
        "surplus_p99_at_most_1": figures::rounded(of(2, "busy_p99_ms") / SURPLUS_P99_MS),
        "admitted_at_least_1": figures::rounded(of(2, "per_second") / (ADMITTED_SHARE * remaining)),
    });
    eprintln!("ratios to target: {targets}");
    report.insert("to_target".to_owned(), targets);
    println!("{}", Value::Object(report));
    Ok(by_group.iter().flatten().all(|round| round.tally.errors == 0))
}
