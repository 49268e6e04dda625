//! A small load driver for one server on this machine: `cargo bench --bench drive -- SCENARIO --base URL`.
//!
//! Each client has one blocking thread and one keep-alive connection. Every latency is recorded, so percentiles are
//! exact. The driver prints a table to standard error and one line of JSON to standard output. It uses only the HTTP
//! routes, connects only to loopback addresses, and ends after the given number of rounds. The scripts in
//! `scripts/bench/` start the servers.

#![expect(clippy::disallowed_methods, reason = "a load driver measures with the system clock")]

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

/// Send load to one server on this machine and report its speed and resource use
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// The scenario; without it, only `--floor` has an effect.
    #[arg(value_enum)]
    scenario: Option<Scenario>,
    /// The URL of the server, `http://127.0.0.1:PORT`.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    base: String,
    /// The route of the scenario (refresh: `/renew_token`, `/api/token/refresh/` or `/api/refresh/`; floor:
    /// `/floor-verified`).
    #[arg(long)]
    path: Option<String>,
    /// The number of clients, each with its own connection and user.
    #[arg(short, long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// The total requests per second, due at fixed times; latencies count from the due time. Without this option, each
    /// client sends its next request as soon as it has the previous response. In the storm scenario this is the rate of
    /// sign-ins (default: ten times the measured hash rate).
    #[arg(long)]
    rate: Option<f64>,
    /// The duration of each round, in seconds.
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    duration: u64,
    /// The duration of the warm-up before the first round, in seconds.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    warm: u64,
    /// The number of rounds; the table shows each round, the JSON line shows medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The process id of the server, to report the CPU time and memory of the server and its child processes.
    #[arg(long)]
    pid: Option<u32>,
    /// Measure the floors of this machine first: argon2id hashes and signatures per second.
    #[arg(long)]
    floor: bool,
    /// Run as the floor server: serve `/floor/N` and `/floor-verified/N` at the base URL, with its data in this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["scenario", "pid"])]
    serve_floor: Option<PathBuf>,
    /// A label that is copied into the report.
    #[arg(long, default_value = "")]
    label: String,
    /// Cargo passes this option to every benchmark.
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

/// Runs the scenario. Returns whether every response was as expected.
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

/// Runs all rounds of one scenario on the same connections.
fn drive(args: &Args, scenario: Scenario, report: &mut Map<String, Value>) -> Result<Vec<Round>, String> {
    let server = loopback(&args.base)?;
    let path = args.path.clone().unwrap_or_else(|| scenario.path().to_owned());
    let mut groups = [Group::prepare(server, scenario, &path, args.clients, u16::MAX, args.rate)?];
    let rounds = rounds(args, &mut groups, report);
    Ok(rounds.into_iter().flatten().collect())
}

/// Runs the warm-up and then the rounds. Returns the figures of every group for each round.
///
/// If the report has a hash rate and the scenario has sign-ins, measures the hash rate again after each round and
/// reports the mean, because other load on the machine varies.
fn rounds(args: &Args, groups: &mut [Group], report: &mut Map<String, Value>) -> Vec<Vec<Round>> {
    if args.warm > 0 {
        one_round(groups, Duration::from_secs(args.warm), None);
    }
    let mut floors: Vec<f64> = report.get(floor::HASHES).and_then(Value::as_f64).into_iter().collect();
    let repeat_floor = !floors.is_empty() && matches!(args.scenario, Some(Scenario::SignIn | Scenario::Storm));
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        rounds.push(one_round(groups, Duration::from_secs(args.duration), args.pid));
        if repeat_floor {
            floors.push(floor::hashes(floor_span(args)));
        }
    }
    if repeat_floor {
        let rates: Vec<_> = floors.iter().map(|floor| format!("{floor:.1}")).collect();
        eprintln!("floor: {} argon2id/s, before the first round and after each round", rates.join(", "));
        let mean = floors.iter().sum::<f64>() / f64::from(args.rounds + 1);
        report.insert(floor::HASHES.to_owned(), figures::rounded(mean).into());
    }
    rounds
}

fn floor_span(args: &Args) -> Duration {
    Duration::from_secs(args.duration.min(5))
}

/// Clients that send the same kind of request.
struct Group {
    clients: Vec<Client>,
    /// The requests per second of the whole group. `None`: each client sends its next request as soon as it has the
    /// previous response.
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
        let mut created = BTreeSet::new();
        let prepare = |number: u16| {
            let connection = Connection::open(server).map_err(|error| format!("connecting to {server}: {error}"))?;
            let user = format!("bench-{}-{}-{}", scenario.name(), std::process::id(), number % users);
            Client::prepare(scenario, path, &user, &mut created, connection)
        };
        Ok(Self { clients: (0..clients).map(prepare).collect::<Result<_, _>>()?, rate })
    }
}

/// Starts all clients at the same time and runs them for `span`. The resource use of the server cannot be split by
/// group, so the last group reports all of it.
fn one_round(groups: &mut [Group], span: Duration, pid: Option<u32>) -> Vec<Round> {
    let start_barrier = Barrier::new(groups.iter().map(|group| group.clients.len()).sum::<usize>() + 1);
    let paces: Vec<Pace> = groups.iter().map(|group| Pace::new(group.rate, span)).collect();
    std::thread::scope(|scope| {
        let start_barrier = &start_barrier;
        let mut running: Vec<Vec<_>> = Vec::new();
        for (group, pace) in groups.iter_mut().zip(&paces) {
            let clients = group.clients.iter_mut();
            let start = |client| {
                scope.spawn(move || {
                    start_barrier.wait();
                    one_client(client, pace)
                })
            };
            running.push(clients.map(start).collect());
        }
        let (before, driver_before) = (pid.map(figures::usage), figures::usage(std::process::id()));
        start_barrier.wait();
        let started = Instant::now();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Tally>| thread.join().expect("a client does not panic");
        let tallies: Vec<Tally> =
            running.into_iter().map(|group| group.into_iter().map(join).fold(Tally::default(), Tally::with)).collect();
        let usage = before.zip(pid.map(figures::usage));
        let driver = figures::usage(std::process::id()).cpu.saturating_sub(driver_before.cpu);
        let (took, last) = (started.elapsed(), tallies.len() - 1);
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

/// Returns the address of a URL if it is a loopback address.
fn loopback(base: &str) -> Result<SocketAddr, String> {
    let host = base.strip_prefix("http://").ok_or("the base URL must begin with http://")?.trim_end_matches('/');
    let mut found = host.to_socket_addrs().map_err(|error| format!("{host}: {error} (give http://HOST:PORT)"))?;
    let loopback = found.find(|address| address.ip().is_loopback());
    loopback.ok_or_else(|| format!("{host} is not a loopback address; the driver connects only to this machine"))
}
