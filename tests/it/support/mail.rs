//! Reads the `.eml` files that the server writes if no SMTP server is configured.

use std::fs;
use std::path::Path;

/// A sent e-mail.
#[derive(Debug)]
pub struct Mail {
    /// The whole message, with LF line endings.
    pub source: String,
}

impl Mail {
    /// The value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.source.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default()
    }

    /// The link with this parameter, which stands on a line of its own. `None` if the e-mail has no such link.
    pub fn link(&self, parameter: &str) -> Option<String> {
        let text = unquoted(&self.source);
        let mut links = text.lines().filter(|line| line.starts_with("http") && line.contains(&format!("{parameter}=")));
        links.next().map(str::to_owned)
    }

    /// The reset code: the only line of the form `XXXX-XXXX-XXXX`.
    pub fn code(&self) -> &str {
        let groups = |line: &&str| {
            line.len() == 14
                && line.split('-').all(|group| {
                    group.len() == 4 && group.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
                })
        };
        let mut codes: Vec<&str> = self.source.lines().filter(groups).collect();
        codes.dedup();
        // The HTML part repeats the code.
        assert_eq!(codes.len(), 1, "{codes:?} in\n{}", self.source);
        codes[0]
    }
}

/// The text of a message without the soft line breaks and escapes of quoted-printable (RFC 2045 §6.7).
fn unquoted(source: &str) -> String {
    source.replace("=\n", "").replace("=3D", "=")
}

/// The notices about changes of accounts in the folder, in the order in which they were queued.
pub fn notices(folder: &Path) -> Vec<Mail> {
    read(folder, true)
}

/// All other e-mails in the folder, in the order in which they were queued.
pub fn all(folder: &Path) -> Vec<Mail> {
    read(folder, false)
}

/// Reads e-mails, sorted by outbox id.
fn read(folder: &Path, notices: bool) -> Vec<Mail> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "eml"));
    paths.retain(|path| path.to_string_lossy().ends_with("-account_notice.eml") == notices);
    // The file name is `<time>-<id>-<template>.eml`. The time is not unique: several e-mails may be sent in one second.
    let id = |path: &std::path::PathBuf| -> u64 {
        path.file_name().unwrap().to_str().unwrap().split('-').nth(1).unwrap().parse().unwrap()
    };
    paths.sort_by_key(id);
    paths.iter().map(|path| Mail { source: fs::read_to_string(path).unwrap().replace("\r\n", "\n") }).collect()
}
