//! The test e-mail of `countersign mail test` and of the admin zone.

use super::server::MailServer;
use crate::admin::signed_in_root_at;
use crate::support::TestServer;
use crate::support::binary::TestFolder;

const PATH: &str = "/admin/mails";
const TEST: &str = "/admin/mails/test";

fn settings(port: u16, more: &str) -> String {
    format!("email = {{ host = '127.0.0.1', port = {port}, security = 'none'{more} }}")
}

#[test]
fn the_command_sends_an_email_directly() {
    let Some(server) = MailServer::start(&[]) else { return };
    let folder = TestFolder::empty();
    folder.configure(&settings(server.port, ""));
    let output = folder.run(&["mail", "test", "ann@example.org"]);
    output.is(0);
    assert!(output.stderr.contains("accepted the test e-mail to ann@example.org"), "{}", output.stderr);
    let message = server.next();
    assert_eq!(message["to"], serde_json::json!(["ann@example.org"]));
    assert!(message["data"].as_str().unwrap().contains("Subject: Test e-mail from"));
    assert!(!folder.path("data").exists() && !folder.path("keys/ring.json").exists(), "nothing is created");
}

#[test]
fn the_command_fails_with_the_reply_of_the_mail_server() {
    let account = ", username = 'bob', password = 'wrong horse'";
    for (arguments, more, expected) in [
        (&["--reject"][..], "", "the server replied 550 5.1.1 no such mailbox"),
        (&["--reject-sender"], "", "the server replied 553 5.7.1 sender not owned"),
        (&["--auth", "bob:correct horse"], account, "the server replied 535 5.7.8"),
        (&["--drop"], "", "closed the connection"),
    ] {
        let Some(server) = MailServer::start(arguments) else { return };
        let folder = TestFolder::empty();
        folder.configure(&settings(server.port, more));
        let output = folder.run(&["mail", "test", "ann@example.org"]);
        output.fails(1, &[&format!("127.0.0.1:{}", server.port), expected]);
        assert!(!output.stderr.contains("wrong horse"), "{}", output.stderr);
    }
    let folder = TestFolder::empty();
    folder.configure(&settings(1, ""));
    folder.run(&["mail", "test", "ann@example.org"]).fails(1, &["127.0.0.1:1: connecting failed"]);
    folder.run(&["mail", "test", "ann"]).fails(1, &["not an e-mail address"]);
    let without_server = TestFolder::empty();
    without_server.run(&["mail", "test", "ann@example.org"]).fails(1, &["email.host"]);
    assert!(!without_server.path("data").exists());
}

#[tokio::test]
async fn the_admin_zone_sends_a_test_email_and_shows_the_reply() {
    let Some(mail_server) = MailServer::start(&[]) else { return };
    let (server, mut browser) = signed_in_root_at(TestServer::with(&settings(mail_server.port, "")).await).await;
    browser.open(PATH).await.is(200);
    browser.submit(TEST, &[("to", "ann@example.org")]).await.is(303);
    assert!(browser.open(PATH).await.text.contains("accepted the test e-mail to ann@example.org"));
    assert_eq!(mail_server.next()["to"], serde_json::json!(["ann@example.org"]));
    assert!(server.audit().await.contains(&("mail_tested".to_owned(), "to a***@example.org".to_owned())));
    browser.submit(TEST, &[("to", "ann")]).await.is(400);
    mail_server.stop();
    let refused = browser.submit(TEST, &[("to", "ann@example.org")]).await;
    assert!(refused.is(409).text.contains("connecting failed"), "{refused:#?}");

    let (_server, mut browser) = signed_in_root_at(TestServer::start().await).await;
    browser.open(PATH).await.is(200);
    let refused = browser.submit(TEST, &[("to", "ann@example.org")]).await;
    assert!(refused.is(409).text.contains("Set email.host"), "{refused:#?}");
}
