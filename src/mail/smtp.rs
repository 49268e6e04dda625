//! Delivery to a mail server (RFC 5321), with STARTTLS, TLS or no encryption, and with AUTH if an account is set.
//!
//! A connection is reused within a batch, but only after a complete delivery. The library's own pool is not used: it
//! also reuses a connection whose delivery timed out. The late replies to that e-mail would then be read as replies to
//! the next e-mail, which would count as sent although the mail server did not accept it.
//!
//! The crate `pem` reads the CA file, while `rustls` reads the certificates of the server (`http/server/tls.rs`). They
//! accept different damaged files, so with one reader for both, a file that works today could be rejected.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;

use super::error::{MailSetupError, SendError};
use super::message::{OutgoingMail, mask_address};
use crate::domain::secret::SecretText;

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
    /// The account for AUTH. Without it the client does not authenticate.
    pub username: Option<String>,
    /// The password of the account.
    pub password: Option<SecretText>,
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
    tls: Option<TlsParameters>,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

/// A stage of a delivery.
#[derive(Clone, Copy)]
enum SmtpStage {
    Connect,
    Encrypt,
    Authenticate,
    Send,
}

type SmtpFailure = (SmtpStage, lettre::transport::smtp::Error);

impl SmtpStage {
    /// Returns the stage for the error message, and a hint on the settings to check.
    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Connect => ("connecting", "; check email.host, email.port and email.security"),
            Self::Encrypt => ("starting TLS", "; check email.security and email.ca_file"),
            Self::Authenticate => ("authenticating", "; check email.username and email.password"),
            Self::Send => ("sending", ""),
        }
    }
}

impl Smtp {
    /// Reads the trusted certificates. Does not connect to the mail server yet.
    pub fn new(options: SmtpOptions) -> Result<Self, MailSetupError> {
        let tls = match options.security {
            TransportSecurity::None => None,
            TransportSecurity::StartTls | TransportSecurity::Tls => Some(tls_parameters(&options)?),
        };
        Ok(Self { options, tls, idle: Mutex::default() })
    }

    pub(super) async fn send(&self, outgoing: &OutgoingMail<'_>) -> Result<(), SendError> {
        let host = &self.options.host;
        let port = self.options.port;
        let to = mask_address(&outgoing.rendered.to);
        let limit = outgoing.item.time_to_send(outgoing.now, self.options.timeout);
        match tokio::time::timeout(limit, self.attempt(outgoing)).await {
            Ok(Ok(connection)) => {
                self.idle().push(connection);
                Ok(())
            }
            Ok(Err((SmtpStage::Send, error))) if error.is_client() && !outgoing.is_recipient_ascii() => {
                Err(SendError::undeliverable(format!(
                    "cannot send an e-mail to {to} via {host}:{port}: the address is not ASCII, and the mail server does \
                     not support SMTPUTF8 (RFC 6531)"
                )))
            }
            Ok(Err((stage, error))) => {
                let (operation, hint) = stage.labels();
                let reply = match (stage, error.status()) {
                    // A server that does not support AUTH may quote the command, which contains the password.
                    (SmtpStage::Authenticate, Some(code)) => format!("the server replied {code}"),
                    _ => outgoing.without_secrets(&error.to_string()),
                };
                let text =
                    format!("cannot send an e-mail to {to} via {host}:{port}: {operation} failed: {reply}{hint}");
                Err(if error.is_permanent() { SendError::permanent(text) } else { SendError::transient(text) })
            }
            Err(_) => {
                let limit = limit.as_secs();
                let text = format!("cannot send an e-mail to {to} via {host}:{port}: not completed within {limit} s");
                Err(SendError::transient(text))
            }
        }
    }

    /// Closes all idle connections with QUIT.
    pub(super) async fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for mut connection in idle {
            // After 1 s without a reply the connection is dropped.
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.quit()).await;
        }
    }

    /// Sends one e-mail on an idle or a new connection. Returns the connection only after a complete delivery.
    async fn attempt(&self, outgoing: &OutgoingMail<'_>) -> Result<AsyncSmtpConnection, SmtpFailure> {
        let mut connection = match self.take_idle().await {
            Some(idle) => idle,
            None => self.connect().await?,
        };
        connection.send(&outgoing.envelope, &outgoing.bytes).await.map_err(|error| (SmtpStage::Send, error))?;
        Ok(connection)
    }

    async fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let mut connection = self.idle().pop()?;
            if connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpFailure> {
        let SmtpOptions { host, port, username, password, security, timeout, .. } = &self.options;
        let client = ClientId::default();
        let initial_tls = self.tls.clone().filter(|_| *security == TransportSecurity::Tls);
        let server = (host.as_str(), *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(*timeout), &client, initial_tls, None)
            .await
            .map_err(|error| (if error.is_tls() { SmtpStage::Encrypt } else { SmtpStage::Connect }, error))?;
        if let Some(tls) = self.tls.clone().filter(|_| *security == TransportSecurity::StartTls) {
            connection.starttls(tls, &client).await.map_err(|error| (SmtpStage::Encrypt, error))?;
        }
        if let Some(username) = username {
            let password = password.as_ref().map_or("", SecretText::expose);
            let account = Credentials::new(username.clone(), password.to_owned());
            connection.auth(DEFAULT_MECHANISMS, &account).await.map_err(|error| (SmtpStage::Authenticate, error))?;
        }
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<AsyncSmtpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Builds the TLS parameters. They trust the certificates of the system and of `ca_file`. If the system has no
/// certificates, as in a minimal container, they trust the built-in Mozilla certificates instead.
fn tls_parameters(options: &SmtpOptions) -> Result<TlsParameters, MailSetupError> {
    let extra = options.ca_file.as_deref().map_or(Ok(Vec::new()), certificates)?;
    let build = |store| {
        let builder = TlsParametersBuilder::new(options.host.clone()).certificate_store(store);
        extra.iter().cloned().fold(builder, TlsParametersBuilder::add_root_certificate).build()
    };
    build(CertificateStore::Default).or_else(|_| build(CertificateStore::WebpkiRoots)).map_err(|error| {
        match &options.ca_file {
            Some(path) => MailSetupError::CaFile { path: path.clone(), problem: error.to_string() },
            None => MailSetupError::Tls(error.to_string()),
        }
    })
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, MailSetupError> {
    let unusable = |problem: String| MailSetupError::CaFile { path: path.to_owned(), problem };
    let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let blocks = pem::parse_many(text).map_err(|error| unusable(error.to_string()))?;
    let parsed: Result<Vec<_>, _> = blocks
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(|block| Certificate::from_der(block.into_contents()))
        .collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => Err(unusable("the file contains no PEM certificate".to_owned())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(error.to_string())),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn with_ca(content: Option<&[u8]>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let options = SmtpOptions {
            host: "mail.example.com".to_owned(),
            port: 587,
            username: None,
            password: Some(SecretText::new("hunter2".to_owned())),
            security: TransportSecurity::StartTls,
            ca_file: Some(path.clone()),
            timeout: SmtpOptions::TIMEOUT,
        };
        assert!(!format!("{options:?}").contains("hunter2"));
        let error = Smtp::new(options).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains("email.ca_file"), "{error}");
        error
    }

    #[test]
    fn an_unusable_ca_file_is_named() {
        assert!(with_ca(None).contains("No such file"));
        assert!(with_ca(Some(b"hello")).contains("no PEM certificate"));
        with_ca(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    }
}
