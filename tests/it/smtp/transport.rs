//! The SMTP transport: one e-mail at a time, and the errors it reports.

use std::time::Duration;

use countersign::domain::mail_item::{MailId, MailItem, NewMail};
use countersign::mail::{Mailer, SendError, TransportSecurity};
use serde_json::json;

use super::server::{MailServer, TestAuthority, start_slow_server};
use super::{CODE, NOW, SmtpTarget, new_mail};

fn item(mailer: &Mailer, name: &str) -> MailItem {
    let new = new_mail(mailer, name, NOW);
    let NewMail { template, sealed, created_at, expires_at } = new;
    MailItem { id: MailId(1), template: template.to_owned(), sealed, created_at, expires_at, attempts: 0 }
}

async fn send(mailer: &Mailer) -> Result<(), SendError> {
    mailer.deliver(&item(mailer, "anna"), NOW).await
}

/// Asserts that sending fails with an error that contains `expected` and no secret.
async fn assert_send_fails(target: SmtpTarget, expected: &str) -> SendError {
    let error = send(&target.mailer()).await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains(expected), "{expected:?} is missing in: {message}");
    assert!(message.contains("a***@example.com"), "{message}");
    for secret in ["anna@", CODE, "wrong horse", "d3JvbmcgaG9yc2"] {
        assert!(!message.contains(secret), "{message}");
    }
    error
}

#[tokio::test]
async fn an_email_arrives_unchanged() {
    let Some(server) = MailServer::start(&[]) else { return };
    send(&SmtpTarget::plain(server.port).mailer()).await.unwrap();
    let message = server.next();
    assert_eq!(message["from"], "no-reply@example.com");
    assert_eq!(message["to"], json!(["anna@example.com"]));
    let data = message["data"].as_str().unwrap();
    for line in [
        "From: Countersign <no-reply@example.com>",
        "To: anna@example.com",
        "Subject: Your code to reset your password at auth.example.com",
        "Date: Tue, 14 Nov 2023 22:13:20 +0000",
        CODE,
    ] {
        assert!(data.lines().any(|found| found == line), "{line:?} is missing in\n{data}");
    }
}

#[tokio::test]
async fn one_connection_carries_several_emails() {
    let Some(server) = MailServer::start(&[]) else { return };
    let mailer = SmtpTarget::plain(server.port).mailer();
    for name in ["anna", "bert", "cleo"] {
        mailer.deliver(&item(&mailer, name), NOW).await.unwrap();
        assert_eq!(server.next()["to"], json!([format!("{name}@example.com")]));
    }
    mailer.close_idle().await;
    send(&mailer).await.unwrap();
    assert_eq!(server.next()["to"], json!(["anna@example.com"]));
}

#[tokio::test]
async fn starttls_and_tls_are_checked_against_the_ca_file() {
    let authority = TestAuthority::new();
    for (argument, security) in [("--starttls", TransportSecurity::StartTls), ("--tls", TransportSecurity::Tls)] {
        let Some(server) = authority.server(&[argument]) else { return };
        let target = || SmtpTarget { security, ca_file: Some(authority.ca_file()), ..SmtpTarget::plain(server.port) };
        send(&target().mailer()).await.unwrap();
        assert_eq!(server.next()["tls"], true, "{argument}");
        assert_send_fails(SmtpTarget { ca_file: None, ..target() }, "certificate").await;
        assert_send_fails(SmtpTarget { host: "127.0.0.1", ..target() }, "certificate").await;
        assert_eq!(server.stop(), Vec::<serde_json::Value>::new(), "{argument}");
    }
}

/// A domain beyond ASCII is sent as A-labels. A local part beyond ASCII needs SMTPUTF8.
#[tokio::test]
async fn an_address_beyond_ascii_is_delivered_or_given_up_at_once() {
    let Some(ascii) = MailServer::start(&["--ascii"]) else { return };
    let Some(unicode) = MailServer::start(&[]) else { return };
    let deliver = async |port: u16, to: &str| {
        let mailer = SmtpTarget::plain(port).mailer();
        let mut item = item(&mailer, "anna");
        item.sealed = super::new_mail_to(&mailer, to, NOW).sealed;
        mailer.deliver(&item, NOW).await
    };
    deliver(ascii.port, "Ann@MÜNCHEN.example").await.unwrap();
    assert_eq!(ascii.next()["to"], json!(["Ann@xn--mnchen-3ya.example"]));
    deliver(unicode.port, "νίκος@münchen.example").await.unwrap();
    assert_eq!(unicode.next()["to"], json!(["νίκος@xn--mnchen-3ya.example"]));
    let error = deliver(ascii.port, "νίκος@münchen.example").await.unwrap_err();
    assert!(error.is_undeliverable() && error.to_string().contains("SMTPUTF8"), "{error}");
    assert!(error.to_string().contains("ν***@münchen.example"), "{error}");
    assert!(ascii.stop().is_empty());
}

/// RFC 5321 §2.4: keywords are compared without regard to case.
#[tokio::test]
async fn extensions_in_any_spelling_are_used() {
    let authority = TestAuthority::new();
    for keywords in ["lower", "old", "upper"] {
        let arguments = ["--starttls", "--auth", "bob:correct horse", "--keywords", keywords];
        let Some(server) = authority.server(&arguments) else { return };
        let target = SmtpTarget {
            security: TransportSecurity::StartTls,
            ca_file: Some(authority.ca_file()),
            account: Some(("bob", "correct horse")),
            ..SmtpTarget::plain(server.port)
        };
        send(&target.mailer()).await.unwrap();
        let message = server.next();
        assert_eq!((&message["user"], &message["tls"]), (&json!("bob"), &json!(true)), "{keywords}");
        assert_eq!(message["hello"], "id.example.com", "{keywords}");
    }
}

#[tokio::test]
async fn a_missing_extension_is_named_with_what_was_offered() {
    let Some(server) = MailServer::start(&["--keywords", "lower"]) else { return };
    let target = SmtpTarget { account: Some(("bob", "wrong horse")), ..SmtpTarget::plain(server.port) };
    let error = assert_send_fails(target, "neither AUTH PLAIN nor AUTH LOGIN, only SIZE").await.to_string();
    assert!(error.contains("8BITMIME, SMTPUTF8") && error.contains("email.security"), "{error}");
    assert!(!error.contains("check email.username"), "{error}");
    let target = SmtpTarget { security: TransportSecurity::StartTls, ..SmtpTarget::plain(server.port) };
    assert_send_fails(target, "does not offer STARTTLS, only SIZE").await;
}

#[tokio::test]
async fn each_refused_command_names_the_setting_to_check() {
    for (argument, expected, setting) in [
        ("--reject-hello", "the server replied 504 5.5.2 need a fully-qualified host name", "email.hello"),
        ("--reject-sender", "the server replied 553 5.7.1 sender not owned", "email.from"),
        ("--reject", "the server replied 550 5.1.1 no such mailbox", ""),
    ] {
        let Some(server) = MailServer::start(&[argument]) else { return };
        let error = assert_send_fails(SmtpTarget::plain(server.port), expected).await.to_string();
        assert!(error.contains(setting), "{error}");
    }
}

/// `openssl req -x509` marks its certificates as authorities.
#[tokio::test]
async fn a_self_signed_certificate_in_the_ca_file_is_accepted() {
    let authority = TestAuthority::self_signed();
    let Some(server) = authority.server(&["--starttls"]) else { return };
    let target =
        |ca_file| SmtpTarget { security: TransportSecurity::StartTls, ca_file, ..SmtpTarget::plain(server.port) };
    send(&target(Some(authority.ca_file())).mailer()).await.unwrap();
    assert_eq!(server.next()["tls"], true);
    let error = assert_send_fails(target(None), "CA:TRUE").await.to_string();
    assert!(error.contains("email.ca_file") && !error.contains("CaUsedAsEndEntity"), "{error}");
}

#[tokio::test]
async fn required_starttls_is_never_downgraded() {
    let Some(server) = MailServer::start(&["--auth", "bob:wrong horse"]) else { return };
    let target = SmtpTarget {
        security: TransportSecurity::StartTls,
        account: Some(("bob", "wrong horse")),
        ..SmtpTarget::plain(server.port)
    };
    assert_send_fails(target, "starting TLS failed").await;
    assert!(server.stop().is_empty());
}

#[tokio::test]
async fn smtp_credentials_are_checked() {
    let authority = TestAuthority::new();
    let Some(server) = authority.server(&["--starttls", "--auth", "bob:correct horse"]) else { return };
    let target = |account| SmtpTarget {
        security: TransportSecurity::StartTls,
        ca_file: Some(authority.ca_file()),
        account,
        ..SmtpTarget::plain(server.port)
    };
    send(&target(Some(("bob", "correct horse"))).mailer()).await.unwrap();
    assert_eq!(server.next()["user"], "bob");
    let error =
        assert_send_fails(target(Some(("bob", "wrong horse"))), "authenticating failed: the server replied 535").await;
    assert!(error.is_permanent());
    assert_send_fails(target(None), "530").await;
    assert!(server.stop().is_empty());
}

#[tokio::test]
async fn transient_and_permanent_smtp_refusals_are_distinguished() {
    let Some(busy) = MailServer::start(&["--refuse-first", "1"]) else { return };
    let error = assert_send_fails(SmtpTarget::plain(busy.port), "451").await;
    assert!(!error.is_permanent());
    send(&SmtpTarget::plain(busy.port).mailer()).await.unwrap();
    assert_eq!(busy.next()["to"], json!(["anna@example.com"]));
    let Some(strict) = MailServer::start(&["--reject"]) else { return };
    assert!(assert_send_fails(SmtpTarget::plain(strict.port), "550").await.is_permanent());
}

#[tokio::test]
async fn misbehaving_mail_servers_are_transient_failures() {
    let short = Duration::from_secs(1);
    for (arguments, expected) in [
        (["--slow", "3600"].as_slice(), "not completed within 1 s"),
        (&["--nonsense"], "connecting"),
        (&["--drop"], "sending"),
    ] {
        let Some(server) = MailServer::start(arguments) else { return };
        let timeout = if arguments[0] == "--slow" { short } else { SmtpTarget::plain(0).timeout };
        let error = assert_send_fails(SmtpTarget { timeout, ..SmtpTarget::plain(server.port) }, expected).await;
        assert!(!error.is_permanent(), "{arguments:?}");
    }
}

/// A reply that arrives after the timeout must not count as the reply to the next e-mail.
#[tokio::test]
async fn a_late_reply_is_not_attributed_to_the_next_email() {
    let port = start_slow_server();
    let mailer = SmtpTarget { host: "127.0.0.1", timeout: Duration::from_secs(3), ..SmtpTarget::plain(port) }.mailer();
    assert!(send(&mailer).await.unwrap_err().to_string().contains("not completed within 3 s"));
    assert!(send(&mailer).await.unwrap_err().is_permanent());
}

#[tokio::test]
async fn an_unreachable_mail_server_is_a_transient_failure() {
    let Some(server) = MailServer::start(&[]) else { return };
    let port = server.port;
    server.stop();
    let error = assert_send_fails(SmtpTarget::plain(port), "check email.host").await;
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn a_closed_kept_connection_is_replaced() {
    let Some(server) = MailServer::start(&[]) else { return };
    let port = server.port;
    let mailer = SmtpTarget::plain(server.port).mailer();
    send(&mailer).await.unwrap();
    assert_eq!(server.stop().len(), 1);
    let again = MailServer::start(&["--port", &port.to_string()]).unwrap();
    send(&mailer).await.unwrap();
    assert_eq!(again.next()["to"], json!(["anna@example.com"]));
}
