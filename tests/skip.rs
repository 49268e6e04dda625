//! How a test says that it cannot run here. `scripts/test` counts and prints these lines, so no skip is silent.

use std::io::Write as _;

/// Reports that the running test is skipped and why. The caller then returns from the test.
///
/// The line goes to the standard error of the process: the test runner captures what `eprintln!` prints and drops it when
/// the test passes. The runner writes a result in several parts, so the line begins with a line break of its own. It names
/// the test after its thread, so a test that skips twice is counted once if `why` is the same text.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("\nSKIPPED {}: {why}\n", thread.name().unwrap_or("test"));
    // A closed standard error leaves nowhere to report to.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
