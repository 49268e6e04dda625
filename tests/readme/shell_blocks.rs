//! The shell blocks of every document work in zsh, the shell of macOS, and not only in bash. An interactive zsh takes a
//! comment at the end of a line as arguments, and an unquoted `[` as a pattern.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../skip.rs"]
mod skip;

/// A shell block: where it begins, and its text.
struct ShellBlock {
    place: String,
    text: String,
}

/// Every Markdown file of the repository, without what builds and tests put there.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules", "data"].contains(&&*name) {
            documents(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The shell blocks of every document, and the indented lines outside of blocks, which would hide a command from this
/// test.
fn shell_blocks() -> (Vec<ShellBlock>, Vec<String>) {
    let mut paths = Vec::new();
    documents(&super::root(), &mut paths);
    let (mut blocks, mut hidden) = (Vec::new(), Vec::new());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
        let mut fence: Option<Option<ShellBlock>> = None;
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), number + 1);
            match (line.trim_start().strip_prefix("```"), &mut fence) {
                (Some(language), None) => {
                    let is_shell = ["sh", "bash", "zsh", "shell", "console"].contains(&language.trim());
                    fence = Some(is_shell.then(|| ShellBlock { place, text: String::new() }));
                }
                (Some(_), Some(_)) => blocks.extend(fence.take().flatten()),
                (None, Some(Some(block))) => block.text.extend([line, "\n"]),
                (None, None) if line.starts_with("    ") && !line.trim_start().starts_with(['-', '|']) => {
                    hidden.push(place);
                }
                (None, None | Some(None)) => {}
            }
        }
    }
    (blocks, hidden)
}

/// The lines of a block without quoted text and without the bodies of here-documents.
fn unquoted(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut quote = None;
    let mut end_of_document: Option<String> = None;
    for line in text.lines() {
        if let Some(end) = &end_of_document {
            if line == end {
                end_of_document = None;
            }
            continue;
        }
        if quote.is_none() && line.trim_start().starts_with('#') {
            lines.push(line.trim_start().to_owned());
            continue;
        }
        let mut rest = String::new();
        let mut escaped = false;
        for c in line.chars() {
            match (quote, c) {
                _ if escaped => escaped = false,
                (None | Some('"'), '\\') => escaped = true,
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, c) => rest.push(c),
            }
        }
        if let Some((_, end)) = line.split_once("<<") {
            end_of_document = Some(end.trim().trim_matches(['\'', '"']).to_owned());
        }
        lines.push(rest);
    }
    lines
}

/// What zsh would do differently with a line, or pip would refuse.
fn problem(line: &str) -> Option<&'static str> {
    if let Some(comment) = line.strip_prefix('#') {
        let is_harmless = |c: char| c.is_alphanumeric() || " .,:-_/".contains(c);
        return (!comment.chars().all(is_harmless))
            .then_some("an interactive zsh reads this comment as a command; keep its text plain");
    }
    if line.contains(" #") {
        return Some("put the comment on a line of its own");
    }
    if line.contains(['[', '?', '^', '~']) {
        return Some("quote the pattern");
    }
    if line.split_whitespace().any(|word| word.starts_with('=')) {
        return Some("quote the word that starts with `=`");
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let installs = words.windows(2).any(|pair| pair[1] == "install" && ["pip", "pip3"].contains(&pair[0]));
    installs.then_some("install into a virtual environment: `python3 -m venv …`, then `…/bin/pip install`")
}

#[test]
fn every_shell_block_works_in_zsh() {
    let (blocks, hidden) = shell_blocks();
    assert!(blocks.len() > 40, "only {} blocks were found", blocks.len());
    assert!(hidden.is_empty(), "use a fenced block with a language instead of an indented one: {hidden:#?}");
    let mut problems = Vec::new();
    for block in &blocks {
        let found = unquoted(&block.text).into_iter().filter_map(|line| Some((problem(&line)?, line)));
        problems.extend(found.map(|(problem, line)| format!("{}: {problem}: {line}", block.place)));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_shell_block_is_parsed_by_the_shells() {
    let (blocks, _) = shell_blocks();
    for shell in ["bash", "zsh"] {
        if Command::new(shell).arg("--version").output().is_err() {
            skip::skip(&format!("{shell} is not installed; run scripts/test-tools"));
            continue;
        }
        for block in &blocks {
            let output = Command::new(shell).args(["-n", "-c", &block.text]).output();
            let output = output.unwrap_or_else(|error| panic!("running {shell}: {error}"));
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && error.is_empty(), "{shell}, {}: {error}", block.place);
        }
    }
}

#[test]
fn what_zsh_does_differently_is_found() {
    for line in [
        "countersign check # prints the settings",
        "# the operator's settings",
        "# print (and check) all",
        "pip install PyJWT",
        "pip3 install -r requirements.txt",
        "pip install PyJWT[crypto]",
        "curl http://127.0.0.1:8080/admin/users?q=ann",
        "git show HEAD^",
        "echo =ls",
    ] {
        assert!(unquoted(line).iter().any(|line| problem(line).is_some()), "{line}");
    }
    for line in
        ["# Print the settings.", "venv/bin/pip install 'PyJWT[crypto]'", "curl \"$URL/a?b=c#d\"", "sed -n 's/[a]//p'"]
    {
        assert!(unquoted(line).iter().all(|line| problem(line).is_none()), "{line}");
    }
}
