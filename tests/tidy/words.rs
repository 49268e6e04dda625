//! Prose avoids words that a reader does not know or reads twice, and a type name has one meaning.
//!
//! The list has words that were common in this repository. A list cannot judge a sentence; that is left to reviews.

use std::collections::BTreeMap;
use std::fs;

use super::rust::Source;
use super::{assert_none, tree};

/// A word and what to write in its place.
const WORDS: &[(&str, &str)] = &[
    ("whoever", "name who acts: the user, the caller, the client, the operator, an attacker"),
    ("nobody", "name who: no user, no client"),
    ("somebody", "name who: a user, a client, an operator"),
    ("anew", "again"),
    ("mend", "fix, correct"),
    ("mends", "fixes, corrects"),
    ("mended", "fixed, corrected"),
    ("besides", "also"),
    ("forthwith", "immediately"),
    ("in its stead", "instead"),
    ("come along", "be imported, be included"),
    ("came along", "was imported, was included"),
    ("taken up", "reloaded, applied"),
    ("swept", "removed"),
    ("hasten", "retry now"),
    ("fold the log", "checkpoint the WAL"),
    ("crowd", "connection limit"),
    ("sign of life", "heartbeat"),
    ("door", "endpoint, route, sign-in page"),
    ("dance", "flow"),
    ("deed", "action"),
    ("errand", "purpose"),
    ("bring along", "import"),
    ("look through", "verify"),
    ("can't", "cannot"),
    ("don't", "do not"),
    ("won't", "will not"),
    ("isn't", "is not"),
    ("aren't", "are not"),
    ("doesn't", "does not"),
    ("didn't", "did not"),
    ("couldn't", "could not"),
    ("wouldn't", "would not"),
    ("shouldn't", "should not"),
    ("hasn't", "has not"),
    ("haven't", "have not"),
    ("wasn't", "was not"),
    ("weren't", "were not"),
    ("it's", "it is"),
    ("that's", "that is"),
    ("there's", "there is"),
];

/// Texts of other authors, data, and this list.
const UNCHECKED: &[&str] = &[
    "LICENSE",
    "Cargo.lock",
    "fuzz/Cargo.lock",
    "fuzz/corpus/",
    "src/domain/common_passwords.txt",
    "tests/fixtures/django/dump.json",
    "tests/tidy/words.rs",
];

/// Quotation marks: a word alone between two of them is data, such as a user name in a test.
const QUOTES: &[char] = &['"', '\'', '`'];

/// The lines of a text that contain a word of `WORDS`, with the word and its replacement.
fn forbidden(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.replace('’', "'").to_lowercase();
        for (word, instead) in WORDS {
            if occurs(&line, word) {
                found.push(format!("{}: `{word}`: write {instead}", at + 1));
            }
        }
    }
    found
}

/// Whether `word` is in the line as a whole word and not as data. Data is alone in quotation marks, after `=`, or
/// next to `@`.
fn occurs(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let is_quoted = [before, after].iter().all(|c| c.is_some_and(|c| QUOTES.contains(&c)));
        let is_data = is_quoted || before == Some('=') || [before, after].contains(&Some('@'));
        !joins(before) && !joins(after) && !is_data
    })
}

/// The names of the types that a file defines outside tests. Associated types do not count.
fn types(source: &Source) -> Vec<&str> {
    let starts_item = |at: usize, keyword: &str| {
        let line = source.code[..at].rsplit('\n').next().unwrap_or_default();
        let is_public = line.trim_start().starts_with("pub") && !line.contains('{');
        line.is_empty() || is_public && (keyword != "type" || !line.starts_with(' '))
    };
    let mut defined = Vec::new();
    for keyword in ["struct", "enum", "trait", "type", "union"] {
        let places = source.find(keyword).into_iter().filter(|at| starts_item(*at, keyword) && !source.is_test(*at));
        defined.extend(places.map(|at| at + keyword.len()));
    }
    let name = |at: usize| {
        let rest = source.code[at..].trim_start();
        &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
    };
    // In a macro, a variable such as `$name` may stand for the name. Then the name is empty.
    defined.into_iter().map(name).filter(|name| !name.is_empty()).collect()
}

/// Type names with a definition in more than one file. A request body in a `wire.rs` has the name of its own API.
fn shared_names(sources: &[Source]) -> Vec<String> {
    let tests = tree::test_files(sources);
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let is_wire = |path: &str| path.starts_with("src/http/") && (path.ends_with("/wire.rs") || path.contains("/wire/"));
    let counted =
        sources.iter().filter(|s| s.path.starts_with("src/") && !is_wire(&s.path) && !tests.contains(&s.path));
    for source in counted {
        for name in types(source) {
            let places = files.entry(name).or_default();
            if !places.contains(&source.path.as_str()) {
                places.push(&source.path);
            }
        }
    }
    let shared = files.into_iter().filter(|(_, places)| places.len() > 1);
    shared.map(|(name, places)| format!("{name}: {}: say in the name what each one is", places.join(", "))).collect()
}

#[test]
fn no_text_contains_a_forbidden_word() {
    let mut found = Vec::new();
    for path in tree::tracked().into_iter().filter(|path| !UNCHECKED.iter().any(|prefix| path.starts_with(prefix))) {
        let text = fs::read_to_string(tree::root().join(&path)).unwrap_or_default();
        found.extend(forbidden(&text).into_iter().map(|line| format!("{path}:{line}")));
    }
    assert_none("words", &found);
}

#[test]
fn every_type_name_has_one_meaning() {
    assert_none("type names with several meanings", &shared_names(&tree::sources()));
}

mod proof {
    use super::{Source, forbidden, shared_names, types};

    #[test]
    fn a_forbidden_word_is_found_in_any_spelling() {
        assert_eq!(
            forbidden("a\nWhoever reads it, can’t"),
            [
                "2: `whoever`: write name who acts: the user, the caller, the client, the operator, an attacker",
                "2: `can't`: write cannot",
            ]
        );
        assert_eq!(forbidden("It was mended. # don't").len(), 2);
        assert_eq!(forbidden("println!(\"Nobody is signed in\"); \"taken by somebody\"").len(), 2);
    }

    #[test]
    fn a_longer_word_and_data_are_accepted() {
        assert!(forbidden("amended, crowded, `nobody`, \"nobody\", user=nobody, nobody@example.com").is_empty());
    }

    #[test]
    fn a_type_is_found_where_it_is_defined() {
        let text = "pub struct A;\nenum B {}\npub(crate) trait C { type D; }\ntype E<T> = F<T>;\nimpl X for A { type Y = u8; }\n#[cfg(test)]\nmod tests { struct G; }\n// struct H;";
        assert_eq!(types(&Source::new("src/a.rs", text)), ["A", "B", "C", "E"]);
    }

    #[test]
    fn a_name_in_two_files_is_reported_once() {
        let file = |path: &str, text: &str| Source::new(path, text);
        let row = "struct Row;";
        let two = [file("src/a.rs", row), file("src/b.rs", row), file("src/c.rs", "struct Line;")];
        assert_eq!(shared_names(&two), ["Row: src/a.rs, src/b.rs: say in the name what each one is"]);
        let cfg = [file("src/a.rs", "#[cfg(x)]\nstruct Row;\n#[cfg(not(x))]\nstruct Row;")];
        assert!(shared_names(&cfg).is_empty());
        let wire = [file("src/http/dialect/a/wire.rs", row), file("src/http/dialect/b/wire.rs", row)];
        assert!(shared_names(&wire).is_empty());
    }
}
