//! The transports for e-mails: a mail server, a folder, or the memory of a test.
//!
//! A transport reports whether the mail server, the folder or the list accepted an e-mail. It does not retry: the
//! outbox job does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use super::error::SendError;
use super::message::{OutgoingMail, RenderedMail};
use super::smtp::Smtp;
use crate::domain::time::Timestamp;
use crate::private_files::{create_folder, give_to_owner_of};

/// How e-mails are delivered.
#[derive(Debug)]
pub enum Transport {
    /// A mail server.
    Smtp(Smtp),
    /// A folder with one `.eml` file for each e-mail, for installations without a mail server.
    Files(PathBuf),
    /// A list in memory, for tests.
    Memory(Arc<Mutex<Vec<RenderedMail>>>),
}

impl Transport {
    /// Creates a transport that appends to a list, and returns both.
    pub fn memory() -> (Self, Arc<Mutex<Vec<RenderedMail>>>) {
        let sent = Arc::default();
        (Self::Memory(Arc::clone(&sent)), sent)
    }

    /// Sends one e-mail. After `Ok` the mail server has accepted it, or its file is durable.
    pub(super) async fn send(&self, outgoing: &OutgoingMail<'_>) -> Result<(), SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send(outgoing).await,
            Self::Files(folder) => write_file(folder, outgoing).await,
            Self::Memory(sent) => {
                sent.lock().unwrap_or_else(PoisonError::into_inner).push(outgoing.rendered.clone());
                Ok(())
            }
        }
    }

    /// The mail server as `host:port`. `None` for the other transports.
    pub(super) fn server(&self) -> Option<String> {
        match self {
            Self::Smtp(smtp) => Some(smtp.server()),
            Self::Files(_) | Self::Memory(_) => None,
        }
    }

    /// Closes the idle connections to the mail server.
    pub(super) async fn close_idle(&self) {
        if let Self::Smtp(smtp) = self {
            smtp.close_idle().await;
        }
    }
}

/// How long an e-mail file is kept.
const FILES_KEPT: Duration = Duration::from_hours(24);

/// Deletes the e-mail files in the folder, and files that were not finished, that are older than one day: by the date in
/// their name or by their modification time, because a copied file has another modification time. Follows no symbolic
/// link. Returns how many.
pub(super) fn delete_old_files(folder: &Path, now: Timestamp) -> io::Result<usize> {
    let before = now - FILES_KEPT;
    // The folder of an earlier configuration without mail server may not exist.
    if !fs::symlink_metadata(folder).is_ok_and(|entry| entry.is_dir()) {
        return Ok(0);
    }
    let mut deleted = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(stem) = name.strip_suffix(".eml").or_else(|| name.strip_prefix('.')?.strip_suffix(".eml.tmp")) else {
            continue;
        };
        let metadata = entry.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified = Timestamp::from_unix(i64::try_from(modified.as_secs()).unwrap_or(i64::MAX));
        let is_old = modified < before || name_date(stem).is_some_and(|at| at < before);
        if metadata.is_file() && is_old {
            fs::remove_file(entry.path())?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// The date at the beginning of a file name, such as `20231114T221320Z-4-reset_code`.
fn name_date(stem: &str) -> Option<Timestamp> {
    let (date, _) = stem.split_once('-')?;
    let part = |range: std::ops::Range<usize>| date.get(range);
    let date = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?
    );
    Timestamp::parse(&date)
}

/// Atomically writes `<time>-<id>-<template>.eml`, which only its owner can read.
async fn write_file(folder: &Path, outgoing: &OutgoingMail<'_>) -> Result<(), SendError> {
    let time = outgoing.now.to_string().replace(['-', ':'], "");
    let name = format!("{time}-{}-{}.eml", outgoing.item.id.0, outgoing.item.template);
    let folder = folder.to_owned();
    let bytes = outgoing.bytes.clone();
    let path = folder.join(&name);
    let written = tokio::task::spawn_blocking(move || replace_file(&folder, &name, &bytes)).await;
    match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(()) => {
            tracing::info!(file = %path.display(), "e-mail written to a file because email.host is not set");
            Ok(())
        }
        Err(error) => Err(SendError::transient(format!("cannot write the e-mail to {}: {error}", path.display()))),
    }
}

fn replace_file(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    if fs::symlink_metadata(folder).is_ok_and(|entry| entry.is_symlink()) {
        return Err(io::Error::other("the folder is a symbolic link, which could lead e-mails elsewhere"));
    }
    create_folder(folder)?;
    let unfinished = folder.join(format!(".{name}.tmp"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    give_to_owner_of(folder, &file)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn email_files_are_deleted_after_one_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let now = crate::clock::Clock::system().now();
        let file_name = |at: Timestamp| format!("{}-4-reset_code.eml", at.to_string().replace(['-', ':'], ""));
        let hour = Duration::from_hours(1);
        let recent = [file_name(now), file_name(now - hour * 23), "notes.txt".to_owned(), "other.eml".to_owned()];
        let old = [
            file_name(now - hour * 25),
            file_name(now - hour * 24 * 400),
            format!(".{}.tmp", file_name(now - hour * 48)),
            "by-date.eml".to_owned(),
        ];
        for name in recent.iter().chain(&old) {
            fs::write(path(name), "x").unwrap();
        }
        File::options()
            .write(true)
            .open(path("by-date.eml"))
            .unwrap()
            .set_modified(UNIX_EPOCH + Duration::from_secs(now.unix().unsigned_abs()) - hour * 25)
            .unwrap();
        fs::create_dir(path("folder.eml")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", path("20010101T000000Z-1-reset_code.eml")).unwrap();
        assert_eq!(delete_old_files(folder.path(), now).unwrap(), old.len());
        assert!(recent.iter().all(|name| path(name).exists()) && !old.iter().any(|name| path(name).exists()));
        assert_eq!(delete_old_files(&path("missing"), now).unwrap(), 0);
        std::os::unix::fs::symlink(folder.path(), path("link")).unwrap();
        assert_eq!(delete_old_files(&path("link"), now + hour * 48).unwrap(), 0, "a link is not followed");
    }
}
