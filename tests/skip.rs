//! How a test says that it cannot run here. `scripts/test` counts and prints these lines, so no skip is silent.

use std::io::Write as _;

/// Reports that the running test is skipped and why. Returns nothing: the caller returns from the test.
///
/// The line goes to the standard error of the process: the test runner captures what `eprintln!` prints and drops it when
/// the test passes. The name of the thread is the name of the test, so a test that skips twice is counted once; `why` must
/// be the same text each time.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {why}\n", thread.name().unwrap_or("a test"));
    // A closed standard error leaves nobody to report to.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
