//! How a test reports that it cannot run here. `scripts/test` counts and prints these lines, so no skip is silent.

use std::io::Write as _;

/// Reports that the running test is skipped and why. The caller then returns from the test.
///
/// The line goes directly to the standard error of the process, because the test runner captures what `eprintln!`
/// prints and drops it when the test passes. The runner writes a result in several parts, so the line begins with its
/// own line break.
///
/// The line names the current thread, whose name is the name of the test. `scripts/test` counts equal lines once, so a
/// test that skips twice is counted once if `why` is the same text.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("\nSKIPPED {}: {why}\n", thread.name().unwrap_or("test"));
    // If the standard error is closed, the skip cannot be reported anywhere.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
