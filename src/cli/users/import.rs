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
use crate::cli::runtime::block_on;
use crate::cli::{print, refusal};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::import::leftovers::Leftovers;
use crate::issuer::import_users::note::ImportNote;
use crate::issuer::import_users::{ImportUsers, Imported};
use crate::random::Random;

/// The two forms of the command. The usage that clap generates contains only the first.
const USAGE: &str = "countersign users import FILE [--addresses-verified] [--report FILE]
       countersign users import --from-django FILE [--table NAME | --model NAME] [--addresses-verified]
                                [--report FILE]";

#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub struct UserImportArgs {
    /// Read JSON lines from this file, in the format of `users export`; - reads standard input
    #[arg(value_name = "FILE", required_unless_present = "from_django", conflicts_with = "from_django")]
    file: Option<PathBuf>,
    /// Read the SQLite database of a Django project, or the output of its `manage.py dumpdata`
    #[arg(long, value_name = "FILE")]
    from_django: Option<PathBuf>,
    /// Read users from this table [default: `auth_user`, or the only table with the columns of users]
    #[arg(long, requires = "from_django", conflicts_with_all = ["model", "file"])]
    table: Option<String>,
    /// Read users from this model, such as accounts.user [default: the only model with the fields of users]
    #[arg(long, requires = "from_django", conflicts_with = "file")]
    model: Option<String>,
    /// Mark every imported e-mail address as verified; only if the other system verified all of them
    #[arg(long)]
    addresses_verified: bool,
    /// Write users that were rejected or not imported completely, and a summary, to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl UserImportArgs {
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let (source, path) = self.source()?;
        // The audit log contains only the name of the file, because its path may reveal private information.
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let from = if name == "-" { "standard input".to_owned() } else { name.into_owned() };
        let leftovers = source.leftovers();
        let addresses_verified = self.addresses_verified;
        let mut report = ImportReport::new(&source, self.report)?;
        block_on(async {
            let clock = Clock::system();
            let issuer = app::build_for_users(config, clock.clone(), Random::System).await?;
            let started = clock.monotonic();
            let mut total = Imported::default();
            for batch in source.read()? {
                let batch = batch.context("cannot import the users")?;
                let import = ImportUsers { rows: batch.rows, from: from.clone(), addresses_verified };
                let done = import.run(&issuer).await.map_err(refusal::error_from_refusal).with_context(|| {
                    format!("import stopped after {} users (repeat the command to continue)", total.imported)
                })?;
                total.imported += done.imported;
                total.without_password += done.without_password;
                total.verified += done.verified;
                total.accounts += done.accounts;
                total.already_present += done.already_present;
                report.add_notes(&done.notes, batch.read)?;
            }
            report.bar.finish_and_clear();
            issuer.store.close().await;
            let seconds = clock.monotonic().saturating_sub(started).as_secs_f64();
            report.add_summary(&total, &leftovers)?;
            let not_imported = leftovers.to_string();
            if !not_imported.is_empty() {
                print::message(format!("Not imported: {not_imported}."));
            }
            print::message(format!("{} Time: {seconds:.1} s.", report.summary(&total)));
            Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        })
    }

    fn source(&self) -> Result<(UserSource, PathBuf)> {
        let path = self
            .from_django
            .as_ref()
            .or(self.file.as_ref())
            .context("no file to import; name a FILE or use --from-django")?;
        let source = match &self.from_django {
            Some(path) => UserSource::django(path, self.table.as_deref(), self.model.as_deref())?,
            None => UserSource::lines(path)?,
        };
        Ok((source, path.clone()))
    }
}

/// Reports the progress of an import, and each record that was rejected, or whose e-mail address or password hash could
/// not be imported. A record that has no e-mail address or no password is not reported. The last line is a summary.
struct ImportReport {
    noun: &'static str,
    file: Option<BufWriter<File>>,
    bar: ProgressBar,
    without_email: usize,
    skipped_accounts: usize,
    rejected: usize,
}

impl ImportReport {
    fn new(source: &UserSource, file: Option<PathBuf>) -> Result<Self> {
        let file = file.map(|path| {
            let created = File::create(&path).with_context(|| format!("cannot write the report {}", path.display()));
            created.map(BufWriter::new)
        });
        let file = file.transpose()?;
        Ok(Self { noun: source.noun(), file, bar: bar(source)?, without_email: 0, skipped_accounts: 0, rejected: 0 })
    }

    fn add_notes(&mut self, notes: &[ImportNote], read: u64) -> Result<()> {
        self.bar.set_position(read);
        for note in notes {
            // A record has at most one note of each kind, so this counts records.
            self.rejected += usize::from(note.reason.is_whole_record());
            self.without_email += usize::from(note.reason.is_address());
            self.skipped_accounts += note.reason.accounts();
            let name = note
                .username
                .as_deref()
                .map(|name| format!(" ({})", name.replace(char::is_control, "\u{fffd}")))
                .unwrap_or_default();
            let warning = format!("{} {}{name}: {}", self.noun, note.number, note.reason);
            self.bar.suspend(|| print::warn(warning));
            if let Some(file) = &mut self.file {
                let line = json!({
                    self.noun: note.number,
                    "id": note.id,
                    "username": note.username,
                    "came": !note.reason.is_whole_record(),
                    "reason": note.reason.to_string(),
                });
                writeln!(file, "{line}").context("cannot write the report")?;
            }
        }
        self.file.as_mut().map_or(Ok(()), BufWriter::flush).context("cannot write the report")
    }
}

impl ImportReport {
    fn summary(&self, total: &Imported) -> String {
        let skipped = match self.skipped_accounts {
            0 => String::new(),
            count => format!(" ({count} skipped)"),
        };
        format!(
            "Imported {} ({} without e-mail, {} without password). Already present: {}. Rejected: {}. Verified \
             addresses: {}. Provider accounts: {}{skipped}.",
            user_count(total.imported),
            self.without_email,
            total.without_password,
            total.already_present,
            self.rejected,
            total.verified,
            total.accounts,
        )
    }

    /// Writes the last line of the report.
    fn add_summary(&mut self, total: &Imported, leftovers: &Leftovers) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let counts = |counts: &[(String, u64)]| counts.iter().cloned().collect::<std::collections::BTreeMap<_, _>>();
        let summary = json!({"summary": {
            "imported": total.imported,
            "without_email": self.without_email,
            "without_password": total.without_password,
            "verified_addresses": total.verified,
            "provider_accounts": total.accounts,
            "skipped_provider_accounts": self.skipped_accounts,
            "already_present": total.already_present,
            "rejected": self.rejected,
            "not_imported": {"fields": counts(&leftovers.fields), "tables": counts(&leftovers.tables)},
        }});
        writeln!(file, "{summary}").and_then(|()| file.flush()).context("cannot write the report")
    }
}

fn user_count(number: usize) -> String {
    format!("{number} {}", if number == 1 { "user" } else { "users" })
}

/// Returns a progress bar on standard error if it is a terminal, and a hidden bar otherwise.
fn bar(source: &UserSource) -> Result<ProgressBar> {
    if !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let bar = ProgressBar::with_draw_target(source.total(), ProgressDrawTarget::stderr());
    let template = match (source, source.total()) {
        (_, None) => "{spinner} {bytes} read, {elapsed}",
        (UserSource::Lines(_), _) => "{bar:40} {bytes}/{total_bytes}, {eta} left",
        _ => "{bar:40} {human_pos}/{human_len} users, {eta} left",
    };
    bar.set_style(ProgressStyle::with_template(template)?);
    Ok(bar)
}
