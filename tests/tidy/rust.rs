//! Reads as much Rust as the rules need: what is code and what is text, where a function ends, what is a test. It must
//! not become a parser: what it cannot see is left to reviews.

/// One file of Rust, with its text, and its code alone.
pub struct Source {
    /// Relative to the repository, with forward slashes.
    pub path: String,
    /// The content of the file.
    pub text: String,
    /// The text with spaces for comments, strings and characters, byte for byte: offsets and lines are the same.
    pub code: String,
    /// Byte ranges of code that is compiled for tests only.
    tests: Vec<(usize, usize)>,
}

/// A function: its name, its first line (1-based) and its number of lines, signature and braces included.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let tests = test_spans(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, tests }
    }

    /// The 1-based line of a byte offset.
    pub fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// `path:line`, for messages.
    pub fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.line(at))
    }

    /// Whether the offset is in an item with `#[cfg(test)]`.
    pub fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|&(start, end)| (start..end).contains(&at))
    }

    /// The files that `#[cfg(test)] mod name;` declares in this file, as path prefixes without `.rs`.
    pub fn test_files(&self) -> Vec<String> {
        let folder = self.path.strip_suffix("/mod.rs").unwrap_or_else(|| self.path.trim_end_matches(".rs"));
        let folder = if matches!(folder, "src/lib" | "src/main") { "src" } else { folder };
        let names = self.tests.iter().filter_map(|&(start, end)| {
            let item = self.code[start..end].trim_end().strip_suffix(';')?;
            item.rsplit_once("mod ").map(|(_, name)| name.trim())
        });
        names.map(|name| format!("{folder}/{name}")).collect()
    }

    /// The offsets of `needle` in the code as a whole word. If `needle` ends in punctuation, any text may follow.
    pub fn find(&self, needle: &str) -> Vec<usize> {
        words(&self.code, needle)
    }

    /// Whether a path begins at `at`: yes in `rsa::x`, no in `aws_lc_rs::rsa::x` and `aws_lc_rs::{rsa::x}`.
    pub fn begins_path(&self, at: usize) -> bool {
        let mut groups = self.code.match_indices("::{").map(|(open, _)| (open, block_end(&self.code, open)));
        !self.code[..at].ends_with("::") && !groups.any(|(start, end)| (start..end).contains(&at))
    }

    /// Every function with a body, including methods and nested functions.
    pub fn functions(&self) -> Vec<Function> {
        words(&self.code, "fn").into_iter().filter_map(|at| self.function(at)).collect()
    }

    fn function(&self, at: usize) -> Option<Function> {
        let name: String = self.code[at + 2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
        let open = (!name.is_empty()).then(|| body_start(&self.code, at))??;
        let line = self.line(at);
        Some(Function { name, line, lines: self.line(block_end(&self.code, open)) + 1 - line })
    }

    /// The content of every attribute, `#[…]` and `#![…]`, with its offset.
    pub fn attributes(&self) -> Vec<(usize, &str)> {
        let starts = self.code.match_indices('#').filter(|(at, _)| {
            let rest = self.code[at + 1..].trim_start_matches('!');
            rest.starts_with('[')
        });
        starts.map(|(at, _)| (at, &self.code[at..block_end(&self.code, at)])).collect()
    }
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub fn words(code: &str, needle: &str) -> Vec<usize> {
    let joins = |edge: Option<char>, beside: Option<char>| edge.is_some_and(is_word) && beside.is_some_and(is_word);
    let is_whole = |at: usize| {
        let (before, after) = (&code[..at], &code[at + needle.len()..]);
        !joins(needle.chars().next(), before.chars().next_back())
            && !joins(needle.chars().next_back(), after.chars().next())
    };
    code.match_indices(needle).map(|(at, _)| at).filter(|at| is_whole(*at)).collect()
}

/// The offset of the brace that opens the body of the item at `from`. None: the item ends with `;`.
fn body_start(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The offset after the bracket that closes the first bracket at or after `from`; the end of the code if none does.
pub fn block_end(code: &str, from: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

fn test_spans(code: &str) -> Vec<(usize, usize)> {
    // `#[cfg(test)]` and `#[cfg(all(test, …))]`.
    let markers = ["#[cfg(test)", "#[cfg(all(test,"];
    let spans = markers.into_iter().flat_map(|marker| code.match_indices(marker)).map(|(at, _)| {
        let item = block_end(code, at);
        let end = match body_start(code, item) {
            Some(open) => block_end(code, open),
            None => code[item..].find(';').map_or(code.len(), |semicolon| item + semicolon + 1),
        };
        (at, end)
    });
    spans.collect()
}

/// The name, the start and the end of every `mod name { … }`.
pub fn inline_modules(code: &str) -> Vec<(String, usize, usize)> {
    let bodies = words(code, "mod").into_iter().filter_map(|at| {
        let open = body_start(code, at)?;
        Some((code[at + "mod".len()..open].trim().to_owned(), open, block_end(code, open)))
    });
    bodies.collect()
}

/// Replaces comments, strings and characters by spaces. Line breaks stay.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if let Some(end) = token_end(bytes, at) {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).expect("only whole tokens are blanked")
}

/// The end of the comment, string or character that begins at `at`. None: code begins there.
fn token_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let word_before = at > 0 && is_word(char::from(bytes[at - 1])) && !matches!(bytes[at - 1], b'b' | b'c');
    let length = match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n'),
        [b'/', b'*', ..] => Some(comment_length(rest)),
        [b'"', ..] => quoted_length(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !word_before => return raw_length(rest).map(|length| at + length),
        [b'\'', ..] => return char_length(rest).map(|length| at + length),
        _ => return None,
    };
    Some(length.map_or(bytes.len(), |length| at + length))
}

/// Block comments nest.
fn comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_length(rest: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The length of `r"…"` or `r#"…"#`. None: it is a raw identifier (`r#type`).
fn raw_length(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    let open = 1 + hashes;
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    (rest.get(open) == Some(&b'"')).then(|| {
        let found = rest[open + 1..].windows(close.len()).position(|window| window == close);
        found.map_or(rest.len(), |length| open + 1 + length + close.len())
    })
}

/// The length of `'a'`, `'\n'` or `'…'`. None: it is a lifetime (`'a`).
fn char_length(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return quoted_length(rest, b'\'');
    }
    let width = match rest.get(1)? {
        0x00..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(2 + width)
}

mod proof {
    use super::{Function, Source, blank};

    #[test]
    fn comments_strings_and_characters_are_not_code() {
        let code = blank(
            "a /* } /* { */ } */ b // {\nr#\"{\"}\"# '{' '\\'' '\\u{7b}' \"\\\"{\" br\"{\\\" '…' 'x r#type c\"}\"",
        );
        assert!(!code.contains(['{', '}', '"', '…']), "{code}");
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "b", "'x", "r#type", "c"]);
    }

    #[test]
    fn only_functions_with_a_body_are_measured() {
        let text = "fn short<'a>(x: [u8; 2]) -> &'a str\nwhere X: Fn(u8) -> u8 { \"}\" }\ntrait T { fn none(&self); }\nstruct S { f: fn(u8) }\n";
        let found = Source::new("src/a.rs", text).functions();
        assert_eq!(found, [Function { name: "short".to_owned(), line: 1, lines: 2 }]);
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_a_test_file() {
        let source = Source::new("src/a/mod.rs", "#[cfg(test)]\nmod conformance;");
        assert_eq!(source.test_files(), ["src/a/conformance"]);
    }
}
