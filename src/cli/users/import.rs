//! `countersign users import`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::source::UserSource;
use crate::app;
use crate::cli::{block_on, print, refusal};
use crate::clock::Clock;
use crate::config::Config;
use crate::issuer::import_users::{ImportNote, ImportUsers, Imported};
use crate::random::Random;

/// Both ways to say it; what is made of the arguments by itself would name the first alone.
const USAGE: &str = "countersign users import FILE [--report FILE]
       countersign users import --from-django FILE [--table NAME | --model NAME] [--report FILE]";

#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub struct UserImportArgs {
    /// JSON lines as `users export` writes them; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "from_django", conflicts_with = "from_django")]
    file: Option<PathBuf>,
    /// A Django project's SQLite database, or what its `manage.py dumpdata` wrote
    #[arg(long, value_name = "FILE")]
    from_django: Option<PathBuf>,
    /// The table of users in the database [default: `auth_user`, or the only one that looks like users]
    #[arg(long, requires = "from_django", conflicts_with_all = ["model", "file"])]
    table: Option<String>,
    /// The model of users in the dump, like accounts.user [default: the only one that looks like users]
    #[arg(long, requires = "from_django", conflicts_with = "file")]
    model: Option<String>,
    /// Write what could not come along to this file, too, as JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl UserImportArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let (source, path) = self.source()?;
        // The folder it lay in is nobody's business in the audit log.
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let from = if name == "-" { "standard input".to_owned() } else { name.into_owned() };
        let mut report = ImportReport::new(&source, self.report)?;
        block_on(async {
            let clock = Clock::system();
            let issuer = app::build(config, clock.clone(), Random::System).await?;
            let begun = clock.monotonic();
            let mut sum = Imported::default();
            for batch in source.read()? {
                let batch = batch.context("importing users")?;
                let import = ImportUsers { rows: batch.rows, from: from.clone() };
                let done = import.run(&issuer).await.map_err(refusal::refusal_error).with_context(|| {
                    format!("importing users ({} came along before; repeat the import to go on)", sum.imported)
                })?;
                sum.imported += done.imported;
                sum.without_password += done.without_password;
                sum.already_present += done.already_present;
                report.add_notes(&done.notes, batch.read)?;
            }
            report.bar.finish_and_clear();
            issuer.store.close().await;
            let seconds = clock.monotonic().saturating_sub(begun).as_secs_f64();
            print::message(format!(
                "{} came along ({} lost their address, {} have no password and need a reset), {} were here already, {} \
                 could not come, in {seconds:.1} s",
                user_count(sum.imported),
                report.lost_address,
                sum.without_password,
                sum.already_present,
                report.refused
            ));
            Ok(if report.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        })
    }

    fn source(&self) -> Result<(UserSource, PathBuf)> {
        let path = self.from_django.as_ref().or(self.file.as_ref()).context("naming the file to import")?;
        let source = match &self.from_django {
            Some(path) => UserSource::django(path, self.table.as_deref(), self.model.as_deref())?,
            None => UserSource::lines(path)?,
        };
        Ok((source, path.clone()))
    }
}

/// What is told while the import goes on: each record that could not come along whole, and how far it is.
struct ImportReport {
    noun: &'static str,
    file: Option<BufWriter<File>>,
    bar: ProgressBar,
    lost_address: usize,
    refused: usize,
}

impl ImportReport {
    fn new(source: &UserSource, file: Option<PathBuf>) -> Result<Self> {
        let file = file.map(|path| {
            let made = File::create(&path).with_context(|| format!("writing the report {}", path.display()));
            made.map(BufWriter::new)
        });
        let file = file.transpose()?;
        Ok(Self { noun: source.noun(), file, bar: bar(source)?, lost_address: 0, refused: 0 })
    }

    fn add_notes(&mut self, notes: &[ImportNote], read: u64) -> Result<()> {
        self.bar.set_position(read);
        for note in notes {
            // Nobody has two notes of one kind.
            self.refused += usize::from(note.reason.is_whole_record());
            self.lost_address += usize::from(note.reason.is_address());
            let who = note
                .username
                .as_deref()
                .map(|name| format!(" ({})", name.replace(char::is_control, "\u{fffd}")))
                .unwrap_or_default();
            let words = format!("{} {}{who}: {}", self.noun, note.number, note.reason);
            self.bar.suspend(|| print::warn(words));
            if let Some(file) = &mut self.file {
                let line = json!({
                    self.noun: note.number,
                    "id": note.id,
                    "username": note.username,
                    "came": !note.reason.is_whole_record(),
                    "reason": note.reason.to_string(),
                });
                writeln!(file, "{line}").context("writing the report")?;
            }
        }
        self.file.as_mut().map_or(Ok(()), BufWriter::flush).context("writing the report")
    }
}

fn user_count(number: usize) -> String {
    format!("{number} {}", if number == 1 { "user" } else { "users" })
}

/// A bar on a terminal's standard error, and nothing elsewhere.
fn bar(source: &UserSource) -> Result<ProgressBar> {
    if !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let bar = ProgressBar::with_draw_target(source.total(), ProgressDrawTarget::stderr());
    let shape = match (source, source.total()) {
        (_, None) => "{spinner} {bytes} read, {elapsed}",
        (UserSource::Lines(_), _) => "{bar:40} {bytes}/{total_bytes}, {eta} to go",
        _ => "{bar:40} {human_pos}/{human_len} users, {eta} to go",
    };
    bar.set_style(ProgressStyle::with_template(shape)?);
    Ok(bar)
}
