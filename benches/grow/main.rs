//! Creates a database of any size, then measures the CPU time of the look-up of a sign-in and of a renewal, and how
//! long the cleanup blocks the writer: `cargo bench --bench grow -- FOLDER --users N --sessions N --expired N`.
//!
//! If the folder already has a database, the benchmark measures that database. It prints a summary to standard error
//! and one line of JSON to standard output. It calls the use cases without HTTP and hashing, because their cost would
//! hide the cost of the size.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures with the system clock")]

mod generate;
mod measure;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::Value;

/// Create a large database and measure the cost of its size
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// The folder for the database; use the disk that production would use.
    folder: PathBuf,
    /// The number of users, who all have the same password.
    #[arg(long, default_value_t = 10_000)]
    users: u32,
    /// The number of live sessions, distributed randomly over the users.
    #[arg(long, default_value_t = 10_000)]
    sessions: u32,
    /// The number of expired sessions, for the cleanup.
    #[arg(long, default_value_t = 10_000)]
    expired: u32,
    /// The duration of each measurement, in seconds.
    #[arg(long, default_value_t = 5)]
    duration: u64,
    /// The number of rounds; the JSON line shows medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cargo passes this option to every benchmark.
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
        // The first start creates the schema and the keys.
        let issuer = runtime.block_on(measure::open(&args.folder))?;
        runtime.block_on(issuer.store.close());
        drop(issuer);
        report.extend(generate::fill(&file, args.users, args.sessions, args.expired)?);
    }
    report.extend(runtime.block_on(measure::all(&args.folder, &file, args.duration, args.rounds))?);
    Ok(Value::Object(report))
}
