//! Coming in and going out.

use super::{Browser, PASSWORD, TestServer, inside, leads_to, superuser};

#[tokio::test]
async fn a_superuser_comes_in_and_goes_out() {
    let (server, mut browser) = inside().await;
    let page = browser.open("/admin/").await;
    assert!(page.is(200).text.contains("<h1>Dashboard</h1>") && page.text.contains("root"), "{page:#?}");
    let before = browser.clone();
    leads_to(&browser.submit("/admin/logout", &[]).await, "/admin/login");
    assert_eq!(browser.cookies.get("admin_session"), None);
    // The token opens nothing any more, wherever it was kept.
    leads_to(&before.clone().open("/admin/").await, "/admin/login?next=%2Fadmin%2F");
    let actions: Vec<_> = server.audit().await.into_iter().take(2).collect();
    let said = |action: &str| (action.to_owned(), "admin zone".to_owned());
    assert_eq!(actions, [said("signed_out"), said("signed_in")]);
}

#[tokio::test]
async fn a_sign_in_gives_a_token_nobody_had_before_and_ends_the_one_before() {
    let (_server, mut browser) = inside().await;
    let first = browser.clone();
    browser.cookies.remove("admin_visit");
    // A page at the door, as someone sees it who is signed in elsewhere: it leads on.
    leads_to(&browser.open("/admin/login?next=/admin/x").await, "/admin/x");
    let mut planted = Browser { cookies: [("admin_session".to_owned(), "A".repeat(43))].into(), ..first.clone() };
    planted.sign_in("root").await;
    assert_ne!(planted.cookies["admin_session"], "A".repeat(43));
    assert_ne!(planted.cookies["admin_session"], first.cookies["admin_session"]);
    first.clone().open("/admin/").await.is(200);
}

#[tokio::test]
async fn wrong_passwords_and_plain_users_are_one_answer() {
    let server = TestServer::with_anna().await;
    superuser(&server, "root").await;
    let mut answers = Vec::new();
    for (name, password) in
        [("root", "wrong"), ("anna", PASSWORD), ("anna", "wrong"), ("nobody", PASSWORD), ("root", "")]
    {
        let mut browser = Browser::new(&server);
        let answer = browser.sign_in_by(name, password).await;
        assert_eq!(browser.cookies.get("admin_session"), None);
        answers.push((answer.status, answer.text.replace(name, "NAME").replace(&browser.csrf, "TOKEN")));
    }
    assert_eq!(answers[0].0, 403);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}
