//! The output of Django's `manage.py dumpdata`: a list of objects, or one object per line.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::text_format::{first_line_in_other_encoding, utf8};
use crate::domain::django::{IMPORTED, looks_like_users, read_user};
use crate::domain::import::leftovers::Leftovers;
use crate::domain::import::links::{LinkIndex, LinkKind};
use crate::domain::user_record::SourceUser;

/// How many lines are searched for the start of the dump.
const LINES_SEARCHED: u64 = 1000;

/// The users of a dump, and what its other objects say about them.
#[derive(Debug)]
pub struct Dump {
    path: PathBuf,
    /// The model of the users, such as `auth.user`.
    model: String,
    /// The number of users.
    pub count: u64,
    links: LinkIndex,
    /// What the dump knows about users and the import leaves behind.
    pub leftovers: Leftovers,
}

/// One object of a dump.
#[derive(Deserialize)]
struct DumpObject {
    model: String,
    #[serde(default)]
    pk: Value,
    fields: Map<String, Value>,
}

/// A model that may be that of the users.
struct UserModel {
    name: String,
    count: u64,
    leftovers: Leftovers,
}

impl Dump {
    /// Finds the model of the users: the named model, or the only model with the fields of users. Also reads the
    /// verified addresses and provider accounts.
    pub fn open(path: &Path, wanted: Option<&str>) -> Result<Self> {
        let mut models: Vec<UserModel> = Vec::new();
        let mut links = LinkIndex::default();
        let mut related = Leftovers::default();
        each_object(path, |object| {
            let DumpObject { model: name, fields, .. } = object;
            let is_wanted = match wanted {
                Some(wanted) => name.eq_ignore_ascii_case(wanted),
                None => looks_like_users(fields.keys().map(String::as_str)),
            };
            if let Some(model) = models.iter_mut().find(|model| model.name == name) {
                model.count += 1;
                model.leftovers.add_user(&fields, &IMPORTED);
            } else if is_wanted {
                let mut leftovers = Leftovers::default();
                leftovers.add_user(&fields, &IMPORTED);
                models.push(UserModel { name, count: 1, leftovers });
            } else if let Some(kind) = LinkKind::of(fields.keys().map(String::as_str)) {
                links.add(kind, &fields);
            } else if fields.contains_key("user") {
                related.add_row(&name);
            }
            true
        })?;
        let names = models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ");
        match (models.pop(), models.is_empty(), wanted) {
            (Some(UserModel { name: model, count, leftovers }), true, _) => {
                let leftovers = Leftovers { tables: related.tables, ..leftovers };
                Ok(Self { path: path.to_path_buf(), model, count, links, leftovers })
            }
            (None, _, Some(wanted)) => bail!("{} has no model `{wanted}`", path.display()),
            (None, _, None) => bail!(
                "{} has no model with a password field and a username or e-mail field; name it with --model app.model",
                path.display()
            ),
            _ => {
                bail!("{} has several models with the fields of users; pass --model and one of {names}", path.display())
            }
        }
    }

    /// Calls `take` for each user until it returns false.
    pub fn each(self, mut take: impl FnMut(SourceUser) -> bool) -> Result<()> {
        let Self { path, model, mut links, .. } = self;
        each_object(&path, |object| {
            if object.model != model {
                return true;
            }
            let mut user = read_user(&object.pk, &object.fields, Vec::new());
            let natural_keys = [user.record.username.as_deref(), user.record.email.as_deref()];
            user.links = links.take(&object.pk, natural_keys);
            take(user)
        })
    }
}

/// Calls `take` for each object of a dump until it returns false. Only one object is in memory at a time.
fn each_object(path: &Path, mut take: impl FnMut(DumpObject) -> bool) -> Result<()> {
    let mut text = utf8(open(path)?, path)?;
    let is_list = match first_character(text.as_mut()).with_context(|| reading(path))? {
        Some(b'{') => false,
        Some(b'[') => true,
        None => bail!("{} is empty", path.display()),
        Some(_) => return Err(stray_lines(path)?),
    };
    let mut stopped = false;
    let done = if is_list {
        let mut reader = serde_json::Deserializer::from_reader(text);
        reader.deserialize_seq(ElementVisitor { take, stopped: &mut stopped }).and_then(|()| reader.end())
    } else {
        let mut objects = serde_json::Deserializer::from_reader(text).into_iter::<DumpObject>();
        objects.try_for_each(|object| {
            stopped = stopped || !take(object?);
            Ok(())
        })
    };
    match done {
        Err(_) if stopped => Ok(()),
        done => done.map_err(|error| explain(path, &error)),
    }
}

/// Drops white space at the start and returns the first character. The parser's line numbers then start after it.
fn first_character(text: &mut dyn std::io::BufRead) -> std::io::Result<Option<u8>> {
    loop {
        let available = text.fill_buf()?;
        match available.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => {
                let first = available[at];
                // The line breaks stay, so that the parser counts the lines.
                return Ok(Some(first));
            }
            None if available.is_empty() => return Ok(None),
            None => {
                let length = available.len();
                text.consume(length);
            }
        }
    }
}

/// Describes lines in front of the dump, such as the output of a settings module.
fn stray_lines(path: &Path) -> Result<Error> {
    let text = utf8(open(path)?, path)?;
    let is_start = |line: &[u8]| matches!(line.trim_ascii_start(), [b'[' | b'{', ..]);
    let lines = (1..=LINES_SEARCHED).zip(text.split(b'\n').map_while(std::io::Result::ok));
    let start = lines.into_iter().find(|(_, line)| is_start(line)).map(|(number, _)| number);
    let shown = path.display();
    Ok(match start {
        Some(start @ 2) => anyhow!(
            "line 1 of {shown} is not part of the dump; delete it: sed -i 1d {shown} (the dump starts at line {start})"
        ),
        Some(start) => anyhow!(
            "lines 1 to {last} of {shown} are not part of the dump; delete them: sed -i 1,{last}d {shown}",
            last = start - 1
        ),
        None => {
            anyhow!("{shown} is neither an SQLite database nor the output of `manage.py dumpdata`: line 1 is not JSON")
        }
    })
}

/// Explains an error without the values of the dump, which may be secrets.
fn explain(path: &Path, error: &serde_json::Error) -> Error {
    let shown = path.display();
    let at = format!("line {}, column {}", error.line(), error.column());
    let other_encoding = || open(path).ok().and_then(first_line_in_other_encoding);
    match error.classify() {
        Category::Io => anyhow!("cannot read {shown}: {error}"),
        Category::Eof => anyhow!(
            "{shown} is neither an SQLite database nor the output of `manage.py dumpdata`: it ends too early ({at})"
        ),
        Category::Data => anyhow!(
            "{shown} is neither an SQLite database nor the output of `manage.py dumpdata`: an object without `model`, \
             `pk` and `fields` ({at})"
        ),
        Category::Syntax => match other_encoding() {
            Some(line) => anyhow!(
                "{shown} is not UTF-8 (line {line}); convert it: iconv -f WINDOWS-1252 -t UTF-8 {shown} > users.json"
            ),
            None => anyhow!(
                "{shown} is neither an SQLite database nor the output of `manage.py dumpdata`: not JSON at {at}; if this \
                 line is not part of the dump, delete it"
            ),
        },
    }
}

fn open(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 16, File::open(path).with_context(|| reading(path))?))
}

fn reading(path: &Path) -> String {
    format!("cannot read {}", path.display())
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

    use tempfile::TempDir;

    use super::*;

    fn file(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("users.json");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn users(dump: Dump) -> Vec<SourceUser> {
        let mut all = Vec::new();
        dump.each(|user| {
            all.push(user);
            true
        })
        .unwrap();
        all
    }

    const USER: &str =
        r#"{"model":"a.user","pk":"7","fields":{"password":"!x","username":"","email":"n@example.org","groups":[1]}}"#;

    #[test]
    fn a_dump_is_read_in_every_form() {
        for text in [
            format!("[{USER}]"),
            format!("\u{feff}[{USER}]\n"),
            format!("\n\n [{USER}]"),
            USER.to_owned(),
            format!("{USER}\n{}\n", USER.replace('7', "8")),
        ] {
            let (_folder, path) = file(&text);
            let dump = Dump::open(&path, None).unwrap();
            assert!(dump.leftovers.to_string().starts_with("groups ("), "{text}");
            assert_eq!(users(dump)[0].record.id.unwrap().0, 7, "{text}");
        }
        let utf16: Vec<u8> = format!("\u{feff}[{USER}]").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (_folder, path) = file(utf16);
        assert_eq!(Dump::open(&path, None).unwrap().count, 1);
    }

    #[test]
    fn links_in_a_dump_belong_to_their_user() {
        let text = r#"[{"model":"account.emailaddress","pk":1,"fields":{"user":7,"email":"n@example.org","verified":true,"primary":true}},
            {"model":"social_django.usersocialauth","pk":1,"fields":{"user":["n@example.org"],"provider":"github","uid":"42"}},
            {"model":"authtoken.token","pk":"k","fields":{"user":7}},
            {"model":"a.user","pk":7,"fields":{"password":"!x","username":"","email":"n@example.org"}},
            {"model":"a.user","pk":8,"fields":{"password":"!x","username":"n@example.org"}}]"#;
        let (_folder, path) = file(text);
        let dump = Dump::open(&path, None).unwrap();
        assert_eq!(dump.leftovers.to_string(), "tables authtoken.token (1 row)");
        let users = users(dump);
        assert_eq!((users[0].links.verified.len(), users[0].links.accounts.len()), (1, 0));
        assert_eq!(users[1].links.accounts.len(), 1, "a natural key, because the first user has a primary key");
    }

    #[test]
    fn an_unreadable_dump_is_explained_without_its_values() {
        for (text, words) in [
            (&b""[..], &["is empty"][..]),
            (b"{}", &["neither an SQLite database nor", "model"]),
            (b"[\"S3cret\"]", &["neither an SQLite database nor", "line 1"]),
            (b"[{\"model\":\"a.b\",\"fields\":{}}", &["ends too early"]),
            (b"Loading settings\n[]", &["line 1 of", "delete it", "sed -i 1d"]),
            (b"one\n\ntwo\n[]", &["lines 1 to 3"]),
            (b"[INFO] loading S3cret\n[]", &["line 1, column 2", "delete it"]),
            (b"[{\"model\":\"a.b\",\"pk\":1,\"fields\":{\"x\":\n\"Jos\xe9\"}}]", &["not UTF-8 (line 2)", "iconv"]),
            (b"hello", &["neither an SQLite database nor"]),
            (b"\x1f\x8b\x08", &["gunzip"]),
        ] {
            let (_folder, path) = file(text);
            let error = Dump::open(&path, None).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert!(!error.contains("S3cret"), "{error}");
        }
    }
}
