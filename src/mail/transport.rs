//! The transports for e-mails: a mail server, a folder, or the memory of a test.
//!
//! A transport reports whether the mail server, the folder or the list accepted an e-mail. It does not retry: the
//! outbox job does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::SendError;
use super::message::{OutgoingMail, RenderedMail};
use super::smtp::Smtp;
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
