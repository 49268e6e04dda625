//! How a test says that it cannot run here. `scripts/test` counts and prints these lines, so no skip is silent.

use std::io::Write as _;

/// Reports that the running test is skipped and why. The caller then returns from the test.
///
/// The line goes to the standard error of the process: the test runner captures what `eprintln!` prints and drops it
/// when the test passes. It names the test after its thread, so a test that skips twice is counted once if `why` is the
/// same text. With `--test-threads 1` all tests run on the main thread, and the test runner prints the name.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().filter(|name| *name != "main").unwrap_or("test");
    // A closed standard error leaves nowhere to report to.
    let _ = std::io::stderr().write_all(format!("SKIPPED {name}: {why}\n").as_bytes());
}
