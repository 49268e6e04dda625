//! Settings in the admin zone: display, validation, and the effect of a change on the next token.

use std::time::Duration;

use super::{ServerResponse, assert_redirect, signed_in_root};
use crate::support::token::claims;

const PATH: &str = "/admin/settings";
const LIFETIME: &str = "profiles.jwt_issuer.access_lifetime";

#[tokio::test]
async fn an_invalid_setting_is_reported_at_its_field_and_not_stored() {
    let (server, mut browser) = signed_in_root().await;
    browser.open(PATH).await.is(200);
    for (name, value, message) in [
        (LIFETIME, "", "This must be 1 to 7776000 seconds"),
        (LIFETIME, "0", "This must be 1 to 7776000 seconds"),
        (LIFETIME, "7776001", "This must be 1 to 7776000 seconds"),
        (LIFETIME, "none", "This must be 1 to 7776000 seconds"),
        (LIFETIME, "-5", "This must be 1 to 7776000 seconds"),
        ("registration.open", "yes", "This must be true or false."),
        ("profiles.simplejwt.typ", "jwt", "This must be JWT or at+jwt."),
        ("profiles.simplejwt.user_id_claim", "sub", "This must be the name of a claim"),
        ("profiles.simplejwt.typo", "JWT", "Unknown setting \"profiles.simplejwt.typo\"; did you mean"),
        ("keys.promised_until", "1", "Unknown setting \"keys.promised_until\""),
        ("", "", "Unknown setting \"\""),
    ] {
        let refused = browser.submit(PATH, &[("name", name), ("value", value), ("do", "set")]).await;
        let plain = refused.is(400).text.replace("&#x27;", "'").replace("&quot;", "\"");
        assert!(plain.contains(message) && plain.contains("role=\"alert\""), "{name} = {value}: {plain}");
    }
    let markup = browser.submit(PATH, &[("name", LIFETIME), ("value", "\"><b>x")]).await;
    assert!(!markup.is(400).text.contains("<b>x"), "{markup:#?}");
    assert!(markup.text.contains("aria-invalid=\"true\""), "{markup:#?}");
    assert!(server.audit().await.iter().all(|(action, _)| action != "setting_changed"));
}

#[tokio::test]
async fn a_changed_lifetime_applies_to_the_next_token() {
    let (server, mut browser) = signed_in_root().await;
    let before = browser.open(PATH).await;
    assert!(before.is(200).text.contains("86400 seconds = 24 h"), "{before:#?}");
    assert!(!before.text.contains("Set by"), "all settings have their defaults");
    server.register("anna").await;
    let lifetime = |token: &str| claims(token)["exp"].as_i64().unwrap() - claims(token)["iat"].as_i64().unwrap();
    assert_eq!(lifetime(&server.token("anna").await), 86_400);

    let done = browser.submit(PATH, &[("name", LIFETIME), ("value", " 5m "), ("do", "set")]).await;
    assert_redirect(&done, &format!("{PATH}#{LIFETIME}"));
    let after = browser.open(PATH).await;
    for word in
        ["is now 300. The change applies immediately.", "300 seconds = 5 min", "Set by</strong> root, ", "Reset"]
    {
        assert!(after.is(200).text.contains(word), "{word}: {after:#?}");
    }
    assert_eq!(lifetime(&server.token("anna").await), 300);
    let line = server.audit().await.into_iter().find(|(action, _)| action == "setting_changed").unwrap();
    assert_eq!(line.1, format!("{LIFETIME} = 300 by root"));

    assert_redirect(
        &browser.submit(PATH, &[("name", LIFETIME), ("value", "1"), ("do", "reset")]).await,
        &format!("{PATH}#{LIFETIME}"),
    );
    let reset = browser.open(PATH).await;
    assert!(reset.text.contains("is now 86400 (the default)") && !reset.text.contains("Set by"), "{reset:#?}");
    assert_eq!(lifetime(&server.token("anna").await), 86_400);
}

#[tokio::test]
async fn a_setting_change_needs_csrf_token_and_step_up() {
    let (server, mut browser) = signed_in_root().await;
    let fields = [("name", "registration.open"), ("value", "false")];
    ServerResponse::send(browser.form(PATH, &fields)).await.is(403);
    server.clock.advance(Duration::from_mins(6));
    assert_redirect(&browser.submit(PATH, &fields).await, "/admin/prove?next=%2Fadmin%2F");
    assert!(server.issuer.settings().is_registration_open());
}
