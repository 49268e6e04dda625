//! A small load driver for one server on this machine: `cargo bench --bench drive -- SCENARIO --base URL`.
//!
//! One blocking thread and one keep-alive connection a client; every latency is kept, so percentiles are exact. A table
//! goes to standard error, one line of JSON to standard output. It knows the HTTP routes and nothing of the code behind
//! them, speaks to loopback addresses alone, and ends after the seconds it was given. `scripts/bench/` starts the servers.

#![expect(clippy::disallowed_methods, reason = "a driver measures by the machine's own clock")]

mod connection;
mod figures;
mod floor;
mod floor_server;
mod pace;
mod scenario;
mod storm;

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use clap::Parser;

use connection::Connection;
use figures::{Round, Tally};
use pace::Pace;
use scenario::{Client, Scenario};
use serde_json::{Map, Value};

/// Drives one server on this machine and reports how fast it answered and what that cost it.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// What to do; without it, only the floors are measured.
    #[arg(value_enum)]
    scenario: Option<Scenario>,
    /// The server, as `http://127.0.0.1:PORT`.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    base: String,
    /// Another route for the scenario (refresh: `/renew_token`, `/api/token/refresh/` or `/api/refresh/`; floor:
    /// `/floor-verified`).
    #[arg(long)]
    path: Option<String>,
    /// Clients, each with a connection and a user of its own.
    #[arg(short, long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// Requests a second in all, due at fixed times; latencies count from the time a request was due. Without it each
    /// client asks as soon as it was answered. Of a storm it is the sign-ins: ten times the floor, unless it is given.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds measured, each round.
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    duration: u64,
    /// Seconds before that, once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    warm: u64,
    /// Rounds; the table shows each, the JSON line their medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The server's process: its CPU time and memory are reported, its children's too.
    #[arg(long)]
    pid: Option<u32>,
    /// Measure what this machine can do at all first: argon2id hashes and ES256 signatures a second.
    #[arg(long)]
    floor: bool,
    /// Be the floor instead of measuring: serve `/floor/N` and `/floor-verified/N` at the base, with the data in that folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["scenario", "pid"])]
    serve_floor: Option<PathBuf>,
    /// Copied into the report.
    #[arg(long, default_value = "")]
    label: String,
    /// Cargo says this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(clean) => ExitCode::from(u8::from(!clean)),
        Err(error) => {
            eprintln!("drive: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every answer was the expected one.
fn run(args: &Args) -> Result<bool, String> {
    if let Some(folder) = &args.serve_floor {
        return floor_server::serve(loopback(&args.base)?, folder).map(|()| true);
    }
    let mut report = Map::new();
    report.insert("label".to_owned(), args.label.clone().into());
    if args.floor {
        report.extend(floor::measure(floor_span(args)));
    }
    let Some(scenario) = args.scenario else {
        println!("{}", Value::Object(report));
        return Ok(true);
    };
    if scenario == Scenario::Storm {
        return storm::run(args, report);
    }
    let rounds = drive(args, scenario, &mut report)?;
    figures::table(&args.label, &rounds);
    report.insert("scenario".to_owned(), scenario.name().into());
    report.insert("clients".to_owned(), args.clients.into());
    report.extend(figures::medians(&rounds));
    figures::compare(scenario, &mut report);
    println!("{}", Value::Object(report));
    Ok(rounds.iter().all(|round| round.tally.errors == 0))
}

/// All rounds of one scenario, on the same connections.
fn drive(args: &Args, scenario: Scenario, report: &mut Map<String, Value>) -> Result<Vec<Round>, String> {
    let server = loopback(&args.base)?;
    let path = args.path.clone().unwrap_or_else(|| scenario.path().to_owned());
    let mut groups = [Group::prepare(server, scenario, &path, args.clients, u16::MAX, args.rate)?];
    let rounds = rounds(args, &mut groups, report);
    Ok(rounds.into_iter().flatten().collect())
}

/// Warm-up first, then the rounds: of each the figures of every group. Where it is hashes that count, their floor is measured
/// again after each round, and the mean is reported: neighbours come and go.
fn rounds(args: &Args, groups: &mut [Group], report: &mut Map<String, Value>) -> Vec<Vec<Round>> {
    if args.warm > 0 {
        one_round(groups, Duration::from_secs(args.warm), None);
    }
    let mut floors: Vec<f64> = report.get(floor::HASHES).and_then(Value::as_f64).into_iter().collect();
    let again = !floors.is_empty() && matches!(args.scenario, Some(Scenario::SignIn | Scenario::Storm));
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        rounds.push(one_round(groups, Duration::from_secs(args.duration), args.pid));
        if again {
            floors.push(floor::hashes(floor_span(args)));
        }
    }
    if again {
        let shown: Vec<_> = floors.iter().map(|floor| format!("{floor:.1}")).collect();
        eprintln!("floor: {} argon2id/s, before the rounds and after each", shown.join(", "));
        let mean = floors.iter().sum::<f64>() / f64::from(args.rounds + 1);
        report.insert(floor::HASHES.to_owned(), figures::rounded(mean).into());
    }
    rounds
}

fn floor_span(args: &Args) -> Duration {
    Duration::from_secs(args.duration.min(5))
}

/// Clients that do the same.
struct Group {
    clients: Vec<Client>,
    /// Requests a second of all of them together; without it each asks as soon as it was answered.
    rate: Option<f64>,
}

impl Group {
    fn prepare(
        server: SocketAddr,
        scenario: Scenario,
        path: &str,
        clients: u16,
        users: u16,
        rate: Option<f64>,
    ) -> Result<Self, String> {
        let mut made = BTreeSet::new();
        let prepare = |number: u16| {
            let connection = Connection::open(server).map_err(|error| format!("connecting to {server}: {error}"))?;
            let user = format!("bench-{}-{}-{}", scenario.name(), std::process::id(), number % users);
            Client::prepare(scenario, path, &user, &mut made, connection)
        };
        Ok(Self { clients: (0..clients).map(prepare).collect::<Result<_, _>>()?, rate })
    }
}

/// A line-up of all clients, then so long of what they do. The server's usage can't be told
/// apart: the last group has that of all.
fn one_round(groups: &mut [Group], span: Duration, pid: Option<u32>) -> Vec<Round> {
    let line_up = Barrier::new(groups.iter().map(|group| group.clients.len()).sum::<usize>() + 1);
    let paces: Vec<Pace> = groups.iter().map(|group| Pace::new(group.rate, span)).collect();
    std::thread::scope(|scope| {
        let line_up = &line_up;
        let mut running: Vec<Vec<_>> = Vec::new();
        for (group, pace) in groups.iter_mut().zip(&paces) {
            let clients = group.clients.iter_mut();
            let start = |client| {
                scope.spawn(move || {
                    line_up.wait();
                    one_client(client, pace)
                })
            };
            running.push(clients.map(start).collect());
        }
        let (before, own_before) = (pid.map(figures::usage), figures::usage(std::process::id()));
        line_up.wait();
        let begun = Instant::now();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Tally>| thread.join().expect("a client doesn't panic");
        let tallies: Vec<Tally> =
            running.into_iter().map(|group| group.into_iter().map(join).fold(Tally::default(), Tally::with)).collect();
        let usage = before.zip(pid.map(figures::usage));
        let driver = figures::usage(std::process::id()).cpu.saturating_sub(own_before.cpu);
        let (took, last) = (begun.elapsed(), tallies.len() - 1);
        let of = |at| usage.filter(|_| at == last);
        tallies.into_iter().enumerate().map(|(at, tally)| Round::new(tally, took, of(at), driver)).collect()
    })
}

fn one_client(client: &mut Client, pace: &Pace) -> Tally {
    let mut tally = Tally::default();
    while let Some(due) = pace.next() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        tally.late += usize::from(due.elapsed() > figures::LATE);
        match client.step() {
            Ok(()) => tally.latencies.push(due.elapsed()),
            Err(refusal) => tally.count(refusal, due.elapsed()),
        }
    }
    tally
}

/// The address behind a URL, if it is this machine's.
fn loopback(base: &str) -> Result<SocketAddr, String> {
    let host = base.strip_prefix("http://").ok_or("the base must begin with http://")?.trim_end_matches('/');
    let mut found = host.to_socket_addrs().map_err(|error| format!("{host}: {error} (give http://HOST:PORT)"))?;
    let here = found.find(|address| address.ip().is_loopback());
    here.ok_or_else(|| format!("{host} is not this machine: the driver speaks to loopback addresses alone"))
}
