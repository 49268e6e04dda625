//! Rules for the files of the repository, not only for Rust: paths in the architecture page, e-mail templates, migrations,
//! paths of one machine, keys and databases.

use std::fs;

use super::{assert_none, tree};

/// File extensions of keys and databases, which must not be under version control outside tests and fuzzing corpora.
const SECRET_EXTENSIONS: &[&str] = &["pem", "key", "p12", "pfx", "db", "db-wal", "db-shm", "sqlite3"];

fn names_a_machine(line: &str) -> bool {
    // Written in parts, so that this file does not violate its own rule.
    let directories = [["/ro", "ot/"].concat(), ["/ho", "me/"].concat(), ["/Us", "ers/"].concat()];
    directories.iter().any(|directory| line.contains(directory))
}

fn is_secret(path: &str) -> bool {
    let (folder, extension) = (path.split('/').next().unwrap_or(""), path.rsplit('.').next().unwrap_or(""));
    let is_key = folder == "keys" && !matches!(path, "keys/README.md" | "keys/.gitignore");
    is_key || folder == "data" || (SECRET_EXTENSIONS.contains(&extension) && !matches!(folder, "tests" | "fuzz"))
}

/// The names in `names` that are not `0001_*.sql`, `0002_*.sql` and so on, each with the expected number.
fn misnumbered(names: &[String]) -> Vec<(usize, &String)> {
    let numbered = (1..).zip(names);
    let is_right =
        |number: usize, name: &str| name.starts_with(&format!("{number:04}_")) && name.to_lowercase().ends_with(".sql");
    numbered.filter(|(number, name)| !is_right(*number, name)).collect()
}

/// The paths of files and folders that a text names in backticks. A route, which begins with `/`, is no path.
fn named_paths(text: &str) -> Vec<&str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_path = |name: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        name.contains('/') && !name.starts_with('/') && name.chars().all(is_plain)
    };
    quoted.filter(is_path).collect()
}

#[test]
fn every_path_in_the_architecture_exists() {
    const PAGE: &str = "docs/architecture.md";
    let text = fs::read_to_string(tree::root().join(PAGE)).unwrap_or_default();
    let paths = named_paths(&text);
    assert!(paths.len() > 50, "{PAGE} names {} paths", paths.len());
    let exists = |path: &str| tree::root().join(path).exists() || tree::root().join("src").join(path).exists();
    let missing = paths.into_iter().filter(|path| !exists(path)).map(|path| format!("{PAGE}: {path}"));
    assert_none("paths that do not exist", &missing.collect::<Vec<_>>());
}

#[test]
fn every_email_template_has_its_three_parts() {
    let parts = ["body.html", "body.txt", "subject.txt"];
    let wrong = tree::folders("templates/mail").into_iter().filter(|folder| tree::names(folder) != parts);
    let expected = parts.join(", ");
    assert_none("e-mail templates", &wrong.map(|f| format!("{f}: expected exactly {expected}")).collect::<Vec<_>>());
}

#[test]
fn the_migrations_of_each_database_are_numbered_without_gaps() {
    let mut wrong = Vec::new();
    for folder in tree::folders("migrations") {
        let names = tree::names(&folder);
        let misnumbered = misnumbered(&names).into_iter();
        wrong.extend(misnumbered.map(|(number, name)| format!("{folder}/{name}: expected {number:04}_NAME.sql")));
    }
    assert_none("migrations", &wrong);
}

#[test]
fn no_file_contains_a_path_of_one_machine() {
    let mut wrong = Vec::new();
    for path in tree::tracked() {
        let text = fs::read_to_string(tree::root().join(&path)).unwrap_or_default();
        let named = text.lines().enumerate().filter(|(_, line)| names_a_machine(line));
        wrong.extend(named.map(|(at, _)| format!("{path}:{}: make the path relative", at + 1)));
    }
    assert_none("paths of one machine", &wrong);
}

#[test]
fn no_key_and_no_database_is_tracked() {
    let found: Vec<String> = tree::tracked().into_iter().filter(|path| is_secret(path)).collect();
    assert_none("keys and databases under version control (git rm --cached, and replace the key)", &found);
}

mod proof {
    use super::{is_secret, misnumbered, named_paths, names_a_machine};

    #[test]
    fn a_path_of_one_machine_is_found() {
        assert!(names_a_machine(&["see /ho", "me/ada/keys"].concat()));
        assert!(!names_a_machine("see ~/keys, /var/lib and home/"));
    }

    #[test]
    fn a_path_in_backticks_is_found() {
        let text = "`cli/` and `src/clock.rs`, but not `POST /auth`, `/auth`, `a|b/c` or http/mod.rs";
        assert_eq!(named_paths(text), ["cli/", "src/clock.rs"]);
    }

    #[test]
    fn a_key_and_a_database_are_secret() {
        for path in ["keys/secret", "keys/2026.pem", "data/x", "countersign.db", "docs/server.key"] {
            assert!(is_secret(path), "{path}");
        }
        for path in ["keys/README.md", "tests/fixtures/rsa.pem", "fuzz/corpus/a.key", "src/store/db.rs"] {
            assert!(!is_secret(path), "{path}");
        }
    }

    #[test]
    fn a_gap_in_the_migrations_is_found() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(misnumbered(&names(&["0001_a.sql", "0002_b.sql"])).is_empty());
        assert_eq!(misnumbered(&names(&["0001_a.sql", "0003_b.sql", "0003_c.txt"])).len(), 2);
    }
}
