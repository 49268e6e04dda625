//! The outbox in the admin zone: the states of the e-mails, retries, and previews of the e-mail templates.

use countersign::domain::mail_item::{MailId, NewMail, SealedMail};
use countersign::store::StoreError;
use serde_json::json;

use super::{AdminBrowser, ServerResponse, assert_redirect, signed_in_root};
use crate::support::{TestServer, wait_until};

const PATH: &str = "/admin/mails";
const RETRY: &str = "/admin/mails/retry";

/// Queues an e-mail and records a failed attempt. The next attempt is in one hour, or never if `gives_up` is set.
async fn queue_failed_mail(server: &TestServer, error: &str, gives_up: bool) -> MailId {
    let now = server.issuer.clock.now();
    let error = error.to_owned();
    let write = server.issuer.store.write(move |tx| {
        let sealed = SealedMail(vec![1, 2, 3]);
        let id = tx.queue_mail(&NewMail { template: "reset_code", sealed, created_at: now, expires_at: None })?;
        let retry_at = (!gives_up).then(|| now + std::time::Duration::from_hours(1));
        tx.mail_failed(id, retry_at, &error)?;
        Ok::<_, StoreError>(id)
    });
    write.await.unwrap()
}

#[tokio::test]
async fn only_a_waiting_email_is_retried() {
    let (server, mut browser) = signed_in_root().await;
    let given_up = queue_failed_mail(&server, "550 no such mailbox", true).await;
    let waiting = queue_failed_mail(&server, "connection refused", false).await;
    browser.open(PATH).await.is(200);
    for id in ["", "x", "-", "1.5"] {
        browser.submit(RETRY, &[("id", id)]).await.is(404);
    }
    for id in [given_up.0, 99_999] {
        let refused = browser.submit(RETRY, &[("id", &id.to_string())]).await;
        assert!(refused.is(409).text.contains("send a new reset e-mail to the user"), "{refused:#?}");
    }
    ServerResponse::send(browser.form(RETRY, &[("id", &waiting.0.to_string())])).await.is(403);
    browser.open(&format!("{PATH}?state=lost")).await.is(404);
    assert!(server.audit().await.iter().all(|(action, _)| action != "mail_retried"));

    assert_redirect(&browser.submit(RETRY, &[("id", &waiting.0.to_string())]).await, PATH);
    let page = browser.open(PATH).await;
    assert!(page.text.contains(&format!("E-mail {} is retried now", waiting.0)), "{page:#?}");
    assert!(server.audit().await.contains(&("mail_retried".to_owned(), format!("mail {}", waiting.0))));
}

#[tokio::test]
async fn an_email_that_is_being_sent_is_not_sent_a_second_time() {
    let (server, mut browser) = signed_in_root().await;
    let id = queue_failed_mail(&server, "greylisted", false).await;
    let hour = std::time::Duration::from_hours(1);
    let in_an_hour = server.issuer.clock.now() + hour;
    let claim = server.issuer.store.write(move |tx| tx.claim_mails(in_an_hour, hour, 9));
    let claimed: Result<_, StoreError> = claim.await;
    assert_eq!(claimed.unwrap().len(), 1);
    let page = browser.open(PATH).await;
    assert!(page.text.contains("is being sent") && !page.text.contains("Retry now"), "{page:#?}");
    let refused = browser.submit(RETRY, &[("id", &id.0.to_string())]).await;
    assert!(refused.is(409).text.contains("being sent at this moment"), "{refused:#?}");
    assert!(server.audit().await.iter().all(|(action, _)| action != "mail_retried"));
}

#[tokio::test]
async fn the_outbox_is_filtered_by_state_and_errors_are_escaped() {
    let (server, mut browser) = signed_in_root().await;
    assert!(browser.open(PATH).await.is(200).text.contains("No e-mail is waiting"));
    queue_failed_mail(&server, "550 <script>alert(1)</script>", true).await;
    queue_failed_mail(&server, "connection refused", false).await;
    let all = browser.open(PATH).await;
    for word in [
        "1 e-mail is waiting",
        "550 &lt;script&gt;",
        "connection refused",
        "next attempt in 1 hour",
        "address deleted",
        "Retry now",
    ] {
        assert!(all.is(200).text.contains(word), "{word}: {all:#?}");
    }
    assert!(!all.text.contains("<script>"), "{all:#?}");
    let failed = browser.open(&format!("{PATH}?state=failed")).await;
    assert!(failed.text.contains("550") && !failed.text.contains("connection refused"), "{failed:#?}");
    assert!(!failed.text.contains("Retry now"), "{failed:#?}");
    let waiting = browser.open(&format!("{PATH}?state=waiting")).await;
    assert!(!waiting.text.contains("550") && waiting.text.contains("connection refused"), "{waiting:#?}");

    server.register("anna").await;
    server.post("/restore", &json!({"restoring_email": "anna@example.com"})).await.is(200);
    wait_until("the e-mail is sent", async || !server.emails().is_empty()).await;
    wait_until("the outbox lists the sent e-mail", async || {
        browser.open(&format!("{PATH}?state=sent")).await.text.contains("restore_link")
    })
    .await;
}

#[tokio::test]
async fn every_email_is_previewed_and_its_html_is_sandboxed() {
    let (server, mut browser) = signed_in_root().await;
    let page = browser.open("/admin/mails/templates").await;
    for word in ["reset_code", "restore_link", "<iframe class=\"email-preview\" sandbox title=", "Subject", "built in"]
    {
        assert!(page.is(200).text.contains(word), "{word}: {page:#?}");
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");

    let html = browser.open("/admin/mails/templates/reset_code").await;
    let policy = html.is(200).header("content-security-policy");
    for word in ["default-src 'none'", "sandbox", "frame-ancestors 'self'", "style-src 'unsafe-inline'"] {
        assert!(policy.contains(word) && !policy.contains("script-src") && !policy.contains("allow-"), "{policy}");
    }
    assert_eq!(html.header("x-frame-options"), "SAMEORIGIN");
    assert!(html.text.contains("anna"), "{html:#?}");
    browser.open("/admin/mails/templates/layout").await.is(404);
    browser.open("/admin/mails/templates/..%2F").await.is(404);
    AdminBrowser::new(&server).open("/admin/mails/templates/reset_code").await.is(303);
}
