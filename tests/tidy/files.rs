//! Every source file has a bounded size and a head, and every function fits on a page.

use super::check_sources;
use super::rust::Source;

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;

fn long_file(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > FILE_LINES).then(|| format!("{}: {lines} lines: split it into modules of one folder", source.path))
}

fn long_functions(source: &Source) -> Vec<String> {
    let long = source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES);
    long.map(|f| {
        format!("{}:{}: fn {} has {} lines: split it by what it decides", source.path, f.line, f.name, f.lines)
    })
    .collect()
}

fn missing_head(source: &Source) -> Option<String> {
    let missing = !source.text.starts_with("//!");
    missing.then(|| format!("{}:1: begin with `//!`: what the module owns and what it must not do", source.path))
}

#[test]
fn no_file_is_longer_than_400_lines() {
    check_sources("files over 400 lines", |source| long_file(source).into_iter().collect());
}

#[test]
fn no_function_is_longer_than_70_lines() {
    check_sources("functions over 70 lines", long_functions);
}

#[test]
fn every_file_begins_with_module_documentation() {
    check_sources("module documentation", |source| missing_head(source).into_iter().collect());
}

mod proof {
    use super::{Source, long_file, long_functions, missing_head};

    #[test]
    fn a_file_of_401_lines_is_reported() {
        let file = |lines: usize| Source::new("src/a.rs", &"\n".repeat(lines));
        assert_eq!(long_file(&file(400)), None);
        assert!(long_file(&file(401)).is_some());
    }

    #[test]
    fn a_function_of_71_lines_is_reported() {
        let file = |lines: usize| Source::new("src/a.rs", &format!("\nfn long() {{{}}}\n", "\n".repeat(lines - 1)));
        assert!(long_functions(&file(70)).is_empty());
        let found = long_functions(&file(71));
        assert!(found[0].starts_with("src/a.rs:2: fn long has 71 lines"), "{found:?}");
    }

    #[test]
    fn a_file_without_a_head_is_reported() {
        assert!(missing_head(&Source::new("src/a.rs", "// a\n")).is_some());
        assert_eq!(missing_head(&Source::new("src/a.rs", "//! a\n")), None);
    }
}
