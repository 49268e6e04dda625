//! The ways out: a mail server, a folder, or a test's memory.
//!
//! A transport tells whether the next station took a mail, and does not try again: that is the outbox job's.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::message::{OutgoingMail, RenderedMail, UnreadableMail};
use super::smtp::Smtp;

/// Why a mail was not sent: a text for the log and the list of mails, with no secret in it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    permanent: bool,
    text: String,
}

impl SendError {
    /// Trying again would help only if something else changed first.
    pub(super) fn permanent(text: String) -> Self {
        Self { permanent: true, text }
    }

    /// Trying again may help.
    pub(super) fn transient(text: String) -> Self {
        Self { permanent: false, text }
    }

    /// Whether the next station refused for good (SMTP 5yz, RFC 5321 §4.2.1), or the mail can't be read or addressed.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

impl From<UnreadableMail> for SendError {
    fn from(error: UnreadableMail) -> Self {
        Self::permanent(error.to_string())
    }
}

/// A way out.
#[derive(Debug)]
pub enum Transport {
    /// A mail server.
    Smtp(Smtp),
    /// A folder that gets one `.eml` file per mail, for those who have set up no mail server.
    Files(PathBuf),
    /// A list in a test's hand.
    Memory(Arc<Mutex<Vec<RenderedMail>>>),
}

impl Transport {
    /// A list, and the hand that holds it.
    pub fn memory() -> (Self, Arc<Mutex<Vec<RenderedMail>>>) {
        let sent = Arc::default();
        (Self::Memory(Arc::clone(&sent)), sent)
    }

    /// Sends one mail. Once this is `Ok` the next station answers for it.
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

    /// Closes connections that are kept between mails.
    pub(super) async fn close_idle(&self) {
        if let Self::Smtp(smtp) = self {
            smtp.close_idle().await;
        }
    }
}

/// Writes `<time>-<id>-<template>.eml`, whole or not at all, for its owner's eyes.
async fn write_file(folder: &Path, outgoing: &OutgoingMail<'_>) -> Result<(), SendError> {
    let time = outgoing.now.to_string().replace(['-', ':'], "");
    let name = format!("{time}-{}-{}.eml", outgoing.item.id.0, outgoing.item.template);
    let folder = folder.to_owned();
    let bytes = outgoing.bytes.clone();
    let path = folder.join(&name);
    let written = tokio::task::spawn_blocking(move || replace_file(&folder, &name, &bytes)).await;
    match written.unwrap_or_else(|stopped| Err(io::Error::other(stopped))) {
        Ok(()) => {
            tracing::info!(file = %path.display(), "no mail server is set (email.host): the mail was written to a file");
            Ok(())
        }
        Err(error) => Err(SendError::transient(format!("writing {}: {error}", path.display()))),
    }
}

fn replace_file(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = folder.join(format!(".{name}.tmp"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}
