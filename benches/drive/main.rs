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
mod scenario;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use clap::Parser;

use connection::Connection;
use figures::{Round, Tally};
use scenario::{Client, Scenario};

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
    let mut report = serde_json::Map::new();
    report.insert("label".to_owned(), args.label.clone().into());
    if args.floor {
        report.extend(floor::measure(Duration::from_secs(args.duration.min(5))));
    }
    let Some(scenario) = args.scenario else {
        println!("{}", serde_json::Value::Object(report));
        return Ok(true);
    };
    let rounds = drive(args, scenario)?;
    figures::table(&args.label, &rounds);
    report.insert("scenario".to_owned(), scenario.name().into());
    report.insert("clients".to_owned(), args.clients.into());
    report.extend(figures::medians(&rounds));
    println!("{}", serde_json::Value::Object(report));
    Ok(rounds.iter().all(|round| round.tally.errors == 0))
}

/// All rounds, on the same connections: warm-up first, and a line-up of all clients before each round.
fn drive(args: &Args, scenario: Scenario) -> Result<Vec<Round>, String> {
    let server = loopback(&args.base)?;
    let path = args.path.clone().unwrap_or_else(|| scenario.path().to_owned());
    let prepare = |number| {
        let connection = Connection::open(server).map_err(|error| format!("connecting to {server}: {error}"))?;
        Client::prepare(scenario, &path, number, connection)
    };
    let mut clients = (0..args.clients).map(prepare).collect::<Result<Vec<_>, _>>()?;
    if args.warm > 0 {
        one_round(&mut clients, Duration::from_secs(args.warm), None);
    }
    Ok((0..args.rounds).map(|_| one_round(&mut clients, Duration::from_secs(args.duration), args.pid)).collect())
}

fn one_round(clients: &mut [Client], span: Duration, pid: Option<u32>) -> Round {
    let line_up = Barrier::new(clients.len() + 1);
    std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                let line_up = &line_up;
                scope.spawn(move || {
                    line_up.wait();
                    one_client(client, span)
                })
            })
            .collect();
        let before = pid.map(figures::usage);
        line_up.wait();
        let begun = Instant::now();
        let tallies = running.into_iter().map(|thread| thread.join().expect("a client doesn't panic"));
        let tally = tallies.fold(Tally::default(), Tally::with);
        Round::new(tally, begun.elapsed(), before.zip(pid.map(figures::usage)))
    })
}

fn one_client(client: &mut Client, span: Duration) -> Tally {
    let mut tally = Tally::default();
    let end = Instant::now() + span;
    loop {
        let begun = Instant::now();
        if begun >= end {
            return tally;
        }
        match client.step() {
            Ok(()) => tally.latencies.push(begun.elapsed()),
            Err(refusal) => tally.count(refusal),
        }
    }
}

/// The address behind a URL, if it is this machine's.
fn loopback(base: &str) -> Result<SocketAddr, String> {
    let host = base.strip_prefix("http://").ok_or("the base must begin with http://")?.trim_end_matches('/');
    let mut found = host.to_socket_addrs().map_err(|error| format!("{host}: {error} (give http://HOST:PORT)"))?;
    let here = found.find(|address| address.ip().is_loopback());
    here.ok_or_else(|| format!("{host} is not this machine: the driver speaks to loopback addresses alone"))
}
