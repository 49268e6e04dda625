//! Enforces the architecture and the style of the code base: sizes, dependencies, restricted names, files, commits.
//!
//! Each rule is one test. Each failure names the file, the line and the fix. To change a rule, change it here and give
//! the reason in the commit. The tests read the repository and do not run the product. Beside each rule, the module
//! `proof` shows on small samples that the rule can fail.

mod bans;
mod commits;
mod cycles;
mod files;
mod imports;
mod layers;
mod repository;
mod rust;
mod tree;

use std::io::Write as _;

use rust::Source;

/// Fails if there are violations, and lists them.
fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}: {} to fix\n  {}\n", violations.len(), violations.join("\n  "));
}

/// Applies one rule to every source file and fails if there are violations.
fn check_sources(rule: &str, violations: impl Fn(&Source) -> Vec<String>) {
    assert_none(rule, &tree::sources().iter().flat_map(violations).collect::<Vec<_>>());
}

/// Reports that a test checks nothing here, and why. The test runner captures `eprintln!`, so this line goes to the
/// standard error of the process: `scripts/test` counts the lines that begin with `SKIPPED`. The thread of a test has
/// the name of the test, except with `--test-threads 1`; then it is `test`.
fn skip(test: &str, why: &str) {
    let thread = std::thread::current();
    let name = thread.name().filter(|name| *name != "main").unwrap_or(test);
    // A closed standard error leaves nowhere to report to.
    let _ = std::io::stderr().write_all(format!("SKIPPED {name}: {why}\n").as_bytes());
}
