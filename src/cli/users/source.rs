//! The sources of imported users: JSON lines, the output of Django's `dumpdata`, and a Django database.
//!
//! A separate thread reads the source at most a few batches ahead of the writes, so that a large source does not fill
//! the memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, Result, bail};

use super::dump::Dump;
use super::text_format::utf8;
use crate::domain::import::leftovers::Leftovers;
use crate::domain::strict_json;
use crate::domain::user_record::SourceUser;
use crate::issuer::import_users::ImportRow;
use crate::store::sqlite::django::{DjangoUsers, FILE_MAGIC};

/// The number of users per transaction. It is large enough to make the time of the fsync negligible, and small enough
/// that a server on the same database waits only briefly.
const BATCH: usize = 1000;
/// The maximum number of complete batches in the channel. The reader thread holds at most one more.
const MAX_BATCHES_AHEAD: usize = 2;
/// The maximum length of a line in bytes, including its line break.
const LINE_MAX: u64 = 1 << 16;

/// A source of users.
#[derive(Debug)]
pub enum UserSource {
    /// JSON lines in the format of `users export`, from a file; `None`: from standard input.
    Lines(Option<PathBuf>),
    /// The output of `manage.py dumpdata`.
    Dump(Dump),
    /// The SQLite database of a Django project.
    Database(DjangoUsers),
}

/// A batch of users, and how much of the source has been read so far, in the unit of [`UserSource::total`].
pub struct ImportBatch {
    pub rows: Vec<ImportRow>,
    pub read: u64,
}

impl UserSource {
    /// Opens a file of JSON lines, or standard input for `-`.
    pub fn lines(file: &Path) -> Result<Self> {
        if file.as_os_str() == "-" {
            return Ok(Self::Lines(None));
        }
        if open(file)?.fill_buf().with_context(|| reading(file))?.starts_with(FILE_MAGIC) {
            bail!(
                "{} is an SQLite database; to import the users of a Django project, put --from-django before the file",
                file.display()
            );
        }
        Ok(Self::Lines(Some(file.to_path_buf())))
    }

    /// Opens a database or a dump. The first bytes of the file decide which.
    pub fn django(file: &Path, table: Option<&str>, model: Option<&str>) -> Result<Self> {
        let is_database = open(file)?.fill_buf().with_context(|| reading(file))?.starts_with(FILE_MAGIC);
        match (is_database, table, model) {
            (true, _, None) => Ok(Self::Database(DjangoUsers::open(file, table)?)),
            (true, _, Some(_)) => bail!("{} is a database; name its table with --table", file.display()),
            (false, None, _) => Ok(Self::Dump(Dump::open(file, model)?)),
            (false, Some(_), _) => bail!("{} is not an SQLite database; name its model with --model", file.display()),
        }
    }

    /// Returns the size of the source: in bytes for a file of lines, otherwise in users. `None`: unknown.
    pub fn total(&self) -> Option<u64> {
        match self {
            Self::Lines(None) => None,
            Self::Lines(Some(path)) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len()),
            Self::Dump(dump) => Some(dump.count),
            Self::Database(users) => users.count().ok(),
        }
    }

    /// Returns what the source knows about users and the import leaves behind. Lines have no such fields.
    pub fn leftovers(&self) -> Leftovers {
        match self {
            Self::Lines(_) => Leftovers::default(),
            Self::Dump(dump) => dump.leftovers.clone(),
            Self::Database(users) => users.leftovers().clone(),
        }
    }

    /// Returns the name of a numbered record in messages, as in `line 7`.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Lines(_) => "line",
            Self::Dump(_) => "object",
            Self::Database(_) => "row",
        }
    }

    /// Reads all users on a separate thread, which ends when the receiver is dropped. An error is the last item.
    pub fn read(self) -> Result<Receiver<Result<ImportBatch>>> {
        let (batches, received) = sync_channel(MAX_BATCHES_AHEAD);
        let run = move || {
            let mut filling = BatchBuilder { batches: &batches, rows: Vec::with_capacity(BATCH), read: 0 };
            let done = self.read_into(&mut filling);
            filling.send();
            if let Err(error) = done {
                // If the receiver was dropped, the import has already failed with its own error.
                let _ = batches.send(Err(error));
            }
        };
        thread::Builder::new().name("import-reader".to_owned()).spawn(run).context("cannot start the reader thread")?;
        Ok(received)
    }

    fn read_into(self, filling: &mut BatchBuilder<'_>) -> Result<()> {
        match self {
            Self::Lines(None) => {
                let text = utf8(io::stdin().lock(), Path::new("standard input"))?;
                read_lines(text, filling).context("cannot read standard input")
            }
            Self::Lines(Some(path)) => read_lines(utf8(open(&path)?, &path)?, filling).with_context(|| reading(&path)),
            Self::Dump(dump) => dump.each(|user| filling.count(user)),
            Self::Database(users) => Ok(users.each(|user| filling.count(user))?),
        }
    }
}

fn open(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 16, File::open(path).with_context(|| reading(path))?))
}

fn reading(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// Collects rows and sends them in batches.
struct BatchBuilder<'a> {
    batches: &'a SyncSender<Result<ImportBatch>>,
    rows: Vec<ImportRow>,
    read: u64,
}

impl BatchBuilder<'_> {
    /// Adds the next user of a source that counts users. Returns false when the receiver has been dropped.
    fn count(&mut self, user: SourceUser) -> bool {
        self.read += 1;
        self.add(self.read, Ok(user))
    }

    fn add(&mut self, number: u64, user: Result<SourceUser, String>) -> bool {
        self.rows.push(ImportRow { number, user });
        self.rows.len() < BATCH || self.send()
    }

    fn send(&mut self) -> bool {
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(BATCH));
        rows.is_empty() || self.batches.send(Ok(ImportBatch { rows, read: self.read })).is_ok()
    }
}

fn read_lines(mut from: impl BufRead, filling: &mut BatchBuilder<'_>) -> io::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut length = from.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            break;
        }
        let is_cut = length == LINE_MAX && line.last() != Some(&b'\n');
        if is_cut {
            length += from.skip_until(b'\n')? as u64;
        }
        filling.read += length;
        let text = line.trim_ascii();
        if !text.is_empty() && !filling.add(number, parse_line(text, is_cut)) {
            break;
        }
    }
    Ok(())
}

fn parse_line(text: &[u8], is_cut: bool) -> Result<SourceUser, String> {
    if !text.starts_with(b"{") {
        return Err("the line is not a JSON object (for the output of Django's dumpdata, use --from-django)".to_owned());
    }
    if is_cut {
        return Err("the line is longer than 64 KiB; write one user per line, with at most 2 KiB of claims".to_owned());
    }
    let members = strict_json::parse_object(text).map_err(|error| {
        // The parser sees only this line, so its line number is always 1.
        error.to_string().replace("at line 1 column", "at column")
    })?;
    SourceUser::from_line(&members)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use tempfile::TempDir;

    fn file(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    type Rows = Vec<(u64, Result<String, String>)>;

    /// Returns all rows (number, and name or error), and how much had been read at the end.
    fn read(source: UserSource) -> (Rows, u64) {
        let batches: Vec<ImportBatch> = source.read().unwrap().into_iter().map(Result::unwrap).collect();
        let read = batches.last().map_or(0, |batch| batch.read);
        let name = |user: SourceUser| user.record.username.or(user.record.email).unwrap_or_default();
        let rows = batches.into_iter().flat_map(|batch| batch.rows);
        (rows.map(|row| (row.number, row.user.map(name))).collect(), read)
    }

    #[test]
    fn an_unreadable_line_does_not_affect_the_others() {
        let long = "x".repeat(2 << 20);
        let text = format!(
            "\u{feff}{{\"username\":\"ann\"}}\r\n\n[1]\n{{\"username\":\"{long}\"}}\n{{\"nam\":1}}\n{{\"username\":\"bob\"}}"
        );
        let (_folder, path) = file(&text);
        let source = UserSource::lines(&path).unwrap();
        assert_eq!((source.total(), source.noun()), (Some(text.len() as u64), "line"));
        let (rows, bytes) = read(source);
        assert_eq!(bytes, text.len() as u64 - 3, "the byte order mark is not counted");
        assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
        assert_eq!((&rows[0].1, &rows[4].1), (&Ok("ann".to_owned()), &Ok("bob".to_owned())));
        for (at, words) in [(1, "--from-django"), (2, "longer than"), (3, "unknown field `nam`")] {
            assert!(rows[at].1.as_ref().unwrap_err().contains(words), "{:?}", rows[at]);
        }
    }

    #[test]
    fn many_records_are_read_in_ordered_batches() {
        let lines: Vec<String> = (0..=2 * BATCH).map(|number| format!("{{\"username\":\"u{number}\"}}")).collect();
        let (_folder, path) = file(lines.join("\n"));
        let (rows, _) = read(UserSource::lines(&path).unwrap());
        assert_eq!(rows.len(), 2 * BATCH + 1);
        assert!(rows.iter().zip(0..).all(|((number, name), at)| *number == at + 1 && *name == Ok(format!("u{at}"))));
    }

    #[test]
    fn a_django_dump_is_read() {
        let (_folder, path) = file(include_str!("../../../tests/fixtures/django/dump.json"));
        let source = UserSource::django(&path, None, None).unwrap();
        assert_eq!((source.total(), source.noun()), (Some(15), "object"));
        let (rows, count) = read(source);
        assert_eq!((rows.len(), count), (15, 15));
        assert_eq!(rows[0], (1, Ok("root".to_owned())));
    }

    #[test]
    fn a_custom_user_model_is_detected_or_must_be_named() {
        let object = |model: &str| {
            format!(r#"{{"model":"{model}","pk":1,"fields":{{"email":"{model}@example.com","password":"!"}}}}"#)
        };
        let (_folder, path) = file(format!("[{}]", object("accounts.member")));
        let (rows, _) = read(UserSource::django(&path, None, None).unwrap());
        assert_eq!(rows, [(1, Ok("accounts.member@example.com".to_owned()))]);

        let (_folder, path) = file(format!("[{},{},{}]", object("a.one"), object("b.two"), object("a.one")));
        let (rows, _) = read(UserSource::django(&path, None, Some("A.One")).unwrap());
        assert_eq!(rows.len(), 2);
        for (table, model, words) in [
            (None, None, "--model and one of a.one, b.two"),
            (None, Some("a.three"), "no model `a.three`"),
            (Some("auth_user"), None, "--model"),
        ] {
            let error = UserSource::django(&path, table, model).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn an_unknown_source_format_is_an_error() {
        let (_folder, path) = file("[]");
        assert!(UserSource::django(&path, None, None).unwrap_err().to_string().contains("--model app.model"));
        let (_folder, path) = file(FILE_MAGIC);
        assert!(UserSource::lines(&path).unwrap_err().to_string().contains("--from-django"));
        assert!(UserSource::lines(Path::new("no such file")).is_err());
    }
}
