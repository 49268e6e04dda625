//! E-mails that tell the owner of an account about a change.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use countersign::domain::audit::Operator;
use countersign::domain::user::{Email, RealName, Username};
use countersign::issuer::users::{SetTemporaryPassword, UserChange, UserNames, find};
use serde_json::json;

use crate::support::binary::TestFolder;
use crate::support::mail::Mail;
use crate::support::{PASSWORD, ServerResponse, TestServer, wait_until};

const NEW: &str = "another valid password";

/// The plain text, without the soft line breaks of the transfer encoding.
fn text(mail: &Mail) -> String {
    let text = mail.source.split("Content-Type: text/html").next().unwrap();
    text.replace("=\n", "").replace("=3D", "=")
}

/// Waits for the next notice after `before`, and checks that it is about exactly these changes.
async fn assert_notice(server: &TestServer, before: usize, to: &str, expected: &[&str]) {
    wait_until("the notice is sent", async || server.notices().len() > before).await;
    let notices = server.notices();
    assert_eq!(notices.len(), before + 1, "{expected:?}");
    let mail = &notices[before];
    assert_eq!(mail.header("To"), to, "{expected:?}");
    let text = text(mail);
    let changes: Vec<&str> = text.lines().filter(|line| line.starts_with("- ")).collect();
    assert_eq!(changes.len(), expected.len(), "{text}");
    for (change, expected) in changes.iter().zip(expected) {
        assert!(change.contains(expected), "{text}");
    }
    assert!(text.contains(" UTC") && text.contains("help@example.org"), "{text}");
    for secret in [PASSWORD, NEW, "restoring=", "token="] {
        assert!(!mail.source.contains(secret), "{secret} in {text}");
    }
}

async fn server() -> TestServer {
    let server = TestServer::with("accounts.contact = 'help@example.org'").await;
    server.register("anna").await;
    server
}

fn names(username: &str, email: Option<&str>) -> UserChange {
    UserChange::Edit(Box::new(UserNames {
        username: Username::parse(username).unwrap(),
        email: email.map(|email| Email::parse(email).unwrap()),
        email_verified: false,
        first_name: RealName::parse("").unwrap(),
        last_name: RealName::parse("").unwrap(),
    }))
}

#[tokio::test]
async fn changes_through_a_dialect_are_notified() {
    let server = server().await;
    let token = server.token("anna").await;
    server.post_as(&token, "/update_profile", &json!({"password": NEW})).await.is(200);
    assert_notice(&server, 0, "anna@example.com", &["password was changed"]).await;
    let login = server.post("/api/login/", &json!({"email": "anna", "password": NEW})).await.is(200).json();
    let access = login["access_token"].as_str().unwrap();
    let me = server.request("PUT".parse().unwrap(), "/api/me/").bearer_auth(access);
    ServerResponse::send(me.json(&json!({"username": "Anna Other"}))).await.is(200);
    assert_notice(&server, 1, "anna@example.com", &["user name was changed"]).await;
    // A request that changes nothing is not notified.
    let me = server.request("PUT".parse().unwrap(), "/api/me/").bearer_auth(access);
    ServerResponse::send(me.json(&json!({"username": "Anna Other", "email": "anna@example.com"}))).await.is(200);
    assert_eq!(server.notices().len(), 2);
}

#[tokio::test]
async fn a_reset_is_notified() {
    let server = server().await;
    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    wait_until("the code is sent", async || server.emails().len() == 1).await;
    let code = server.emails()[0].code().to_owned();
    server.post("/reset_password", &json!({"reset_code": code})).await.is(200);
    assert_notice(&server, 0, "anna@example.com", &["password was changed"]).await;
}

#[tokio::test]
async fn changes_by_operators_are_notified_at_the_old_address() {
    let server = server().await;
    let expected: [(UserChange, &str, &[&str]); 6] = [
        (
            UserChange::SetPassword(countersign::domain::password::Password::new(NEW.to_owned())),
            "anna@example.com",
            &["password was changed"],
        ),
        (UserChange::SetRights { is_staff: true, is_superuser: true }, "anna@example.com", &["given superuser rights"]),
        (
            UserChange::SetRights { is_staff: true, is_superuser: false },
            "anna@example.com",
            &["superuser rights of the account were removed"],
        ),
        (names("anna", Some("other@example.org")), "anna@example.com", &["e-mail address was changed"]),
        (
            names("other", Some("third@example.org")),
            "other@example.org",
            &["e-mail address was changed", "user name was changed"],
        ),
        (names("other", None), "third@example.org", &["e-mail address was changed"]),
    ];
    let mut name = "anna";
    for (number, (change, to, expected)) in expected.into_iter().enumerate() {
        server.change(name, change).await;
        assert_notice(&server, number, to, expected).await;
        name = if number < 4 { "anna" } else { "other" };
    }
    // Without an address there is no recipient, and other changes need no notice.
    server.change("other", UserChange::SetRights { is_staff: false, is_superuser: false }).await;
    server.change("other", UserChange::SetRights { is_staff: false, is_superuser: true }).await;
    assert_eq!(server.notices().len(), 6);
}

#[tokio::test]
async fn a_temporary_password_set_by_an_operator_is_notified() {
    let server = server().await;
    let user = find(&server.issuer, "anna").await.unwrap().unwrap().id;
    let temporary = SetTemporaryPassword { user, by: Operator::CommandLine }.run(&server.issuer).await.unwrap();
    assert_notice(&server, 0, "anna@example.com", &["password was changed"]).await;
    let temporary = String::from_utf8(temporary.expose().to_vec()).unwrap();
    assert!(!server.notices()[0].source.contains(&temporary));
}

#[tokio::test]
async fn notices_of_one_kind_are_limited() {
    let server = server().await;
    for number in 0..6_u32 {
        server
            .change(
                "anna",
                UserChange::SetRights { is_staff: number.is_multiple_of(3), is_superuser: number.is_multiple_of(2) },
            )
            .await;
    }
    for _ in 0..6 {
        let password = countersign::domain::password::Password::new(NEW.to_owned());
        server.change("anna", UserChange::SetPassword(password)).await;
    }
    wait_until("the notices are sent", async || server.notices().len() == 6).await;
    server.clock.advance(Duration::from_mins(61));
    server.change("anna", UserChange::SetRights { is_staff: false, is_superuser: true }).await;
    wait_until("the notice is sent", async || server.notices().len() == 7).await;
    assert_eq!(server.notices().len(), 7, "three of each kind in an hour");
}

#[tokio::test]
async fn a_sign_in_from_a_new_network_is_notified_if_enabled() {
    for enabled in [true, false] {
        let server = TestServer::with(&format!(
            "accounts.contact = 'help@example.org'\naccounts.notify_new_network = {enabled}"
        ))
        .await;
        server.register("anna").await;
        for (address, path, field, notified) in [
            ("203.0.113.5", "/auth", "username", 0),
            ("203.0.113.77", "/api/login/", "email", 0),
            ("198.51.100.1", "/api/token/", "username", 1),
            ("2001:db8::1", "/signin", "username", 2),
            ("2001:db8::ffff:1", "/auth", "username", 2),
        ] {
            server.post_from(address, path, &json!({field: "anna", "password": PASSWORD})).await.is(200);
            let notified = if enabled { notified } else { 0 };
            wait_until("the notice is sent", async || server.notices().len() >= notified).await;
            assert_eq!(server.notices().len(), notified, "{address}");
        }
        server.post_from("192.0.2.1", "/auth", &json!({"username": "anna", "password": "wrong"})).await.is(401);
        assert_eq!(server.notices().len(), if enabled { 2 } else { 0 });
    }
}

#[tokio::test]
async fn the_command_line_writes_the_notice_to_the_outbox() {
    let folder = TestFolder::new();
    folder.create("anna");
    let waiting = || -> i64 {
        let database = rusqlite::Connection::open(folder.path("data/countersign.db")).unwrap();
        let count = "SELECT count(*) FROM outbox WHERE template = 'account_notice'";
        database.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(waiting(), 0, "a new account is not notified");
    folder.run_with(NEW, &["users", "set-password", "anna", "--password-stdin"]).is(0);
    assert_eq!(waiting(), 1);
    folder.run(&["users", "disable", "anna"]).is(0);
    assert_eq!(waiting(), 1);
}
