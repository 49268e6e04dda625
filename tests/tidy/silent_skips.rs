//! A test that skips itself reports it where the test runner cannot capture it.

use super::check_sources;
use super::rust::{Source, block_end};

/// Macros whose output the test runner captures. It shows the output of failed tests only.
const CAPTURED: &[&str] = &["eprintln!", "eprint!", "println!", "print!"];

fn silent_skips(source: &Source) -> Vec<String> {
    let is_checked = ["src/", "tests/"].iter().any(|folder| source.path.starts_with(folder));
    let calls = CAPTURED.iter().flat_map(|name| source.find(name).into_iter().map(move |at| (at, name)));
    let silent =
        calls.filter(|(at, _)| source.text[*at..block_end(&source.code, *at)].to_lowercase().contains("skipped"));
    let message = |(at, name): (usize, &&str)| {
        format!("{}: the test runner captures `{name}`: call a helper `skip` that writes to stderr()", source.place(at))
    };
    silent.filter(|_| is_checked).map(message).collect()
}

#[test]
fn no_skip_is_silent() {
    check_sources("silent skips", silent_skips);
}

mod proof {
    use super::{Source, silent_skips};

    #[test]
    fn a_skip_in_a_captured_macro_is_reported() {
        let seen = |path: &str, text: &str| silent_skips(&Source::new(path, text)).len();
        assert_eq!(seen("src/a.rs", "eprintln!(\"SKIPPED: {}\", f(why)); println!(\n    \"SKIPPED\"\n);"), 2);
        assert_eq!(seen("tests/it/a.rs", "print!(\"SKIPPED\"); eprint!(\"SKIPPED\")"), 2);
        assert_eq!(seen("benches/a.rs", "println!(\"SKIPPED\")"), 0);
    }

    #[test]
    fn a_skip_through_a_helper_is_accepted() {
        let text = "skip(\"SKIPPED\"); eprintln!(\"two\"); stderr().write_all(b\"SKIPPED\"); // println!(\"SKIPPED\")";
        assert!(silent_skips(&Source::new("src/a.rs", text)).is_empty());
    }
}
