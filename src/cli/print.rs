//! The output of the command line: data to stdout, messages to stderr. This module does not depend on the commands.
//!
//! A closed pipe (`| head`) is not an error. Tables and messages escape control characters, which a user name may
//! contain, so that the terminal does not interpret them. [`data`] prints text unchanged. Output has no colours.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

/// The beginning of a warning.
pub const WARNING: &str = "countersign: warning: ";

/// Prints rows under their headers. Each column is as wide as its widest cell. Two spaces separate columns.
pub fn table(headers: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    data(&align_columns(headers, rows))
}

/// Prints a value as indented JSON.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    data(&serde_json::to_string_pretty(value)?)
}

/// Prints text, such as a PEM or a token, to stdout. Adds a line break if the text does not end with one. Does not
/// escape control characters.
pub fn data(text: &str) -> io::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write_all(&mut io::stdout().lock(), &format!("{text}{end}"))
}

/// Prints what was done.
pub fn message(text: impl AsRef<str>) {
    write_stderr("", text.as_ref());
}

/// Prints a hint: what the operator can do next.
pub fn hint(text: impl AsRef<str>) {
    write_stderr("hint: ", text.as_ref());
}

/// Prints a warning. The command continues.
pub fn warn(text: impl AsRef<str>) {
    write_stderr(WARNING, text.as_ref());
}

/// Prints why the command failed: what failed, why, and what to do.
pub fn error(text: impl AsRef<str>) {
    write_stderr("countersign: ", text.as_ref());
}

/// Writes to stderr. A failed write does not fail the command.
fn write_stderr(prefix: &str, text: &str) {
    let _ = write_all(&mut io::stderr().lock(), &format!("{prefix}{}\n", escape(text, true)));
}

fn write_all(out: &mut impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Escapes the control characters of a text, so that it cannot move the cursor or look like another line. With `lines`,
/// line breaks stay.
fn escape(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !(lines && c == '\n') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The text of a cell: without control characters, and with one space for each run of Unicode white space, because two
/// spaces separate columns.
fn cell(text: &str) -> String {
    escape(text, false).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn align_columns(headers: &[&str], rows: &[Vec<String>]) -> String {
    let header = headers.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> =
        std::iter::once(&header).chain(rows).map(|row| row.iter().map(|text| cell(text)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that always fails with this kind of error.
    struct FailingWriter(ErrorKind);

    impl Write for FailingWriter {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn columns_are_aligned_without_trailing_blanks() {
        let rows = [vec!["ü".to_owned(), "ES256".to_owned(), String::new()], vec!["long".to_owned(), "x".to_owned()]];
        assert_eq!(align_columns(&["KID", "ALG", "STATE"], &rows), "KID   ALG    STATE\nü     ES256\nlong  x\n");
        assert_eq!(align_columns(&["NAME"], &[]), "NAME\n");
    }

    #[test]
    fn white_space_in_a_cell_adds_no_column() {
        for space in ["  ", " \u{a0}", "\u{a0}", "\u{3000}", "\u{2003}\u{2003}", "\u{2028}", "\u{1680}", "\u{202f} "] {
            let rows = [vec![format!("{space}ann{space}admin{space}"), "x".to_owned()]];
            assert_eq!(align_columns(&["NAME", "B"], &rows), "NAME       B\nann admin  x\n", "{space:?}");
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let rows = [vec!["a\nb\u{1b}[2J".to_owned()]];
        assert_eq!(align_columns(&["NAME"], &rows), "NAME\na\\nb\\u{1b}[2J\n");
        assert_eq!(escape("two\nlines\r", true), "two\nlines\\r");
    }

    #[test]
    fn a_closed_pipe_is_ignored_and_a_full_disk_is_an_error() {
        assert!(write_all(&mut FailingWriter(ErrorKind::BrokenPipe), "x").is_ok());
        let full = write_all(&mut FailingWriter(ErrorKind::StorageFull), "x");
        assert_eq!(full.map_err(|e| e.kind()), Err(ErrorKind::StorageFull));
        let mut out = Vec::new();
        assert!(write_all(&mut out, "x\n").is_ok());
        assert_eq!(out, b"x\n");
    }
}
