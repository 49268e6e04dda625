//! The sources of imported users: JSON lines, the output of Django's `dumpdata`, and a Django database.
//!
//! A separate thread reads the source at most a few batches ahead of the writes, so that a large source does not fill
//! the memory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::domain::django::{looks_like_users, record};
use crate::domain::user_record::UserRecord;
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
    Dump {
        /// The path of the file.
        path: PathBuf,
        /// The model of the users, such as `auth.user`.
        model: String,
        /// The number of objects of this model.
        count: u64,
    },
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
            (false, None, _) => dump(file, model),
            (false, Some(_), _) => bail!("{} is not an SQLite database; name its model with --model", file.display()),
        }
    }

    /// Returns the size of the source: in bytes for a file of lines, otherwise in users. `None`: unknown.
    pub fn total(&self) -> Option<u64> {
        match self {
            Self::Lines(None) => None,
            Self::Lines(Some(path)) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len()),
            Self::Dump { count, .. } => Some(*count),
            Self::Database(users) => users.count().ok(),
        }
    }

    /// Returns the name of a numbered record in messages, as in `line 7`.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Lines(_) => "line",
            Self::Dump { .. } => "object",
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
            Self::Lines(None) => read_lines(io::stdin().lock(), filling).context("cannot read standard input"),
            Self::Lines(Some(path)) => read_lines(open(&path)?, filling).with_context(|| reading(&path)),
            Self::Dump { path, model, .. } => {
                let take =
                    |object: DumpObject| object.model != model || filling.record(record(&object.pk, &object.fields));
                each_object(&path, take)
            }
            Self::Database(users) => Ok(users.each(|record| filling.record(record))?),
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
    /// Adds the next record of a source that counts records. Returns false when the receiver has been dropped.
    fn record(&mut self, record: Result<UserRecord, String>) -> bool {
        self.read += 1;
        self.add(self.read, record)
    }

    fn add(&mut self, number: u64, record: Result<UserRecord, String>) -> bool {
        self.rows.push(ImportRow { number, record });
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
        let text = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&line).trim_ascii();
        if !text.is_empty() && !filling.add(number, parse_line(text, is_cut)) {
            break;
        }
    }
    Ok(())
}

fn parse_line(text: &[u8], is_cut: bool) -> Result<UserRecord, String> {
    if is_cut {
        return Err("the line is longer than 64 KiB".to_owned());
    }
    if !text.starts_with(b"{") {
        return Err("the line is not a JSON object (for the output of Django's dumpdata, use --from-django)".to_owned());
    }
    serde_json::from_slice(text).map_err(|error| {
        // The parser sees only this line, so its line number is always 1.
        error.to_string().replace("at line 1 column", "at column")
    })
}

/// One object of a dump.
#[derive(Deserialize)]
struct DumpObject {
    model: String,
    #[serde(default)]
    pk: Value,
    fields: Map<String, Value>,
}

/// Finds the model of the users: the named model, or the only model with the fields of users.
fn dump(path: &Path, wanted: Option<&str>) -> Result<UserSource> {
    let mut models: Vec<(String, u64)> = Vec::new();
    each_object(path, |object| {
        let is_wanted = match wanted {
            Some(wanted) => object.model.eq_ignore_ascii_case(wanted),
            None => looks_like_users(object.fields.keys().map(String::as_str)),
        };
        match models.iter_mut().find(|(model, _)| *model == object.model) {
            Some((_, count)) => *count += 1,
            None if is_wanted => models.push((object.model, 1)),
            None => {}
        }
        true
    })?;
    let names: Vec<&str> = models.iter().map(|(model, _)| model.as_str()).collect();
    match (models.as_slice(), wanted) {
        ([(model, count)], _) => Ok(UserSource::Dump { path: path.to_path_buf(), model: model.clone(), count: *count }),
        ([], Some(wanted)) => bail!("{} has no model `{wanted}`", path.display()),
        ([], None) => bail!(
            "{} has no model with a password field and a username or e-mail field; name it with --model app.model",
            path.display()
        ),
        _ => bail!(
            "{} has several models with the fields of users; pass --model and one of {}",
            path.display(),
            names.join(", ")
        ),
    }
}

/// Calls `take` for each object of a dump until it returns false. Only one object is in memory at a time.
fn each_object(path: &Path, take: impl FnMut(DumpObject) -> bool) -> Result<()> {
    let mut stopped = false;
    let mut reader = serde_json::Deserializer::from_reader(open(path)?);
    let done = reader.deserialize_seq(ElementVisitor { take, stopped: &mut stopped }).and_then(|()| reader.end());
    match done {
        Err(_) if stopped => Ok(()),
        done => done.map_err(|error| {
            anyhow!("{} is neither an SQLite database nor the output of `manage.py dumpdata` ({error})", path.display())
        }),
    }
}

struct ElementVisitor<'a, F> {
    take: F,
    stopped: &'a mut bool,
}

impl<'de, F: FnMut(DumpObject) -> bool> Visitor<'de> for ElementVisitor<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects with `model`, `pk` and `fields`")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut objects: A) -> Result<(), A::Error> {
        while let Some(object) = objects.next_element()? {
            if !(self.take)(object) {
                *self.stopped = true;
                while objects.next_element::<IgnoredAny>()?.is_some() {}
                break;
            }
        }
        Ok(())
    }
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
        let name = |record: UserRecord| record.username.unwrap_or_default();
        let rows = batches.into_iter().flat_map(|batch| batch.rows);
        (rows.map(|row| (row.number, row.record.map(name))).collect(), read)
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
        assert_eq!(bytes, text.len() as u64);
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
        for text in ["", "{}", "[1]", "[{\"model\":\"a.b\",\"fields\":{}}", "\u{1f}\u{8b}"] {
            let (_folder, path) = file(text);
            let error = UserSource::django(&path, None, None).unwrap_err().to_string();
            assert!(error.contains("neither an SQLite database nor"), "{text}: {error}");
        }
        let (_folder, path) = file("[]");
        assert!(UserSource::django(&path, None, None).unwrap_err().to_string().contains("--model app.model"));
        let (_folder, path) = file(FILE_MAGIC);
        assert!(UserSource::lines(&path).unwrap_err().to_string().contains("--from-django"));
        assert!(UserSource::lines(Path::new("no such file")).is_err());
    }
}
