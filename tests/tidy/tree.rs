//! Reads the repository: its folders, its source files, and the files under version control.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::rust::Source;

/// The root folder of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file of the code base.
pub fn sources() -> Vec<Source> {
    let paths =
        ["src", "tests", "benches", "examples", "fuzz"].into_iter().flat_map(|folder| walk(&root().join(folder)));
    let read =
        |path: PathBuf| Source::new(&relative(&path), &fs::read_to_string(&path).expect("a source file is UTF-8"));
    let found: Vec<Source> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).map(read).collect();
    assert!(found.len() > 5, "only {} source files in {}", found.len(), root().display());
    found
}

/// The paths among `sources` that are compiled for tests only.
pub fn test_files(sources: &[Source]) -> BTreeSet<String> {
    let prefixes: Vec<String> = sources.iter().flat_map(Source::test_files).collect();
    let is_test = |path: &str| {
        let declared = |prefix: &String| path.strip_prefix(prefix.as_str());
        prefixes.iter().filter_map(declared).any(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    sources.iter().map(|source| source.path.clone()).filter(|path| is_test(path)).collect()
}

/// Every file under version control, and every new file that git does not ignore. Without git, as in a release archive:
/// every file outside `data/`, build output, `node_modules` and hidden folders.
pub fn tracked() -> Vec<String> {
    let git = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    match Command::new("git").args(git).current_dir(root()).output() {
        Ok(listed) if listed.status.success() => {
            let names = String::from_utf8(listed.stdout).expect("file names are UTF-8");
            names.split_terminator('\0').filter(|name| root().join(name).is_file()).map(str::to_owned).collect()
        }
        _ => walk(&root()).iter().map(|path| relative(path)).filter(|path| !path.starts_with("data/")).collect(),
    }
}

/// The folders directly in `folder`, relative to the repository, sorted. Empty if `folder` does not exist.
pub fn folders(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<String> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).map(|path| relative(&path)).collect();
    found.sort();
    found
}

/// The names of the files directly in `folder`, sorted.
pub fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<String> =
        entries.filter(|e| e.path().is_file()).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("every file is in the repository");
    path.to_string_lossy().replace('\\', "/")
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() {
            found.push(entry.path());
        } else if !matches!(name.as_str(), "target" | "node_modules") && !name.starts_with('.') {
            found.extend(walk(&entry.path()));
        }
    }
    found.sort();
    found
}
