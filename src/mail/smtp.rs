//! Sending by a mail server (RFC 5321), with STARTTLS, TLS or neither, and AUTH.
//!
//! Connections are kept between the mails of a batch, and only after a mail that went through whole. The library's own
//! pool is not used: it takes a connection back whose mail ran out of time in the middle, and the late answers to that
//! mail would then be read as answers to the next one, which would count as sent although nobody took it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;

use super::message::{OutgoingMail, masked};
use super::{MailSetupError, SendError};
use crate::domain::secret::SecretText;

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportSecurity {
    /// Begins in the clear and must be encrypted before anything is said (RFC 3207); usually port 587.
    StartTls,
    /// Encrypted from the first byte (RFC 8314); usually port 465.
    Tls,
    /// In the clear, the password too: for a server on the same machine.
    None,
}

/// Which mail server, and how.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// Its name, which its certificate must bear, or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The account to sign in with; None for none.
    pub username: Option<String>,
    /// That account's password.
    pub password: Option<SecretText>,
    /// How the way is protected.
    pub security: TransportSecurity,
    /// A PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The longest one mail may take, from connecting to the server's last word.
    pub timeout: Duration,
}

impl SmtpOptions {
    /// The usual [`SmtpOptions::timeout`].
    pub const TIMEOUT: Duration = Duration::from_secs(30);
}

/// A mail server and the connections to it.
pub struct Smtp {
    options: SmtpOptions,
    tls: Option<TlsParameters>,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

/// Where a mail got stuck, and what to look at.
#[derive(Clone, Copy)]
enum SmtpStage {
    Connect,
    Encrypt,
    SignIn,
    Send,
}

type SmtpFailure = (SmtpStage, lettre::transport::smtp::Error);

impl SmtpStage {
    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Connect => ("connecting", "; check email.host, email.port and email.security"),
            Self::Encrypt => ("encrypting the connection", "; check email.security and email.ca_file"),
            Self::SignIn => ("signing in", "; check email.username and email.password"),
            Self::Send => ("sending", ""),
        }
    }
}

impl Smtp {
    /// Reads the certificates; connects to nothing yet.
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
        let to = masked(&outgoing.rendered.to);
        match tokio::time::timeout(self.options.timeout, self.attempt(outgoing)).await {
            Ok(Ok(connection)) => {
                self.idle().push(connection);
                Ok(())
            }
            Ok(Err((stage, error))) => {
                let (doing, hint) = stage.labels();
                let answer = match (stage, error.status()) {
                    // A server that does not understand AUTH may repeat the line, and the line holds the password.
                    (SmtpStage::SignIn, Some(code)) => format!("the server answered {code}"),
                    _ => outgoing.without_secrets(&error.to_string()),
                };
                let text = format!("mail to {to} by {host}:{port}: {doing}: {answer}{hint}");
                Err(if error.is_permanent() { SendError::permanent(text) } else { SendError::transient(text) })
            }
            Err(_) => {
                let limit = self.options.timeout.as_secs();
                Err(SendError::transient(format!("mail to {to} by {host}:{port}: not done within {limit} s")))
            }
        }
    }

    /// Says goodbye on all kept connections.
    pub(super) async fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for mut connection in idle {
            // A server that does not answer is hung up on.
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.quit()).await;
        }
    }

    /// One mail on a kept or a new connection, which is given back only if all went well.
    async fn attempt(&self, outgoing: &OutgoingMail<'_>) -> Result<AsyncSmtpConnection, SmtpFailure> {
        let mut connection = match self.kept().await {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        connection.send(&outgoing.envelope, &outgoing.bytes).await.map_err(|error| (SmtpStage::Send, error))?;
        Ok(connection)
    }

    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let mut kept = self.idle().pop()?;
            if kept.test_connected().await {
                return Some(kept);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpFailure> {
        let SmtpOptions { host, port, username, password, security, timeout, .. } = &self.options;
        let me = ClientId::default();
        let from_the_start = self.tls.clone().filter(|_| *security == TransportSecurity::Tls);
        let server = (host.as_str(), *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(*timeout), &me, from_the_start, None)
            .await
            .map_err(|error| (if error.is_tls() { SmtpStage::Encrypt } else { SmtpStage::Connect }, error))?;
        if let Some(tls) = self.tls.clone().filter(|_| *security == TransportSecurity::StartTls) {
            connection.starttls(tls, &me).await.map_err(|error| (SmtpStage::Encrypt, error))?;
        }
        if let Some(username) = username {
            let password = password.as_ref().map_or("", SecretText::expose);
            let account = Credentials::new(username.clone(), password.to_owned());
            connection.auth(DEFAULT_MECHANISMS, &account).await.map_err(|error| (SmtpStage::SignIn, error))?;
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

/// Trusts the system's certificates, or the usual ones built in where the system (a bare container) has none, and those of `ca_file`.
fn tls_parameters(options: &SmtpOptions) -> Result<TlsParameters, MailSetupError> {
    let own = options.ca_file.as_deref().map_or(Ok(Vec::new()), certificates)?;
    let build = |store| {
        let builder = TlsParametersBuilder::new(options.host.clone()).certificate_store(store);
        own.iter().cloned().fold(builder, TlsParametersBuilder::add_root_certificate).build()
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
    let found: Result<Vec<_>, _> = blocks
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(|block| Certificate::from_der(block.into_contents()))
        .collect();
    match found {
        Ok(found) if found.is_empty() => Err(unusable("it holds no PEM certificate".to_owned())),
        Ok(found) => Ok(found),
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
