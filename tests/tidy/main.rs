//! Enforces the architecture and the style of the code base: sizes, dependencies, restricted names, files, commits.
//!
//! Each rule is one test. Each failure names the place and the fix. To change a rule, change it here and give
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
mod silent_skips;
#[path = "../skip.rs"]
mod skip;
mod tree;
mod words;

use rust::Source;

/// Fails if there are violations, and lists them.
fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}: {} to fix\n  {}\n", violations.len(), violations.join("\n  "));
}

/// Applies one rule to every source file and fails if there are violations.
fn check_sources(rule: &str, violations: impl Fn(&Source) -> Vec<String>) {
    assert_none(rule, &tree::sources().iter().flat_map(violations).collect::<Vec<_>>());
}
