//! Delivery to a mail server (RFC 5321), with STARTTLS, TLS or no encryption, and with AUTH if an account is set.
//!
//! A connection is reused within a batch, but only after a complete delivery. A connection whose delivery timed out is
//! never reused: the late replies to that e-mail would be read as replies to the next e-mail, which would count as sent
//! although the mail server did not accept it.

mod account;
mod ca_file;
mod extensions;
mod failure;
mod reply;
mod session;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::error::{MailSetupError, SendError};
use super::message::{OutgoingMail, mask_address};
use crate::crypto::server_certificate::client_config;
use crate::domain::hello_name::HelloName;
use crate::fetch::connect::connect;
use crate::fetch::endpoint::Reach;
pub use account::SmtpAccount;
use failure::{SmtpCause, SmtpFailure, SmtpStep};
use session::{SmtpSession, SmtpStream, SmtpTls, handshake};

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportSecurity {
    /// STARTTLS (RFC 3207): the connection starts in plaintext and must be encrypted before the password or an
    /// e-mail is sent. Usually port 587.
    StartTls,
    /// TLS from the first byte (RFC 8314). Usually port 465.
    Tls,
    /// No encryption, not even of the password. For a mail server on the same host.
    None,
}

/// The options of a mail server.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// The name or address of the mail server. The server's certificate must be valid for this name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The name with which the client introduces itself (EHLO).
    pub hello: HelloName,
    /// The account for AUTH. Without it the client does not authenticate.
    pub account: Option<SmtpAccount>,
    /// How the connection is encrypted.
    pub security: TransportSecurity,
    /// A PEM file with trusted certificates, in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// The maximum duration of one delivery, from connecting to the last reply of the mail server.
    pub timeout: Duration,
}

impl SmtpOptions {
    /// The default [`SmtpOptions::timeout`].
    pub const TIMEOUT: Duration = Duration::from_secs(30);
}

/// A mail server and the idle connections to it.
pub struct Smtp {
    options: SmtpOptions,
    tls: Option<SmtpTls>,
    idle: Mutex<Vec<SmtpSession>>,
}

/// How long the end of a session may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

impl Smtp {
    /// Reads the trusted certificates. Does not connect to the mail server yet.
    pub fn new(options: SmtpOptions) -> Result<Self, MailSetupError> {
        let tls = match options.security {
            TransportSecurity::None => None,
            TransportSecurity::StartTls | TransportSecurity::Tls => Some(tls(&options)?),
        };
        Ok(Self { options, tls, idle: Mutex::default() })
    }

    pub(super) async fn send(&self, outgoing: &OutgoingMail<'_>) -> Result<(), SendError> {
        let SmtpOptions { host, port, account, timeout, .. } = &self.options;
        let to = mask_address(&outgoing.rendered.to);
        let limit = outgoing.item.time_to_send(outgoing.now, *timeout);
        match tokio::time::timeout(limit, self.attempt(outgoing)).await {
            Ok(Ok(session)) => {
                self.idle().push(session);
                Ok(())
            }
            Ok(Err(failure)) => {
                let problem = failure.describe(account.as_ref(), |text| outgoing.without_secrets(text));
                let text = format!("cannot send an e-mail to {to} via {host}:{port}: {problem}");
                Err(match &failure {
                    failure if failure.is_undeliverable() => SendError::undeliverable(text),
                    failure if failure.is_permanent() => SendError::permanent(text),
                    _ => SendError::transient(text),
                })
            }
            Err(_) => {
                let limit = limit.as_secs();
                let text = format!("cannot send an e-mail to {to} via {host}:{port}: not completed within {limit} s");
                Err(SendError::transient(text))
            }
        }
    }

    /// The mail server as `host:port`, to be displayed.
    pub(super) fn server(&self) -> String {
        format!("{}:{}", self.options.host, self.options.port)
    }

    /// Closes all idle connections with QUIT.
    pub(super) async fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for mut session in idle {
            let _ = tokio::time::timeout(QUIT_TIMEOUT, session.quit()).await;
        }
    }

    /// Sends one e-mail on an idle or a new connection. Returns the connection only after a complete delivery.
    async fn attempt(&self, outgoing: &OutgoingMail<'_>) -> Result<SmtpSession, SmtpFailure> {
        let mut session = match self.take_idle().await {
            Some(idle) => idle,
            None => self.connect().await?,
        };
        if let Err(failure) = session.send(&outgoing.envelope, &outgoing.bytes).await {
            if matches!(failure.cause, SmtpCause::Reply(_)) {
                let _ = tokio::time::timeout(QUIT_TIMEOUT, session.quit()).await;
            }
            return Err(failure);
        }
        Ok(session)
    }

    async fn take_idle(&self) -> Option<SmtpSession> {
        loop {
            let mut session = self.idle().pop()?;
            if session.is_alive().await {
                return Some(session);
            }
        }
    }

    async fn connect(&self) -> Result<SmtpSession, SmtpFailure> {
        let SmtpOptions { host, port, hello, account, security, .. } = &self.options;
        let stream = connect(host, *port, Reach::Any).await;
        let stream = stream.map_err(|error| SmtpFailure { step: SmtpStep::Connect, cause: SmtpCause::Io(error) })?;
        let mut stream: Box<dyn SmtpStream> = Box::new(stream);
        let tls = self.tls.as_ref();
        if let Some(tls) = tls.filter(|_| *security == TransportSecurity::Tls) {
            stream = handshake(stream, tls).await?;
        }
        let mut session = SmtpSession::open(stream, hello).await?;
        if let Some(tls) = tls.filter(|_| *security == TransportSecurity::StartTls) {
            session = session.start_tls(tls, hello).await?;
        }
        if let Some(account) = account {
            session.authenticate(account).await?;
        }
        Ok(session)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SmtpSession>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Builds the TLS configuration, which trusts the certificates of the system and of `ca_file`.
fn tls(options: &SmtpOptions) -> Result<SmtpTls, MailSetupError> {
    let trusted = options.ca_file.as_deref().map_or(Ok(Vec::new()), ca_file::read)?;
    let name = ServerName::try_from(options.host.clone()).map_err(|error| MailSetupError::Tls(error.to_string()))?;
    let config = client_config(trusted).map_err(|error| match &options.ca_file {
        Some(path) => MailSetupError::CaFile { path: path.clone(), problem: error.to_string() },
        None => MailSetupError::Tls(error.to_string()),
    })?;
    Ok(SmtpTls { config: Arc::new(config), name })
}
