//! What a large database costs: makes one of any size, and measures what a sign-in looks up, what a renewal takes and how
//! long a sweep holds the writer: `cargo bench --bench grow -- FOLDER --users N --sessions N --expired N`.
//!
//! A folder that already holds a database is only measured. A table goes to standard error, one line of JSON to standard
//! output. It calls the use cases themselves, without HTTP and without hashing, so that nothing covers what grows.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures by the machine's own clock")]

mod generate;
mod measure;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::Value;

/// Makes a large database and measures what its size costs.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// Where it is made: a folder of its own, best on the disk that production would use.
    folder: PathBuf,
    /// Users, who all have the same password.
    #[arg(long, default_value_t = 10_000)]
    users: u32,
    /// Sessions that live, spread over the users by chance.
    #[arg(long, default_value_t = 10_000)]
    sessions: u32,
    /// Sessions that ran out long ago, for the sweep.
    #[arg(long, default_value_t = 10_000)]
    expired: u32,
    /// Seconds that each figure is measured for.
    #[arg(long, default_value_t = 5)]
    duration: u64,
    /// Rounds; the line tells medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cargo says this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("grow: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<Value> {
    std::fs::create_dir_all(&args.folder)?;
    let file = args.folder.join("data/countersign.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = serde_json::Map::new();
    report.insert("scenario".to_owned(), "growth".into());
    if !file.exists() {
        // The first start makes the schema and the keys.
        let issuer = runtime.block_on(measure::open(&args.folder))?;
        runtime.block_on(issuer.store.close());
        drop(issuer);
        report.extend(generate::fill(&file, args.users, args.sessions, args.expired)?);
    }
    report.extend(runtime.block_on(measure::all(&args.folder, &file, args.duration, args.rounds))?);
    Ok(Value::Object(report))
}
