//! The audit log in the admin zone: filters, pages and exports.

use super::{AdminBrowser, assert_redirect, signed_in_root, superuser};

const PATH: &str = "/admin/audit";
const EXPORT: &str = "/admin/audit/export";

/// The actions on the page, newest first.
fn actions(text: &str) -> Vec<String> {
    let cells = text.split("<th scope=\"row\">").skip(1);
    cells.map(|cell| cell.split('<').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_invalid_filter_is_reported() {
    let (server, mut browser) = signed_in_root().await;
    for (query, message) in [
        ("user=mallory", "No user matches mallory"),
        ("by=%3Cb%3E", "No user matches &lt;b&gt;"),
        ("action=signed%20in", "This action does not exist"),
        ("address=anna", "The address must be an IP address"),
        ("from=31.1.2026", "The first day must be a date"),
        ("until=2026-02-30", "The last day must be a date"),
    ] {
        let refused = browser.open(&format!("{PATH}?{query}")).await;
        assert!(refused.is(400).text.contains(message), "{query}: {refused:#?}");
        browser.open(&format!("{EXPORT}?format=csv&{query}")).await.is(400);
    }
    for path in [EXPORT.to_owned(), format!("{EXPORT}?format=xml")] {
        browser.open(&path).await.is(404);
    }
    // An invalid position selects the first page.
    for query in ["at=x&id=y", "at=1", "id=99999999999999999999"] {
        assert!(!actions(&browser.open(&format!("{PATH}?{query}")).await.is(200).text).is_empty());
    }
    for path in [PATH, "/admin/audit/export?format=csv"] {
        AdminBrowser::new(&server).open(path).await.is(303);
    }
}

#[tokio::test]
async fn audit_lines_are_filtered_by_user_action_address_and_date() {
    let (server, mut browser) = signed_in_root().await;
    server.register("anna").await;
    let body = serde_json::json!({"username": "anna", "password": super::PASSWORD});
    server.post_from("192.0.2.9", "/auth", &body).await.is(200);
    browser.open("/admin/settings").await.is(200);
    let change = [("name", "registration.open"), ("value", "false")];
    assert_redirect(&browser.submit("/admin/settings", &change).await, "/admin/settings#registration.open");
    let mut search = async |query: &str| actions(&browser.open(&format!("{PATH}?{query}")).await.is(200).text);
    assert_eq!(search("user=anna").await, ["signed in", "registered"]);
    assert_eq!(search("user=ANNA%40example.com&action=registered").await, ["registered"]);
    assert_eq!(search("address=192.0.2.").await, ["signed in"]);
    assert_eq!(search("by=root").await, ["setting changed"]);
    let today = server.issuer.clock.now().to_string()[..10].to_owned();
    assert_eq!(search(&format!("from={today}&until={today}&user=anna")).await.len(), 2);
    assert_eq!(search("until=2020-01-01").await.len(), 0);
    assert_eq!(search("from=2999-01-01").await.len(), 0);
}

#[tokio::test]
async fn pages_have_no_gap_or_repetition() {
    let (server, mut browser) = signed_in_root().await;
    for number in 0..120 {
        server.set("sessions.reuse_grace", &number.to_string()).await;
    }
    let mut path = format!("{PATH}?action=setting_changed");
    let mut values = vec![];
    loop {
        let page = browser.open(&path).await;
        let cells = page.is(200).text.split("sessions.reuse_grace = ").skip(1);
        let page_values: Vec<u32> = cells.map(|cell| cell.split(' ').next().unwrap().parse().unwrap()).collect();
        assert!(page_values.len() <= 50, "{page_values:?}");
        values.extend(page_values);
        let Some((before, _)) = page.text.split_once("\">Older →") else { break };
        path = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&").replace("&#x2f;", "/");
        assert!(path.contains("action=setting_changed"), "{path}");
    }
    assert_eq!(values, (0..120).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_export_contains_every_entry_and_no_formula() {
    let (server, mut browser) = signed_in_root().await;
    let name = "=cmd|' \"x\",y";
    superuser(&server, "-anna").await;
    for number in 0..600 {
        server.set("sessions.reuse_grace", &(number % 300).to_string()).await;
    }
    server.set("profiles.simplejwt.audience", name).await;
    let csv = browser.open(&format!("{EXPORT}?format=csv")).await;
    assert_eq!(csv.is(200).header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(csv.header("content-disposition").starts_with("attachment; filename=\"audit-2"), "{csv:#?}");
    let lines: Vec<&str> = csv.text.split("\r\n").collect();
    assert_eq!(lines[0], "at,action,user_id,username,actor_id,actor,address,detail");
    let all = server.audit().await.len();
    assert!(all > 601, "the export needs more than one batch");
    assert_eq!(lines.len(), all + 2, "the header, all entries and the end of the last line");
    assert!(csv.text.contains(",\"'-anna\","), "a user name that looks like a formula is exported as text");

    let json = browser.open(&format!("{EXPORT}?format=jsonl&action=setting_changed")).await;
    assert_eq!(json.is(200).header("content-type"), "application/x-ndjson");
    let lines: Vec<serde_json::Value> = json.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 601);
    assert!(lines[0]["detail"].as_str().unwrap().contains("=cmd|"), "{}", lines[0]);
    assert_eq!(lines[600]["detail"], "sessions.reuse_grace = 0 by the command line");
}

#[tokio::test]
async fn markup_in_an_audit_line_is_escaped() {
    let (server, mut browser) = signed_in_root().await;
    server.set("profiles.simplejwt.audience", "<script>alert(1)</script>").await;
    let page = browser.open(PATH).await;
    assert!(page.is(200).text.contains("&lt;script&gt;") && !page.text.contains("<script>"), "{page:#?}");
    let csv = browser.open(&format!("{EXPORT}?format=csv")).await;
    assert_eq!((csv.header("x-content-type-options"), csv.header("cache-control")), ("nosniff", "no-store"));
}
