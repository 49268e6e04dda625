//! Names that may appear only in certain modules, and attributes that must not appear at all.

use super::rust::Source;
use super::{check_sources, tree};

/// A name in the code that is allowed in few places. Paths are prefixes.
struct Ban {
    word: &'static str,
    /// The files to which the rule applies.
    within: &'static [&'static str],
    /// The files among them where the name is allowed.
    except: &'static [&'static str],
    /// Whether the word counts only at the start of a path, as a crate name does (aws-lc-rs has a module `rsa`, too).
    begins_path: bool,
    /// Whether the name is allowed in `#[cfg(test)]` code.
    allowed_in_tests: bool,
    instead: &'static str,
}

const RULE: Ban =
    Ban { word: "", within: &["src/"], except: &[], begins_path: false, allowed_in_tests: false, instead: "" };
const PURE: &[&str] = &["src/domain/", "src/crypto/"];
const HTTP: &[&str] = &["src/http/"];
const CALL_USE_CASE: &str = "http reads no store; call a use case of issuer/";
const USE_CONNECT: &str = "use fetch::connect, which tries every address of a host";
const EVERYWHERE: &[&str] = &["src/", "tests/", "benches/", "examples/", "fuzz/"];
const USE_CLOCK: &str = "use the Clock that the caller passes";
const USE_RANDOM: &str = "use the Random that the caller passes";
const TESTS_ONLY: Ban = Ban {
    begins_path: true,
    allowed_in_tests: true,
    instead: "rsa and p256 are for tests only (RUSTSEC-2023-0071); use aws-lc-rs",
    ..RULE
};

const BANS: &[Ban] = &[
    Ban { word: "axum", except: &["src/http/", "src/app/"], instead: "use HTTP in http/ only", ..RULE },
    Ban { word: "rusqlite", except: &["src/store/sqlite"], instead: "use SQL in store/sqlite only", ..RULE },
    Ban { word: "reqwest", allowed_in_tests: true, instead: "use fetch::client::HttpClient, which has limits", ..RULE },
    Ban { word: "lookup_host", except: &["src/fetch/"], instead: USE_CONNECT, ..RULE },
    Ban {
        word: "TcpStream::connect",
        except: &["src/fetch/", "src/cli/"],
        allowed_in_tests: true,
        instead: USE_CONNECT,
        ..RULE
    },
    Ban { word: "r2d2", except: &["src/store/sqlite"], instead: "use SQL in store/sqlite only", ..RULE },
    Ban { word: "r2d2_sqlite", except: &["src/store/sqlite"], instead: "use SQL in store/sqlite only", ..RULE },
    Ban { word: "issuer.store", within: HTTP, instead: CALL_USE_CASE, ..RULE },
    Ban { word: "StoreError", within: HTTP, instead: CALL_USE_CASE, ..RULE },
    Ban {
        word: "tokio",
        within: PURE,
        instead: "domain and crypto are synchronous; call them from issuer/ or above",
        ..RULE
    },
    Ban { word: "crate::", within: &["src/domain/"], instead: "domain imports only itself; use super::", ..RULE },
    Ban { word: "SystemTime::now", except: &["src/clock.rs"], instead: USE_CLOCK, ..RULE },
    Ban { word: "Instant::now", except: &["src/clock.rs"], instead: USE_CLOCK, ..RULE },
    Ban { word: "OffsetDateTime::now_utc", instead: USE_CLOCK, ..RULE },
    Ban { word: "Uuid::new_v4", instead: USE_RANDOM, ..RULE },
    Ban { word: "Uuid::now_v7", instead: USE_RANDOM, ..RULE },
    Ban { word: "getrandom", instead: USE_RANDOM, ..RULE },
    // The crypto library needs its own random source (`rand::SystemRandom`) for signatures and key pairs.
    Ban { word: "rand::", except: &["src/random.rs", "src/crypto/"], instead: USE_RANDOM, ..RULE },
    Ban { word: "rand::fill", except: &["src/random.rs"], instead: USE_RANDOM, ..RULE },
    Ban { word: "rand::generate", instead: USE_RANDOM, ..RULE },
    Ban { word: "rsa::", ..TESTS_ONLY },
    Ban { word: "p256::", ..TESTS_ONLY },
    Ban { word: "todo!(", within: EVERYWHERE, instead: "finish the code or delete it", ..RULE },
    Ban { word: "unimplemented!(", within: EVERYWHERE, instead: "finish the code or delete it", ..RULE },
    Ban { word: "dbg!(", within: EVERYWHERE, instead: "use tracing", ..RULE },
];

/// Words that must not appear in an attribute, and what to do instead.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("allow", "use #[expect(lint, reason = \"…\")]: the compiler reports it when it is no longer needed"),
    ("ignore", "fix the test, delete it, or let it skip with a message if something that it needs is missing"),
];

/// The folder of the code that contains SQL.
const SQL_FOLDER: &str = "src/store/";
/// How a string with SQL begins.
const SQL: &[&str] = &["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM ", "CREATE ", "DROP ", "PRAGMA ", "WITH "];

fn begins_with_any(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

fn banned_words(source: &Source, is_test_file: bool) -> Vec<String> {
    let path = &source.path;
    let bans = BANS.iter().filter(|ban| begins_with_any(path, ban.within) && !begins_with_any(path, ban.except));
    let found = bans.flat_map(|ban| {
        let is_allowed = |at| ban.allowed_in_tests && (is_test_file || source.is_test(at));
        let counts = |at: &usize| !is_allowed(*at) && (!ban.begins_path || source.begins_path(*at));
        let places = source.find(ban.word).into_iter().filter(counts);
        places.map(|at| format!("{}: `{}`: {}", source.place(at), ban.word, ban.instead)).collect::<Vec<_>>()
    });
    found.collect()
}

fn banned_attributes(source: &Source) -> Vec<String> {
    let in_attributes = |(word, instead): &(&str, &str)| {
        let contains_word = |text: &str| !Source::new("", text).find(word).is_empty();
        let found = source.attributes().into_iter().filter(|(_, text)| contains_word(text));
        found.map(|(at, _)| format!("{}: attribute `{word}`: {instead}", source.place(at))).collect::<Vec<_>>()
    };
    ATTRIBUTES.iter().flat_map(in_attributes).collect()
}

/// The strings of a file outside of [`SQL_FOLDER`] that begin as SQL does.
fn misplaced_sql(source: &Source) -> Vec<String> {
    let is_bound = source.path.starts_with("src/") && !source.path.starts_with(SQL_FOLDER);
    let starts = source.text.match_indices('"').filter(|(at, _)| is_bound && !source.is_test(*at));
    let is_sql = |at: &usize| SQL.iter().any(|verb| source.text[at + 1..].starts_with(verb));
    starts
        .map(|(at, _)| at)
        .filter(is_sql)
        .map(|at| format!("{}: use SQL in {SQL_FOLDER} only", source.place(at)))
        .collect()
}

#[test]
fn sql_stays_below_the_store() {
    let test_files = tree::test_files(&tree::sources());
    check_sources("SQL outside the store", |source| {
        if test_files.contains(&source.path) { Vec::new() } else { misplaced_sql(source) }
    });
}

#[test]
fn every_restricted_name_stays_in_its_modules() {
    let test_files = tree::test_files(&tree::sources());
    check_sources("restricted names", |source| banned_words(source, test_files.contains(&source.path)));
}

#[test]
fn no_lint_is_allowed_and_no_test_is_ignored() {
    check_sources("attributes", banned_attributes);
}

mod proof {
    use super::{Source, banned_attributes, banned_words, misplaced_sql};

    #[test]
    fn a_restricted_name_is_found_in_code_only() {
        let seen = |path: &str, text: &str| banned_words(&Source::new(path, text), false).len();
        assert_eq!(seen("src/jobs/mod.rs", "use axum::Router; // axum\nlet taxum = \"axum\"; my_axum();"), 1);
        assert_eq!(seen("src/http/mod.rs", "use axum::Router;"), 0);
        assert_eq!(seen("src/domain/key.rs", "use crate::x; use tokio::time;"), 2);
        assert_eq!(seen("src/crypto/sign.rs", "use aws_lc_rs::{rand, rsa::KeySize}; use aws_lc_rs::rsa::KeyPair;"), 0);
        assert_eq!(seen("src/crypto/pem.rs", "use rsa::pkcs8::LineEnding; use p256::SecretKey;"), 2);
        assert_eq!(seen("src/crypto/sign.rs", "use aws_lc_rs::rand::SystemRandom; rand::fill(out)"), 1);
    }

    #[test]
    fn sql_is_found_outside_the_store_only() {
        let seen = |path: &str, text: &str| misplaced_sql(&Source::new(path, text)).len();
        let text = "let rows = query(\"SELECT 1\"); let words = \"please SELECT one\";";
        assert_eq!(seen("src/issuer/mod.rs", text), 1);
        assert_eq!(seen("src/store/sqlite/users.rs", text), 0);
        assert_eq!(seen("src/issuer/mod.rs", "#[cfg(test)] mod tests { const Q: &str = \"DROP TABLE users\"; }"), 0);
    }

    #[test]
    fn a_name_for_tests_is_allowed_in_tests_only() {
        let seen =
            |text: &str, is_test_file| banned_words(&Source::new("src/crypto/sign.rs", text), is_test_file).len();
        assert_eq!(seen("#[cfg(test)] mod tests { use rsa::RsaPrivateKey; }", false), 0);
        assert_eq!(seen("use rsa::RsaPrivateKey; #[cfg(test)] mod tests {}", false), 1);
        assert_eq!(seen("use rsa::RsaPrivateKey;", true), 0);
    }

    #[test]
    fn an_attribute_is_found_and_a_call_is_not() {
        let seen = |text: &str| banned_attributes(&Source::new("src/a.rs", text)).len();
        assert_eq!(seen("#![allow(x)]\n#[cfg_attr(a,\n allow(b))] #[ignore] #[ignore = \"slow\"] fn f() {}"), 4);
        assert_eq!(seen("#[expect(x, reason = \"allow(y)\")] fn f() { bucket.allow(caller); ignore(v[0]) }"), 0);
    }
}
