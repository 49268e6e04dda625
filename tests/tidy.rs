//! Holds the shape of the house: sizes, arrows, forbidden words, and what must lie where.
//!
//! Each rule is one test; each message names the place and what to do. A rule that is in the way is changed here, in a
//! commit that says why, and never worked around. It reads files and runs nothing of the product.

#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/tree.rs"]
mod tree;

use std::fs;

use rust::Source;

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;

/// The arrows: a room may use those below it, never one above it or beside it.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["http", "jobs"],
    &["issuer", "backup"],
    &["store", "mail", "social", "throttle", "telemetry"],
    &["crypto"],
    &["clock", "chance", "template"],
    &["domain"],
];

/// `config` stands aside: only these may read it, and it may use only `domain`.
const CONFIG_READERS: &[&str] = &["cli", "app"];

/// Arrows that are allowed against the floors: the file, the room it uses, and why it must.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// A word that has its room. Paths are prefixes.
struct Ban {
    word: &'static str,
    /// Where the rule holds.
    within: &'static [&'static str],
    /// Where the word is at home all the same.
    home: &'static [&'static str],
    /// Whether the word counts only where a path begins, as a crate's name does (aws-lc-rs has a module `rsa`, too).
    begins_path: bool,
    /// Whether `#[cfg(test)]` code is free of the rule.
    free_in_tests: bool,
    instead: &'static str,
}

const RULE: Ban = Ban { word: "", within: &["src/"], home: &[], begins_path: false, free_in_tests: false, instead: "" };
const PURE: &[&str] = &["src/domain/", "src/crypto/"];
const FORMATS: &[&str] = &["src/crypto/pem", "src/crypto/jwk", "src/crypto/key_pair"];
const EVERYWHERE: &[&str] = &["src/", "tests/", "benches/", "examples/", "fuzz/"];
const OUR_TIME: &str = "ask the Clock that was handed in";
const OUR_CHANCE: &str = "ask the Chance that was handed in";
const FORMATS_RULE: Ban = Ban {
    free_in_tests: true,
    instead: "rsa and p256 only read and write formats, in crypto's pem, jwk and key_pair; aws-lc-rs does the rest",
    ..RULE
};
const PRIVATE_RULE: Ban = Ban {
    free_in_tests: true,
    instead: "rsa and p256 never sign, decrypt or generate (RUSTSEC-2023-0071): use aws-lc-rs",
    ..RULE
};

const BANS: &[Ban] = &[
    Ban { word: "axum", home: &["src/http/", "src/app.rs"], instead: "speak HTTP in http/ only", ..RULE },
    Ban { word: "rusqlite", home: &["src/store/sqlite"], instead: "speak SQL in store/sqlite only", ..RULE },
    Ban { word: "r2d2", home: &["src/store/sqlite"], instead: "speak SQL in store/sqlite only", ..RULE },
    Ban { word: "r2d2_sqlite", home: &["src/store/sqlite"], instead: "speak SQL in store/sqlite only", ..RULE },
    Ban {
        word: "tokio",
        within: PURE,
        instead: "rules and cryptography don't wait: call them from issuer/ or above",
        ..RULE
    },
    Ban { word: "crate::", within: &["src/domain/"], instead: "the domain knows nobody: use super::", ..RULE },
    Ban { word: "SystemTime::now", home: &["src/clock.rs"], instead: OUR_TIME, ..RULE },
    Ban { word: "Instant::now", home: &["src/clock.rs"], instead: OUR_TIME, ..RULE },
    Ban { word: "OffsetDateTime::now_utc", instead: OUR_TIME, ..RULE },
    Ban { word: "Uuid::new_v4", instead: OUR_CHANCE, ..RULE },
    Ban { word: "Uuid::now_v7", instead: OUR_CHANCE, ..RULE },
    Ban { word: "getrandom", instead: OUR_CHANCE, ..RULE },
    // The crypto library draws its own for signatures and key pairs (`rand::SystemRandom`), and for those alone.
    Ban { word: "rand::", home: &["src/chance.rs", "src/crypto/"], instead: OUR_CHANCE, ..RULE },
    Ban { word: "rand::fill", home: &["src/chance.rs"], instead: OUR_CHANCE, ..RULE },
    Ban { word: "rand::generate", instead: OUR_CHANCE, ..RULE },
    Ban { word: "rsa::", home: FORMATS, begins_path: true, ..FORMATS_RULE },
    Ban { word: "p256::", home: FORMATS, begins_path: true, ..FORMATS_RULE },
    Ban { word: "RsaPrivateKey::new", ..PRIVATE_RULE },
    Ban { word: "RsaPrivateKey::new_with_exp", ..PRIVATE_RULE },
    Ban { word: "SecretKey::random", ..PRIVATE_RULE },
    Ban { word: "SecretKey::generate", ..PRIVATE_RULE },
    Ban { word: "Pkcs1v15Sign", ..PRIVATE_RULE },
    Ban { word: "Pkcs1v15Encrypt", ..PRIVATE_RULE },
    Ban { word: "pkcs1v15::", ..PRIVATE_RULE },
    Ban { word: "pss::", ..PRIVATE_RULE },
    Ban { word: "oaep::", ..PRIVATE_RULE },
    Ban { word: "ecdsa::", ..PRIVATE_RULE },
    Ban { word: "ecdh::", ..PRIVATE_RULE },
    Ban { word: "todo!(", within: EVERYWHERE, instead: "finish it, or leave it out", ..RULE },
    Ban { word: "unimplemented!(", within: EVERYWHERE, instead: "finish it, or leave it out", ..RULE },
    Ban { word: "dbg!(", within: EVERYWHERE, instead: "use tracing, or nothing", ..RULE },
];

/// Words no attribute may hold, and what to do.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("allow", "use #[expect(lint, reason = \"…\")]: it complains once it is no longer needed"),
    ("ignore", "a test that isn't run is none: mend it, delete it, or let it skip loudly by what it finds missing"),
];

/// What a file is called that must never be under version control, outside tests and fuzzing corpora.
const SECRET_KINDS: &[&str] = &["pem", "key", "p12", "pfx", "db", "db-wal", "db-shm", "sqlite3"];

fn report(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}: {} to mend\n  {}\n", found.len(), found.join("\n  "));
}

/// Every violation of one rule, in every source.
fn hold(rule: &str, violations: impl Fn(&Source) -> Vec<String>) {
    report(rule, &tree::sources().iter().flat_map(violations).collect::<Vec<_>>());
}

fn begins_with_any(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

/// The room of a source of ours: `src/http/reply.rs` is in `http`. None for the crate's root, which is the map of all.
fn room(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    let name = inner.split_once('/').map_or_else(|| inner.trim_end_matches(".rs"), |(folder, _)| folder);
    (name != "lib").then_some(name)
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Why `from` may not use `to`, if it may not.
fn refused(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    match (from, to) {
        ("config", "domain") => None,
        ("config", _) => Some("config may use domain alone: let app turn settings into what others need".to_owned()),
        (_, "config") if CONFIG_READERS.contains(&from) => None,
        (_, "config") => Some("only app and cli read config: take what you need as a value".to_owned()),
        _ => match (floor(from), floor(to)) {
            (Some(above), Some(below)) if above < below => None,
            (Some(_), Some(_)) => Some("the arrows go down only: move what is shared below both".to_owned()),
            (None, _) => Some(format!("`{from}` has no floor: place it in FLOORS, tests/tidy.rs")),
            (_, None) => {
                Some(format!("`{to}` has no floor: use it by its own path, or place it in FLOORS, tests/tidy.rs"))
            }
        },
    }
}

fn wrong_arrows(source: &Source) -> Vec<String> {
    let Some(from) = room(&source.path) else { return Vec::new() };
    let excepted = |to: &str| EXCEPTIONS.iter().any(|(file, room, _)| *file == source.path && *room == to);
    let uses = source.rooms().into_iter().filter(|(_, to)| !excepted(to));
    uses.filter_map(|(at, to)| refused(from, &to).map(|why| format!("{}: {from} → {to}: {why}", source.place(at))))
        .collect()
}

fn long_functions(source: &Source) -> Vec<String> {
    let long = source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES);
    long.map(|f| {
        format!("{}:{}: fn {} takes {} lines: split it by what it decides", source.path, f.line, f.name, f.lines)
    })
    .collect()
}

fn banned_words(source: &Source, all_test: bool) -> Vec<String> {
    let bans =
        BANS.iter().filter(|ban| begins_with_any(&source.path, ban.within) && !begins_with_any(&source.path, ban.home));
    let found = bans.flat_map(|ban| {
        let free = |at| ban.free_in_tests && (all_test || source.is_test(at));
        let counts = |at: &usize| !free(*at) && (!ban.begins_path || source.begins_path(*at));
        let places = source.find(ban.word).into_iter().filter(counts);
        places.map(|at| format!("{}: `{}`: {}", source.place(at), ban.word, ban.instead)).collect::<Vec<_>>()
    });
    found.collect()
}

fn banned_attributes(source: &Source) -> Vec<String> {
    let in_attribute = |(word, instead): &(&str, &str)| {
        let holds = |text: &str| !Source::new("", text).find(word).is_empty();
        let found = source.attributes().into_iter().filter(|(_, text)| holds(text));
        found.map(|(at, _)| format!("{}: attribute `{word}`: {instead}", source.place(at))).collect::<Vec<_>>()
    };
    ATTRIBUTES.iter().flat_map(in_attribute).collect()
}

#[test]
fn every_file_fits_in_a_head() {
    hold("files over 400 lines", |source| {
        let lines = source.text.lines().count();
        let long = (lines > FILE_LINES).then(|| format!("{}: {lines} lines: make a folder of it", source.path));
        long.into_iter().collect()
    });
}

#[test]
fn every_function_fits_on_a_page() {
    hold("functions over 70 lines", long_functions);
}

#[test]
fn the_arrows_go_one_way() {
    hold("arrows", wrong_arrows);
    let sources = tree::sources();
    let needed =
        |file: &str, to: &str| sources.iter().any(|s| s.path == file && s.rooms().iter().any(|(_, room)| room == to));
    let idle = EXCEPTIONS.iter().filter(|(file, to, _)| !needed(file, to));
    report("exceptions nobody needs any more", &idle.map(|(file, to, _)| format!("{file} → {to}")).collect::<Vec<_>>());
}

#[test]
fn every_word_stays_in_its_room() {
    let for_tests: Vec<String> = tree::sources().iter().flat_map(Source::test_files).collect();
    let all_test =
        |path: &str| for_tests.iter().any(|file| path == format!("{file}.rs") || path.starts_with(&format!("{file}/")));
    hold("forbidden words", |source| banned_words(source, all_test(&source.path)));
}

#[test]
fn no_lint_is_silenced_and_no_test_is_skipped() {
    hold("attributes", banned_attributes);
}

#[test]
fn every_module_says_what_it_is_for() {
    hold("module documentation", |source| {
        let bare = !source.text.starts_with("//!");
        bare.then(|| format!("{}:1: begin with `//!`: what the module owns and what it must not do", source.path))
            .into_iter()
            .collect()
    });
}

#[test]
fn every_mail_has_its_three_parts() {
    let parts = ["body.html", "body.txt", "subject.txt"];
    let wrong = tree::folders("templates/mail").into_iter().filter(|folder| tree::names(folder) != parts);
    report(
        "mail templates",
        &wrong.map(|folder| format!("{folder}: needs exactly {}", parts.join(", "))).collect::<Vec<_>>(),
    );
}

#[test]
fn migrations_are_numbered_without_a_gap_and_alike_for_every_database() {
    let mut wrong = Vec::new();
    let databases = tree::folders("migrations");
    for folder in &databases {
        for (at, name) in tree::names(folder).iter().enumerate() {
            if !(name.starts_with(&format!("{:04}_", at + 1)) && name.to_lowercase().ends_with(".sql")) {
                wrong.push(format!("{folder}/{name}: number {:04}_<what it does>.sql was due", at + 1));
            }
        }
        if tree::names(folder) != tree::names(&databases[0]) {
            wrong.push(format!("{folder}: other migrations than in {}", databases[0]));
        }
    }
    report("migrations", &wrong);
}

#[test]
fn no_text_names_a_machine() {
    // Spelt apart, so that this file doesn't break its own rule.
    let homes = [["/ro", "ot/"].concat(), ["/ho", "me/"].concat(), ["/Us", "ers/"].concat()];
    let mut wrong = Vec::new();
    for path in tree::tracked() {
        let text = fs::read_to_string(tree::root().join(&path)).unwrap_or_default();
        let named = text.lines().enumerate().filter(|(_, line)| homes.iter().any(|home| line.contains(home)));
        wrong.extend(named.map(|(at, _)| format!("{path}:{}: a path of one machine: make it relative", at + 1)));
    }
    report("paths of a machine", &wrong);
}

#[test]
fn no_key_and_no_database_is_tracked() {
    let suspect = |path: &String| {
        let (folder, kind) = (path.split('/').next().unwrap_or(""), path.rsplit('.').next().unwrap_or(""));
        let key = folder == "keys" && !matches!(path.as_str(), "keys/README.md" | "keys/.gitignore");
        key || folder == "data" || (SECRET_KINDS.contains(&kind) && !matches!(folder, "tests" | "fuzz"))
    };
    let found: Vec<String> = tree::tracked().into_iter().filter(suspect).collect();
    report("keys and databases under version control (git rm --cached, and change the key)", &found);
}

/// The rules themselves, on small samples: each can fail.
mod proof {
    use super::rust::{Function, Source, blank};
    use super::{banned_attributes, banned_words, long_functions, refused, room, wrong_arrows};

    #[test]
    fn text_is_told_from_code() {
        let code = blank(
            "a /* } /* { */ } */ b // {\nr#\"{\"}\"# '{' '\\'' '\\u{7b}' \"\\\"{\" br\"{\\\" '…' 'x r#type c\"}\"",
        );
        assert!(!code.contains(['{', '}', '"', '…']), "{code}");
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "b", "'x", "r#type", "c"]);
    }

    #[test]
    fn functions_are_measured() {
        let text = "fn short<'a>(x: [u8; 2]) -> &'a str\nwhere X: Fn(u8) -> u8 { \"}\" }\ntrait T { fn none(&self); }\nstruct S { f: fn(u8) }\n";
        let found = Source::new("src/a.rs", text).functions();
        assert_eq!(found, [Function { name: "short".to_owned(), line: 1, lines: 2 }]);
        let body = |lines: usize| format!("\nfn long() {{{}}}\n", "\n".repeat(lines - 1));
        assert!(long_functions(&Source::new("src/a.rs", &body(70))).is_empty());
        let found = long_functions(&Source::new("src/a.rs", &body(71)));
        assert!(found[0].starts_with("src/a.rs:2: fn long takes 71 lines"), "{found:?}");
    }

    #[test]
    fn arrows_are_seen_through_every_kind_of_path() {
        let seen = |path: &str, text: &str| wrong_arrows(&Source::new(path, text)).len();
        assert_eq!(seen("src/store/user.rs", "use crate::{domain::{id, key}, issuer::Issuer, http};"), 2);
        assert_eq!(
            seen("src/store/user.rs", "use super::super::mail::Mail; use super::Store; pub(super) fn f() {}"),
            1
        );
        assert_eq!(
            seen("src/store/mod.rs", "use super::clock::Clock; mod tests { use super::*; use super::super::cli; }"),
            1
        );
        assert_eq!(seen("src/main.rs", "use countersign::cli; // crate::nowhere\nfn main() {}"), 0);
        assert_eq!(seen("src/lib.rs", "pub use crate::app::App;"), 0);
        assert_eq!(seen("src/attic.rs", "use crate::domain::id;"), 1);
    }

    #[test]
    fn the_floors_are_as_designed() {
        for (from, to) in
            [("cli", "config"), ("app", "config"), ("config", "domain"), ("crypto", "chance"), ("http", "crypto")]
        {
            assert_eq!(refused(from, to), None, "{from} → {to}");
        }
        for (from, to) in
            [("http", "jobs"), ("issuer", "config"), ("config", "crypto"), ("crypto", "store"), ("domain", "clock")]
        {
            assert!(refused(from, to).is_some(), "{from} → {to}");
        }
        assert_eq!(
            (room("src/http/oauth/mod.rs"), room("src/clock.rs"), room("src/lib.rs")),
            (Some("http"), Some("clock"), None)
        );
    }

    #[test]
    fn words_are_found_in_code_alone() {
        let seen = |path: &str, text: &str| banned_words(&Source::new(path, text), false).len();
        assert_eq!(seen("src/jobs/mod.rs", "use axum::Router; // axum\nlet taxum = \"axum\"; my_axum();"), 1);
        assert_eq!(seen("src/http/mod.rs", "use axum::Router;"), 0);
        assert_eq!(seen("src/domain/key.rs", "use crate::x; use tokio::time;"), 2);
        assert_eq!(seen("src/crypto/sign.rs", "#[cfg(test)] mod tests { use rsa::RsaPrivateKey; }"), 0);
        assert_eq!(seen("src/crypto/sign.rs", "use rsa::RsaPrivateKey; #[cfg(test)] mod tests {}"), 1);
        assert_eq!(seen("src/crypto/sign.rs", "use aws_lc_rs::{rand, rsa::KeySize}; use aws_lc_rs::rsa::KeyPair;"), 0);
        assert_eq!(seen("src/crypto/pem.rs", "use rsa::{pkcs1v15::SigningKey, RsaPrivateKey};"), 1);
        assert_eq!(seen("src/crypto/sign.rs", "use aws_lc_rs::rand::SystemRandom; rand::fill(out)"), 1);
        assert_eq!(Source::new("src/a/mod.rs", "#[cfg(test)]\nmod conformance;").test_files(), ["src/a/conformance"]);
    }

    #[test]
    fn attributes_are_read_and_calls_are_not() {
        let seen = |text: &str| banned_attributes(&Source::new("src/a.rs", text)).len();
        assert_eq!(seen("#![allow(x)]\n#[cfg_attr(a,\n allow(b))] #[ignore] #[ignore = \"slow\"] fn f() {}"), 4);
        assert_eq!(seen("#[expect(x, reason = \"allow(y)\")] fn f() { bucket.allow(caller); ignore(v[0]) }"), 0);
    }
}
