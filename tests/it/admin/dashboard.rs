//! The health checks and the findings on the dashboard.

use super::{signed_in_root, signed_in_root_at};
use crate::support::TestServer;

const MAIL: &str = "No mail server: resets go to files";
const KEYS: &str = "No rotation is planned";

#[tokio::test]
async fn the_dashboard_warns_without_mail_server_and_without_planned_rotation() {
    for (settings, mail, keys) in [
        ("keys.rotate_every = 'never'", true, true),
        ("keys.rotate_every = '90d'", true, false),
        ("email.host = '127.0.0.1'\nkeys.rotate_every = 'never'", false, true),
        ("email.host = '127.0.0.1'\nkeys.rotate_every = '90d'", false, false),
    ] {
        let (_server, mut browser) = signed_in_root_at(TestServer::with(settings).await).await;
        let page = browser.open("/admin/").await;
        assert_eq!(page.is(200).text.contains(MAIL), mail, "{settings}: {page:#?}");
        assert_eq!(page.text.contains(KEYS), keys, "{settings}: {page:#?}");
    }
}

#[tokio::test]
async fn the_dashboard_shows_what_check_deploy_finds() {
    let (server, mut browser) = signed_in_root().await;
    let page = browser.open("/admin/").await;
    for text in
        ["Unsafe in production", "keys.passphrase: ", "email.host: no mail server is set", "registration.open: "]
    {
        assert!(page.is(200).text.contains(text), "{text}: {page:#?}");
    }
    assert!(!page.text.contains("All checks are ok") && !page.text.contains("admin.username: "), "{page:#?}");
    server.set("registration.open", "false").await;
    let page = browser.open("/admin/").await;
    assert!(!page.is(200).text.contains("registration.open: "), "{page:#?}");
}
