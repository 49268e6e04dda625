//! The transport of e-mails: `[email]`.

use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use url::Host;

use super::reader::Reader;
use super::server::path;
use crate::domain::hello_name::HelloName;
use crate::domain::public_url::PublicUrl;
use crate::domain::secret::SecretText;

/// `[email]`
#[derive(Clone, Debug)]
pub struct EmailConfig {
    /// The mail server; `None`: e-mails are written to files under `data_dir`.
    pub smtp: Option<SmtpConfig>,
    /// The sender of e-mails. Default: `countersign@` and the host of the public URL if the host is a domain name,
    /// otherwise `countersign@localhost`.
    pub from: Mailbox,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// The name or address of the server.
    pub host: String,
    /// The port of the server: usually 587 with STARTTLS, 465 with TLS, 25 without TLS.
    pub port: u16,
    /// The credentials for the server; `None`: no authentication.
    pub login: Option<SmtpLogin>,
    /// The name with which the server introduces itself (EHLO). Default: the host of the public URL.
    pub hello: HelloName,
    /// The encryption of the connection.
    pub security: SmtpSecurity,
    /// A PEM file of CA certificates that are trusted in addition to those of the system.
    pub ca_file: Option<PathBuf>,
}

/// The credentials for a mail server.
#[derive(Clone, Debug)]
pub struct SmtpLogin {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretText,
}

/// The encryption of the connection to a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// A plain connection that is upgraded to TLS (RFC 3207). Without TLS nothing is sent.
    StartTls,
    /// TLS from the first byte (RFC 8314 §3).
    Tls,
    /// No encryption.
    None,
}

impl EmailConfig {
    pub(super) fn read(r: &mut Reader, public_url: &PublicUrl) -> Self {
        let host = r.optional("email.host", host);
        let port = r.number("email.port", 587, 1..=u16::MAX);
        let username = r.optional("email.username", |text| Ok::<_, String>(text.to_owned()));
        let password = r.secret("email.password");
        r.require(
            &["email.username", "email.password"],
            username.is_some() == password.is_some(),
            "authentication needs both email.username and email.password; set both or neither",
        );
        let securities =
            [("starttls", SmtpSecurity::StartTls), ("tls", SmtpSecurity::Tls), ("none", SmtpSecurity::None)];
        let security = r.choice("email.security", "starttls", &securities);
        let ca_file = r.optional("email.ca_file", path);
        let hello = r.optional("email.hello", HelloName::parse).unwrap_or_else(|| HelloName::of(public_url));
        let from = r.text("email.from", &sender(public_url), |text| {
            text.parse::<Mailbox>().map_err(
                |_| "not a single e-mail address; use for example \"id@example.com\" or \"Example <id@example.com>\"",
            )
        });
        let login = username.zip(password).map(|(username, password)| SmtpLogin { username, password });
        Self { smtp: host.map(|host| SmtpConfig { host, port, login, hello, security, ca_file }), from }
    }
}

/// Returns the default sender: `countersign@` and the host of the public URL if that host is a domain name, otherwise
/// `countersign@localhost`.
pub(super) fn sender(public_url: &PublicUrl) -> String {
    let named = format!("countersign@{}", public_url.host());
    let is_name = matches!(Host::parse(public_url.host()), Ok(Host::Domain(_)));
    if is_name && named.parse::<Mailbox>().is_ok() { named } else { "countersign@localhost".to_owned() }
}

fn host(text: &str) -> Result<String, &'static str> {
    let is_address = text.parse::<IpAddr>().is_ok();
    let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) && Host::parse(text).is_ok();
    let shape = "not a host; use a name or an address, such as \"smtp.example.com\", and set the port in email.port";
    if is_address || is_name { Ok(text.to_owned()) } else { Err(shape) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn email(toml: &str) -> Result<EmailConfig, String> {
        Config::from_toml(&format!("[email]\n{toml}")).map(|config| config.email).map_err(|e| e.to_string())
    }

    #[test]
    fn without_a_host_no_smtp_server_is_configured() {
        assert!(email("").unwrap().smtp.is_none());
        assert!(email("host = ''\nport = 25").unwrap().smtp.is_none());
    }

    #[test]
    fn all_smtp_settings_are_read() {
        let toml = "host = 'smtp.example.com'\nport = 465\nusername = 'me'\npassword = 'pw'\nsecurity = 'tls'\nca_file = 'ca.pem'";
        let smtp = email(toml).unwrap().smtp.unwrap();
        assert_eq!((smtp.host.as_str(), smtp.port, smtp.security), ("smtp.example.com", 465, SmtpSecurity::Tls));
        assert_eq!(smtp.ca_file, Some("ca.pem".into()));
        let login = smtp.login.unwrap();
        assert_eq!((login.username.as_str(), login.password.expose()), ("me", "pw"));
    }

    #[test]
    fn the_hello_name_follows_the_public_url() {
        let hello = |toml: &str| Config::from_toml(toml).unwrap().email.smtp.unwrap().hello.to_string();
        assert_eq!(hello("email.host = 'h'"), "[127.0.0.1]");
        let public = "email.host = 'h'\nserver.public_url = 'https://id.example.com:8443/auth'\n";
        assert_eq!(hello(public), "id.example.com");
        assert_eq!(hello(&format!("{public}email.hello = 'relay.example.com'")), "relay.example.com");
        assert_eq!(hello(&format!("{public}email.hello = ''")), "id.example.com");
        assert!(email("hello = 'https://id.example.com'").unwrap_err().contains("email.hello"));
    }

    #[test]
    fn smtp_user_and_password_require_each_other() {
        let error = email("password = 'hunter2'").unwrap_err();
        assert!(error.contains("email.username and email.password") && !error.contains("hunter2"), "{error}");
        assert!(email("username = 'me'").unwrap_err().contains("email.username = \"me\""));
    }

    #[test]
    fn an_invalid_smtp_host_is_rejected() {
        for valid in ["smtp.example.com", "localhost", "127.0.0.1", "::1", "mail_relay"] {
            assert_eq!(host(valid), Ok(valid.to_owned()));
        }
        for invalid in ["smtp.example.com:587", "smtp://example.com", "a b", "me@example.com", "example.com/"] {
            assert!(host(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn the_sender_must_be_a_mailbox() {
        let from = |toml: &str| email(toml).map(|email| email.from.to_string());
        assert_eq!(from("from = 'Example <id@example.com>'"), Ok("Example <id@example.com>".to_owned()));
        for invalid in ["", "id", "id@", "a@b.c, d@e.f"] {
            assert!(
                from(&format!("from = '{invalid}'")).unwrap_err().contains("not a single e-mail address"),
                "{invalid}"
            );
        }
        assert_eq!(from(""), Ok("countersign@localhost".to_owned()));
        let named = Config::from_toml("server.public_url = 'https://id.example.com'").unwrap();
        assert_eq!(named.email.from.to_string(), "countersign@id.example.com");
    }

    #[test]
    fn smtp_security_is_one_of_three_values() {
        assert!(email("security = 'ssl'").unwrap_err().contains(r#"must be "starttls" or "tls" or "none""#));
    }
}
