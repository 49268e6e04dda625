//! A session with a mail server (RFC 5321): EHLO, STARTTLS (RFC 3207), AUTH with PLAIN and LOGIN (RFC 4954), and one
//! e-mail at a time.
//!
//! The session of `lettre` is not used: it compares keywords in upper case only, does not tell what a server offers, and
//! accepts no verifier for the certificate of a server.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::address::Envelope;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::account::SmtpAccount;
use super::extensions::SmtpExtensions;
use super::failure::{SmtpCause, SmtpFailure, SmtpStep};
use super::reply::{SmtpReply, read_reply};
use crate::crypto::tls_error::{TlsSettingNames, describe_tls_error};
use crate::domain::hello_name::HelloName;

/// The settings that decide whether a handshake succeeds.
const TLS_SETTINGS: TlsSettingNames =
    TlsSettingNames { ca_file: "email.ca_file", host: "email.host", security: "email.port and email.security" };

/// The connection to a mail server, with or without TLS.
pub(super) trait SmtpStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> SmtpStream for T {}

/// What a handshake needs.
#[derive(Clone)]
pub(super) struct SmtpTls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// A session in which EHLO was accepted.
pub(super) struct SmtpSession {
    stream: BufReader<Box<dyn SmtpStream>>,
    extensions: SmtpExtensions,
}

fn io_failure(step: SmtpStep) -> impl Fn(io::Error) -> SmtpFailure {
    move |error| SmtpFailure { step, cause: SmtpCause::Io(error) }
}

fn unsupported(step: SmtpStep, problem: String) -> SmtpFailure {
    SmtpFailure { step, cause: SmtpCause::Unsupported(problem) }
}

impl SmtpSession {
    /// Reads the greeting of the server and sends EHLO.
    pub(super) async fn open(stream: Box<dyn SmtpStream>, hello: &HelloName) -> Result<Self, SmtpFailure> {
        let mut session = Self { stream: BufReader::new(stream), extensions: SmtpExtensions::default() };
        let greeting = read_reply(&mut session.stream).await.map_err(io_failure(SmtpStep::Connect))?;
        accepted(SmtpStep::Connect, greeting)?;
        session.hello(hello).await?;
        Ok(session)
    }

    async fn hello(&mut self, hello: &HelloName) -> Result<(), SmtpFailure> {
        let reply = self.command(SmtpStep::Hello, &format!("EHLO {hello}")).await?;
        self.extensions = SmtpExtensions::parse(reply.lines.iter().skip(1).map(String::as_str));
        Ok(())
    }

    /// Encrypts the session. What the server sent before is forgotten, because an attacker could have inserted it.
    pub(super) async fn start_tls(mut self, tls: &SmtpTls, hello: &HelloName) -> Result<Self, SmtpFailure> {
        let step = SmtpStep::Encrypt;
        if !self.extensions.has("STARTTLS") {
            let problem = format!(
                "the server does not offer STARTTLS, only {}; check email.port, or set email.security = \"tls\"",
                self.extensions
            );
            return Err(unsupported(step, problem));
        }
        self.command(step, "STARTTLS").await?;
        if !self.stream.buffer().is_empty() {
            return Err(io_failure(step)(io::Error::other("the server sent data before the TLS handshake")));
        }
        let stream = handshake(self.stream.into_inner(), tls).await?;
        let mut session = Self { stream: BufReader::new(stream), extensions: SmtpExtensions::default() };
        session.hello(hello).await?;
        Ok(session)
    }

    /// Signs in with the first mechanism that both sides support.
    pub(super) async fn authenticate(&mut self, account: &SmtpAccount) -> Result<(), SmtpFailure> {
        let step = SmtpStep::Authenticate;
        let SmtpAccount { username, password } = account;
        if self.extensions.has_mechanism("PLAIN") {
            let message = Zeroizing::new(format!("\0{username}\0{}", password.expose()));
            let line = Zeroizing::new(format!("AUTH PLAIN {}", &*Zeroizing::new(STANDARD.encode(&*message))));
            self.command(step, &line).await?;
        } else if self.extensions.has_mechanism("LOGIN") {
            self.command(step, "AUTH LOGIN").await?;
            self.command(step, &STANDARD.encode(username)).await?;
            self.command(step, &Zeroizing::new(STANDARD.encode(password.expose()))).await?;
        } else {
            let problem = format!(
                "the server offers neither AUTH PLAIN nor AUTH LOGIN, only {}; many servers offer them only with TLS, \
                 check email.security; without email.username and email.password no authentication is tried",
                self.extensions
            );
            return Err(unsupported(step, problem));
        }
        Ok(())
    }

    /// Sends one e-mail. After `Ok`, the server has accepted it.
    pub(super) async fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<(), SmtpFailure> {
        let parameters = self.mail_parameters(envelope, message)?;
        let from = envelope.from().map_or("", AsRef::as_ref);
        self.command(SmtpStep::Sender, &format!("MAIL FROM:<{from}>{parameters}")).await?;
        for to in envelope.to() {
            self.command(SmtpStep::Recipient, &format!("RCPT TO:<{to}>")).await?;
        }
        self.command(SmtpStep::Content, "DATA").await?;
        self.write(SmtpStep::Content, &encode_content(message)).await?;
        self.read(SmtpStep::Content).await.map(drop)
    }

    /// The parameters of MAIL FROM for the extensions that the e-mail needs.
    fn mail_parameters(&self, envelope: &Envelope, message: &[u8]) -> Result<String, SmtpFailure> {
        let mut parameters = String::new();
        if self.extensions.has("SIZE") {
            let size = message.len();
            if let Some(limit) =
                self.extensions.size_limit().filter(|limit| u64::try_from(size).is_ok_and(|n| n > *limit))
            {
                let problem = format!("the e-mail has {size} bytes, and the server accepts at most {limit} (SIZE)");
                return Err(unsupported(SmtpStep::Sender, problem));
            }
            parameters.extend([" SIZE=", &size.to_string()]);
        }
        if !message.is_ascii() {
            if !self.extensions.has("8BITMIME") {
                let problem = "the e-mail is not ASCII, and the server does not offer 8BITMIME";
                return Err(unsupported(SmtpStep::Sender, problem.to_owned()));
            }
            parameters.push_str(" BODY=8BITMIME");
        }
        if !envelope.from().into_iter().chain(envelope.to()).all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
            if !self.extensions.has("SMTPUTF8") {
                let problem = "an address is not ASCII, and the server does not offer SMTPUTF8 (RFC 6531)";
                return Err(unsupported(SmtpStep::Recipient, problem.to_owned()));
            }
            parameters.push_str(" SMTPUTF8");
        }
        Ok(parameters)
    }

    /// Whether the server still answers.
    pub(super) async fn is_alive(&mut self) -> bool {
        self.command(SmtpStep::Content, "NOOP").await.is_ok()
    }

    /// Ends the session. A failure does not matter, because the connection is closed afterwards.
    pub(super) async fn quit(&mut self) {
        let _ = self.command(SmtpStep::Content, "QUIT").await;
    }

    async fn command(&mut self, step: SmtpStep, line: &str) -> Result<SmtpReply, SmtpFailure> {
        let line = Zeroizing::new(format!("{line}\r\n"));
        self.write(step, line.as_bytes()).await?;
        self.read(step).await
    }

    async fn write(&mut self, step: SmtpStep, bytes: &[u8]) -> Result<(), SmtpFailure> {
        self.stream.write_all(bytes).await.map_err(io_failure(step))?;
        self.stream.flush().await.map_err(io_failure(step))
    }

    async fn read(&mut self, step: SmtpStep) -> Result<SmtpReply, SmtpFailure> {
        accepted(step, read_reply(&mut self.stream).await.map_err(io_failure(step))?)
    }
}

fn accepted(step: SmtpStep, reply: SmtpReply) -> Result<SmtpReply, SmtpFailure> {
    if reply.is_positive() { Ok(reply) } else { Err(SmtpFailure { step, cause: SmtpCause::Reply(reply) }) }
}

/// Starts TLS on a connection.
pub(super) async fn handshake(stream: Box<dyn SmtpStream>, tls: &SmtpTls) -> Result<Box<dyn SmtpStream>, SmtpFailure> {
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    match connector.connect(tls.name.clone(), stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let cause = match error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
                Some(error) => SmtpCause::Tls(describe_tls_error(error, &TLS_SETTINGS)),
                None => SmtpCause::Io(error),
            };
            Err(SmtpFailure { step: SmtpStep::Encrypt, cause })
        }
    }
}

/// Ends the content with a line of one dot, and doubles the dots at the beginning of lines (RFC 5321 §4.5.2).
fn encode_content(message: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut encoded = Zeroizing::new(Vec::with_capacity(message.len() + message.len() / 32 + 5));
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            encoded.push(b'.');
        }
        encoded.extend_from_slice(line);
    }
    if !encoded.ends_with(b"\r\n") {
        encoded.extend_from_slice(b"\r\n");
    }
    encoded.extend_from_slice(b".\r\n");
    encoded
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn dots_at_the_beginning_of_lines_are_doubled() {
        for (message, encoded) in [
            ("", "\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n.a\r\nb.\r\n", "..\r\n..a\r\nb.\r\n.\r\n"),
            ("a\n.b\r\n", "a\n..b\r\n.\r\n"),
        ] {
            assert_eq!(*encode_content(message.as_bytes()), encoded.as_bytes(), "{message:?}");
        }
    }

    fn envelope(to: &str) -> Envelope {
        Envelope::new(Some("id@example.com".parse().unwrap()), vec![to.parse().unwrap()]).unwrap()
    }

    #[test]
    fn only_offered_extensions_are_used() {
        let parameters = |offered: &[&str], to: &str, message: &str| {
            let stream: Box<dyn SmtpStream> = Box::new(tokio::io::duplex(1).0);
            let extensions = SmtpExtensions::parse(offered.iter().copied());
            let session = SmtpSession { stream: BufReader::new(stream), extensions };
            session.mail_parameters(&envelope(to), message.as_bytes())
        };
        let all = ["Size 100", "8bitmime", "SmtpUtf8"];
        assert_eq!(parameters(&[], "a@example.com", "x").unwrap(), "");
        assert_eq!(parameters(&all, "a@example.com", "x").unwrap(), " SIZE=1");
        assert_eq!(parameters(&all, "\u{e4}@example.com", "\u{e4}").unwrap(), " SIZE=2 BODY=8BITMIME SMTPUTF8");
        for (offered, to, message, missing) in [
            (&all[..1], "a@example.com", "\u{e4}".to_owned(), "8BITMIME"),
            (&all[..2], "\u{e4}@example.com", "x".to_owned(), "SMTPUTF8"),
            (&all[..], "a@example.com", "x".repeat(101), "at most 100"),
        ] {
            let failure = parameters(offered, to, &message).unwrap_err();
            assert!(failure.describe(None, str::to_owned).contains(missing) && failure.is_permanent(), "{missing}");
        }
    }
}
