//! How mail goes out: `[email]`.

use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use url::Host;

use super::reader::Reader;
use super::server::path;
use crate::domain::public_url::PublicUrl;
use crate::domain::secret::SecretText;

/// `[email]`
#[derive(Clone, Debug)]
pub struct EmailConfig {
    /// The server that takes the mail; none: mails become files under the data folder.
    pub smtp: Option<SmtpConfig>,
    /// Whom mails come from; by default `countersign@` and the public URL's host.
    pub from: Mailbox,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Its name or address.
    pub host: String,
    /// Its port: usually 587 with STARTTLS, 465 with TLS, 25 without.
    pub port: u16,
    /// Who signs in to it; none: nobody does.
    pub login: Option<SmtpLogin>,
    /// How the way there is guarded.
    pub security: SmtpSecurity,
    /// Who else, in a PEM file, may vouch for its certificate.
    pub ca_file: Option<PathBuf>,
}

/// A sign-in to a mail server.
#[derive(Clone, Debug)]
pub struct SmtpLogin {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretText,
}

/// How the way to a mail server is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Plain at first, then TLS, or nothing is sent (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314 §3).
    Tls,
    /// Not at all.
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
            "a sign-in needs a name and a password: set both email.username and email.password, or neither",
        );
        let securities =
            [("starttls", SmtpSecurity::StartTls), ("tls", SmtpSecurity::Tls), ("none", SmtpSecurity::None)];
        let security = r.choice("email.security", "starttls", &securities);
        let ca_file = r.optional("email.ca_file", path);
        let from = r.text("email.from", &sender(public_url), |text| {
            text.parse::<Mailbox>()
                .map_err(|_| "use one address, as in \"id@example.com\" or \"Example <id@example.com>\"")
        });
        let login = username.zip(password).map(|(username, password)| SmtpLogin { username, password });
        Self { smtp: host.map(|host| SmtpConfig { host, port, login, security, ca_file }), from }
    }
}

/// An address of ours, if the public URL has a name that could have one.
pub(super) fn sender(public_url: &PublicUrl) -> String {
    let named = format!("countersign@{}", public_url.host());
    let is_name = matches!(Host::parse(public_url.host()), Ok(Host::Domain(_)));
    if is_name && named.parse::<Mailbox>().is_ok() { named } else { "countersign@localhost".to_owned() }
}

fn host(text: &str) -> Result<String, &'static str> {
    let is_address = text.parse::<IpAddr>().is_ok();
    let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) && Host::parse(text).is_ok();
    let shape = "use the name or address alone, as in \"smtp.example.com\"; the port is email.port";
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
    fn smtp_user_and_password_require_each_other() {
        let error = email("password = 'hunter2'").unwrap_err();
        assert!(error.contains("set both email.username and email.password") && !error.contains("hunter2"), "{error}");
        assert!(email("username = 'me'").unwrap_err().contains("email.username = \"me\""));
    }

    #[test]
    fn an_invalid_smtp_host_is_rejected() {
        for good in ["smtp.example.com", "localhost", "127.0.0.1", "::1", "mail_relay"] {
            assert_eq!(host(good), Ok(good.to_owned()));
        }
        for bad in ["smtp.example.com:587", "smtp://example.com", "a b", "me@example.com", "example.com/"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_sender_must_be_a_mailbox() {
        let from = |toml: &str| email(toml).map(|email| email.from.to_string());
        assert_eq!(from("from = 'Example <id@example.com>'"), Ok("Example <id@example.com>".to_owned()));
        for bad in ["", "id", "id@", "a@b.c, d@e.f"] {
            assert!(from(&format!("from = '{bad}'")).unwrap_err().contains("use one address"), "{bad}");
        }
        assert_eq!(from(""), Ok("countersign@localhost".to_owned()));
        let named = Config::from_toml("server.public_url = 'https://id.example.com'").unwrap();
        assert_eq!(named.email.from.to_string(), "countersign@id.example.com");
    }

    #[test]
    fn smtp_security_is_one_of_three_values() {
        assert!(email("security = 'ssl'").unwrap_err().contains(r#"use "starttls" or "tls" or "none""#));
    }
}
