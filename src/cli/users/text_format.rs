//! The encoding of an imported text file. UTF-8 and UTF-16 are read. Any other format is named, with a remedy.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// The number of bytes by which a format is recognised.
const HEAD: usize = 64;
/// The formats with their first bytes, and what to do. `{}` stands for the file.
const BINARY_FORMATS: [(&[u8], &str, &str); 9] = [
    (b"\x1f\x8b", "is compressed with gzip", "decompress it: gunzip {}"),
    (b"BZh", "is compressed with bzip2", "decompress it: bunzip2 {}"),
    (b"\xfd7zXZ\x00", "is compressed with xz", "decompress it: unxz {}"),
    (b"\x5d\x00\x00", "is compressed with lzma", "decompress it: unlzma {}"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "decompress it: unzstd {}"),
    (b"PK\x03\x04", "is a ZIP archive", "extract it: unzip {}"),
    (b"\xff\xfe\x00\x00", "is in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8 {} > users.json"),
    (b"\x00\x00\xfe\xff", "is in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8 {} > users.json"),
    (b"PGDMP", "is a dump of PostgreSQL", "run `manage.py dumpdata` in the Django project"),
];
/// The first words of other text formats.
const TEXT_FORMATS: [(&[&str], &str, &str); 3] = [
    (&["<"], "is XML", "run `manage.py dumpdata --format json`"),
    (&["- model", "- fields", "- pk", "---"], "is YAML", "run `manage.py dumpdata --format json`"),
    (
        &["--", "/*", "begin transaction", "pragma ", "set ", "create ", "insert ", "copy ", "drop "],
        "is an SQL dump",
        "import the SQLite database itself, or the output of `manage.py dumpdata`",
    ),
];

/// Returns the text as UTF-8, without a byte order mark. `file` is its name in the error.
pub(super) fn utf8<'a>(mut source: impl BufRead + 'a, file: &Path) -> Result<Box<dyn BufRead + 'a>> {
    let mut head = Vec::new();
    source
        .by_ref()
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let named = |what: &str, remedy: &str| {
        let shown = file.display().to_string();
        format!("{shown} {what}; {}", remedy.replace("{}", &shown))
    };
    if let Some((_, what, remedy)) = BINARY_FORMATS.iter().find(|(magic, ..)| head.starts_with(magic)) {
        bail!(named(what, remedy));
    }
    let (skipped, little_endian) = match head.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => (3, None),
        [0xff, 0xfe, ..] => (2, Some(true)),
        [0xfe, 0xff, ..] => (2, Some(false)),
        [first, 0, ..] if *first != 0 => (0, Some(true)),
        [0, second, ..] if *second != 0 => (0, Some(false)),
        _ => (0, None),
    };
    let head = head.split_off(skipped);
    if little_endian.is_none() {
        let start = String::from_utf8_lossy(&head).trim_start().to_lowercase();
        let known = TEXT_FORMATS.iter().find(|(starts, ..)| starts.iter().any(|known| start.starts_with(known)));
        if let Some((_, what, remedy)) = known {
            bail!(named(what, remedy));
        }
    }
    let whole = io::Cursor::new(head).chain(source);
    Ok(match little_endian {
        Some(little_endian) => Box::new(BufReader::new(Utf16Reader::new(whole, little_endian))),
        None => Box::new(whole),
    })
}

/// Returns the number of the first line that is not UTF-8.
pub(super) fn first_line_in_other_encoding(mut text: impl BufRead) -> Option<u64> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        match text.read_until(b'\n', &mut line) {
            Ok(1..) if std::str::from_utf8(&line).is_ok() => {}
            Ok(1..) => return Some(number),
            Ok(0) | Err(_) => return None,
        }
    }
    None
}

/// Reads UTF-16 as UTF-8.
struct Utf16Reader<R> {
    source: R,
    little_endian: bool,
    /// Bytes that are not decoded yet: at most half a character after each read.
    pending: Vec<u8>,
    decoded: io::Cursor<Vec<u8>>,
}

impl<R: Read> Utf16Reader<R> {
    fn new(source: R, little_endian: bool) -> Self {
        Self { source, little_endian, pending: Vec::new(), decoded: io::Cursor::default() }
    }

    /// Decodes the next part. Returns false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut part = [0; 8192];
        let length = self.source.read(&mut part)?;
        self.pending.extend_from_slice(&part[..length]);
        let unit = |pair: &[u8]| {
            let pair = [pair[0], pair[1]];
            if self.little_endian { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
        };
        let mut units: Vec<u16> = self.pending.chunks_exact(2).map(unit).collect();
        // The second half of this character may be in the next part.
        let is_half = units.last().is_some_and(|last| (0xd800..0xdc00).contains(last));
        if is_half && length > 0 {
            units.pop();
        }
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "the text is not valid UTF-16");
        let text = String::from_utf16(&units).map_err(|_| invalid())?;
        self.pending.drain(..2 * units.len());
        if length == 0 && !self.pending.is_empty() {
            return Err(invalid());
        }
        self.decoded = io::Cursor::new(text.into_bytes());
        Ok(length > 0)
    }
}

impl<R: Read> Read for Utf16Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.decoded.read(buffer)?;
            if length > 0 || buffer.is_empty() || !self.fill()? {
                return Ok(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(bytes: &[u8]) -> Result<String> {
        let mut text = String::new();
        utf8(bytes, Path::new("users.json"))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn every_encoding_of_unicode_is_read() {
        let text = format!("[{{\"ü\": \"{}\"}}]", "😀x".repeat(5000));
        let units = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        let (little, big) = (units(u16::to_le_bytes), units(u16::to_be_bytes));
        for (mark, bytes) in [
            (&b""[..], text.as_bytes()),
            (b"\xef\xbb\xbf", text.as_bytes()),
            (b"\xff\xfe", &little),
            (b"\xfe\xff", &big),
            (b"", &little),
            (b"", &big),
        ] {
            assert_eq!(read(&[mark, bytes].concat()).unwrap(), text, "{mark:?}");
        }
        assert_eq!(read(b"").unwrap(), "");
        assert!(read(&little[..little.len() - 1]).is_err());
    }

    #[test]
    fn other_formats_are_named_with_a_remedy() {
        for (bytes, words) in [
            (&b"\x1f\x8b\x08rest"[..], ["gzip", "gunzip users.json"]),
            (b"BZh91AY", ["bzip2", "bunzip2"]),
            (b"\xfd7zXZ\x00\x00", ["xz", "unxz"]),
            (b"\x28\xb5\x2f\xfd1", ["zstd", "unzstd"]),
            (b"PK\x03\x04", ["ZIP", "unzip"]),
            (b"\xff\xfe\x00\x00[", ["UTF-32", "iconv"]),
            (b"PGDMP\x01", ["PostgreSQL", "dumpdata"]),
            (b"<?xml version", ["XML", "--format json"]),
            (b"\xef\xbb\xbf\n<django-objects", ["XML", "--format json"]),
            (b"- model: auth.user", ["YAML", "--format json"]),
            (b"-- MySQL dump", ["SQL", "dumpdata"]),
            (b"BEGIN TRANSACTION;", ["SQL", "dumpdata"]),
        ] {
            let error = read(bytes).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)) && error.contains("users.json"), "{error}");
        }
    }
}
