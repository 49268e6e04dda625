//! The files of the repository, read from the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::rust::Source;

/// The repository's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file under the folders that hold ours.
pub fn sources() -> Vec<Source> {
    let paths =
        ["src", "tests", "benches", "examples", "fuzz"].into_iter().flat_map(|folder| walk(&root().join(folder)));
    let read = |path: PathBuf| Source::new(&relative(&path), &fs::read_to_string(&path).expect("a source is text"));
    let found: Vec<Source> = paths.filter(|path| path.extension().is_some_and(|kind| kind == "rs")).map(read).collect();
    assert!(found.len() > 5, "found only {} sources under {}", found.len(), root().display());
    found
}

/// Every file that is, or is about to be, under version control; every file at all where there is none (a release archive).
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

/// The folders directly under `folder`, relative to the repository; none if it isn't there.
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
