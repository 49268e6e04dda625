//! The dependency rule between the top-level modules of `src/`: a module imports only modules of lower layers.

use super::imports::{Import, imports};
use super::rust::Source;
use super::{assert_none, check_sources, tree};

/// The layers from top to bottom. A module imports modules of lower layers, never of its own layer or a higher one.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["http", "jobs"],
    &["issuer", "backup"],
    &["keys"],
    &["store", "mail", "social", "throttle", "telemetry"],
    &["fetch"],
    &["crypto"],
    &["clock", "random", "template", "private_files"],
    &["domain"],
    // tests/skip.rs, which tests of every module use.
    &["skip"],
];

/// `config` is in no layer: only these modules import it, and it imports only `domain`.
const CONFIG_READERS: &[&str] = &["cli", "app"];

/// Imports that are allowed against the layers: the file, the module it imports, and the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// The top-level module of a file: `src/http/reply.rs` is in `http`. None for the crate's root and outside `src/`.
fn module(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    let name = inner.split_once('/').map_or_else(|| inner.trim_end_matches(".rs"), |(folder, _)| folder);
    (name != "lib").then_some(name)
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// Why `from` must not import `to`; None if it may.
fn violation(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let unknown = |module| Some(format!("`{module}` is in no layer: add it to LAYERS, tests/tidy/layers.rs"));
    match (from, to) {
        ("config", "domain") => None,
        ("config", _) => Some("config imports only domain: convert settings to values in app".to_owned()),
        (_, "config") if CONFIG_READERS.contains(&from) => None,
        (_, "config") => Some("only app and cli import config: receive the setting as a value".to_owned()),
        _ => match (layer(from), layer(to)) {
            (Some(above), Some(below)) if above < below => None,
            (Some(_), Some(_)) => Some("imports go down only: move the shared code below both".to_owned()),
            (None, _) => unknown(from),
            (_, None) => unknown(to),
        },
    }
}

fn wrong_imports(source: &Source) -> Vec<String> {
    let Some(from) = module(&source.path) else { return Vec::new() };
    let excepted = |to: &str| EXCEPTIONS.iter().any(|(file, module, _)| *file == source.path && *module == to);
    let imports = imported_modules(source).into_iter().filter(|(_, to)| !excepted(to));
    imports
        .filter_map(|(at, to)| violation(from, &to).map(|why| format!("{}: {from} → {to}: {why}", source.place(at))))
        .collect()
}

/// The top-level modules that a file imports, with offsets.
fn imported_modules(source: &Source) -> Vec<(usize, String)> {
    let top = |import: Import| Some((import.at, import.names.into_iter().next()?));
    imports(source).into_iter().filter_map(top).collect()
}

#[test]
fn every_import_goes_to_a_lower_layer() {
    check_sources("imports against the layers", wrong_imports);
}

#[test]
fn every_exception_is_needed() {
    let sources = tree::sources();
    let is_needed = |file: &str, to: &str| {
        sources
            .iter()
            .any(|source| source.path == file && imported_modules(source).iter().any(|(_, module)| module == to))
    };
    let unneeded = EXCEPTIONS.iter().filter(|(file, to, _)| !is_needed(file, to));
    assert_none("exceptions to delete", &unneeded.map(|(file, to, _)| format!("{file} → {to}")).collect::<Vec<_>>());
}

mod proof {
    use super::{Source, module, violation, wrong_imports};

    #[test]
    fn every_kind_of_path_is_an_import() {
        let seen = |path: &str, text: &str| wrong_imports(&Source::new(path, text)).len();
        assert_eq!(seen("src/store/user.rs", "use crate::{domain::{id, key}, issuer::Issuer, http};"), 2);
        let text = "use super::super::mail::Mail; use super::Store; pub(super) fn f() {}";
        assert_eq!(seen("src/store/user.rs", text), 1);
        let text = "use super::clock::Clock; mod tests { use super::*; use super::super::cli; }";
        assert_eq!(seen("src/store/mod.rs", text), 1);
        assert_eq!(seen("src/main.rs", "use countersign::cli; // crate::nowhere\nfn main() {}"), 0);
        assert_eq!(seen("src/lib.rs", "pub use crate::app::App;"), 0);
        assert_eq!(seen("src/attic.rs", "use crate::domain::id;"), 1);
    }

    #[test]
    fn the_layers_are_those_of_the_architecture() {
        for (from, to) in [
            ("cli", "config"),
            ("app", "config"),
            ("config", "domain"),
            ("crypto", "random"),
            ("http", "crypto"),
            ("social", "fetch"),
            ("issuer", "keys"),
            ("backup", "keys"),
            ("keys", "store"),
        ] {
            assert_eq!(violation(from, to), None, "{from} → {to}");
        }
        for (from, to) in [
            ("http", "jobs"),
            ("issuer", "config"),
            ("config", "crypto"),
            ("crypto", "store"),
            ("domain", "clock"),
            ("store", "keys"),
            ("crypto", "keys"),
        ] {
            assert!(violation(from, to).is_some(), "{from} → {to}");
        }
        assert_eq!(module("src/http/oauth/mod.rs"), Some("http"));
        assert_eq!(module("src/clock.rs"), Some("clock"));
        assert_eq!(module("src/lib.rs"), None);
    }
}
