//! Reads the `.eml` files a server without an SMTP server leaves.

use std::fs;
use std::path::Path;

/// A mail as it was sent.
#[derive(Debug)]
pub struct Mail {
    /// All of it.
    pub source: String,
}

impl Mail {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.source.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default()
    }

    /// The code: the one line in the form of one.
    pub fn code(&self) -> &str {
        let groups = |line: &&str| {
            line.len() == 14
                && line.split('-').all(|group| {
                    group.len() == 4 && group.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
                })
        };
        let mut codes: Vec<&str> = self.source.lines().filter(groups).collect();
        codes.dedup();
        // The HTML part has it too.
        assert_eq!(codes.len(), 1, "{codes:?} in\n{}", self.source);
        codes[0]
    }
}

/// Every mail in the folder, in the order they were sent.
pub fn all(folder: &Path) -> Vec<Mail> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "eml"));
    // `<time>-<id>-<template>.eml`: by the id, for several may be sent in a second.
    let id = |path: &std::path::PathBuf| -> u64 {
        path.file_name().unwrap().to_str().unwrap().split('-').nth(1).unwrap().parse().unwrap()
    };
    paths.sort_by_key(id);
    paths.iter().map(|path| Mail { source: fs::read_to_string(path).unwrap().replace("\r\n", "\n") }).collect()
}
