//! Why e-mail cannot be set up, and why an e-mail was not sent.

use std::path::PathBuf;

use crate::template::TemplateError;

/// Why a [`Mailer`](super::Mailer) could not be created. The messages about the sender, the CA file and
/// the templates name the setting or file to fix.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    /// The sender is not a mailbox.
    #[error("invalid sender \"{0}\"; set email.from to \"name@host\" or \"Name <name@host>\"")]
    From(String),
    /// The file of CA certificates cannot be used.
    #[error("cannot use the CA certificates in {}: {problem}; correct email.ca_file", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for e-mail: {0}")]
    Tls(String),
    /// A template cannot be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// Why an e-mail could not be prepared for the outbox.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The template failed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// This command opened no secret with which the e-mail could be sealed.
    #[error("cannot seal the e-mail without keys/secret; set `keys.passphrase`")]
    NoSecret,
}

/// Why an e-mail was not sent. The text is shown in the log and in the admin zone, and contains no secret.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    kind: SendErrorKind,
    text: String,
}

/// Whether a retry may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SendErrorKind {
    /// A retry may resolve it.
    Transient,
    /// A retry alone cannot resolve it, but an operator may.
    Permanent,
    /// No e-mail can reach the address through this mail server.
    Undeliverable,
}

impl SendError {
    /// Creates an error that a retry alone cannot resolve.
    pub(super) fn permanent(text: String) -> Self {
        Self { kind: SendErrorKind::Permanent, text }
    }

    /// Creates an error that a retry may resolve.
    pub(super) fn transient(text: String) -> Self {
        Self { kind: SendErrorKind::Transient, text }
    }

    /// Creates an error about an address that this mail server can never reach.
    pub(super) fn undeliverable(text: String) -> Self {
        Self { kind: SendErrorKind::Undeliverable, text }
    }

    /// Whether the mail server rejected the e-mail permanently (SMTP 5yz, RFC 5321 §4.2.1), or the e-mail cannot be
    /// decrypted or addressed.
    pub fn is_permanent(&self) -> bool {
        self.kind != SendErrorKind::Transient
    }

    /// Whether the outbox should give up at once, because the e-mail cannot reach its address.
    pub fn is_undeliverable(&self) -> bool {
        self.kind == SendErrorKind::Undeliverable
    }
}
